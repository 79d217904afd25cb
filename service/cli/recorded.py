"""How commands read recorded files: as a stream would take them, what is left out told."""

from pathlib import Path
from typing import Final

import numpy as np

from models.blocks import NO_TIME, Bool, Refusal, unfit
from models.reading import read
from models.recording import Part, Recording, late
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
    than half is missing; for training all that are not whole. Where that is more than
    `MOST_LEFT_OUT` of what is learned from, or more are late, the file is refused.

    Raises:
        ReadingError: If it can't be used, or too much of it would be left out.
    """
    recording = read(file, part=part, time_column=time_column, may_lack=True, any_order=True)
    is_late, is_lacking = late(recording.times, len(recording.values)), _lacking(recording, part)
    is_left_out = is_late | is_lacking
    too_many = is_late if part == "test" else is_left_out
    if is_left_out.all() or too_many.mean() > MOST_LEFT_OUT:
        # which says where and what to do
        return read(file, part=part, time_column=time_column)
    _tell_left_out(is_late, _LATE)
    _tell_left_out(is_lacking & ~is_late, _MISSING[part])
    return _without(recording, is_left_out)


def _lacking(recording: Recording, part: Part) -> Bool:
    lacking: Bool = np.zeros(len(recording.values), np.bool_)
    if part == "train":
        np.any(np.isnan(recording.values), axis=1, out=lacking)
    else:
        reasons = unfit(recording.values, np.full(len(lacking), NO_TIME))
        np.equal(reasons, int(Refusal.TOO_MANY_MISSING), out=lacking)
    return lacking


def _without(recording: Recording, is_left_out: Bool) -> Recording:
    if not is_left_out.any():
        return recording
    times = None if recording.times is None else recording.times[~is_left_out]
    return Recording(values=recording.values[~is_left_out], metrics=recording.metrics, times=times)


def _tell_left_out(is_left_out: Bool, why: str) -> None:
    rows = np.flatnonzero(is_left_out)
    if len(rows):
        told = "row is" if len(rows) == 1 else "rows are"
        tell(f"{len(rows)} {told} left out: {why}; the first is row {rows[0]}, counted from 0")
