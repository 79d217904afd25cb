"""How commands read recorded files: as a stream would take them, what is left out told."""

from pathlib import Path
from typing import Final

import numpy as np

from models.blocks import Bool, Int
from models.reading import read
from models.recording import Part, Recording, in_order
from service.cli.console import tell

MOST_LEFT_OUT: Final = 0.05
"""A larger part of the rows, and something is wrong with the file."""
_MISSING: Final = {
    "train": "a value is missing, and what is normal is learned from whole rows",
    "test": "more than half of the values are missing, and the service would refuse them",
}
_LATE: Final = "their time is not after that of the rows before, and the service would refuse them"


def recorded(file: Path, part: Part, time_column: str | None) -> Recording:
    """Read a file as a stream would take it.

    Rows that the service would refuse are left out: those that are late, and those of which more
    than half is missing; for training all that are not whole.

    Raises:
        ReadingError: If it can't be used, or too much of it would be left out.
    """
    recording = read(file, part=part, time_column=time_column, may_lack=True, any_order=True)
    ordered, late = in_order(recording)
    lacking = _lacking(ordered, part)
    most = MOST_LEFT_OUT * len(recording.values)
    if len(late) > most or np.count_nonzero(lacking) > most:
        # which says where and what to do
        return read(file, part=part, time_column=time_column)
    _tell_left_out(late, _LATE)
    _tell_left_out(np.flatnonzero(lacking), _MISSING[part])
    return _without(ordered, lacking)


def _lacking(recording: Recording, part: Part) -> Bool:
    missing = np.isnan(recording.values)
    most = 0.0 if part == "train" else 0.5
    found: Bool = missing.mean(axis=1) > most
    return found


def _without(recording: Recording, lacking: Bool) -> Recording:
    if not lacking.any():
        return recording
    times = None if recording.times is None else recording.times[~lacking]
    return Recording(values=recording.values[~lacking], metrics=recording.metrics, times=times)


def _tell_left_out(rows: Int, why: str) -> None:
    if len(rows):
        told = "row is" if len(rows) == 1 else "rows are"
        tell(f"{len(rows)} {told} left out: {why}; the first is row {rows[0]}, counted from 0")
