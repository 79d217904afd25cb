"""The layout of the Numenta Anomaly Benchmark (Lavin & Ahmad 2015): CSV files and their windows."""

from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from models.blocks import Bool, Int
from models.csv_files import read_csv
from models.evaluation.recordings.layout import Loaded, Reading, Rows, Source, loaded
from models.fit import MIN_ROWS
from models.recording import ReadingError

LABELS: Final = Path("labels") / "combined_windows.json"

PROBATION_SHARE: Final = 0.15
MAX_PROBATION_ROWS: Final = 750
"""The probationary part is 15 % of a file, and of 5,000 rows at most."""
Window = tuple[int, int]


def is_layout(directory: Path) -> bool:
    """Tell whether a directory has the benchmark's layout."""
    return (directory / LABELS).is_file() and (directory / "data").is_dir()


def sources(directory: Path) -> tuple[list[Source], list[str]]:
    """Find the files that are there and named in the labels; tells which have none.

    Raises:
        ReadingError: If the labels can't be read or name no file that is there.
    """
    named, data = _windows_by_file(directory), directory / "data"
    there = {path.relative_to(data).as_posix(): path for path in sorted(data.rglob("*.csv"))}
    notes = [f"{there[name]}: left out, {LABELS} does not name it" for name in there.keys() - named]
    found = [
        Source(
            name=name.removesuffix(".csv"), dataset="nab", layout="nab", path=path, root=directory
        )
        for name, path in there.items()
        if name in named
    ]
    if not found:
        raise ReadingError(f"{data}: there is no CSV that {LABELS} names")
    return found, sorted(notes)


def load(source: Source, how: Reading) -> Loaded:
    """Read one file: its probationary part is for training, the rest is judged.

    The probationary part is the benchmark's, and at least the rows that training needs. Windows
    that begin in it begin with the test part; rows inside a window are anomalous.

    Raises:
        ReadingError: If the file is too short, has no times, or can't be read.
    """
    recording = read_csv(source.path, how.time_column, any_order=True, may_lack=True)
    if recording.times is None:
        raise ReadingError(f"{source.path}: no column of times, as the benchmark's files have one")
    probation = probation_rows(len(recording.values))
    split = max(probation, MIN_ROWS)
    if split >= len(recording.values):
        raise ReadingError(
            f"{source.path}: {len(recording.values)} rows; training needs {MIN_ROWS} and some more "
            "are to be judged"
        )
    times = recording.times[split:]
    windows, notes = _rows_of(_windows_by_file(source.root)[source.name + ".csv"], times)
    rows = Rows(
        metrics=recording.metrics,
        train=recording.values[:split],
        test=recording.values[split:],
        labels=_inside(windows, len(times)),
        times=times,
        windows=windows,
    )
    if split > probation:
        notes.append(
            f"the {probation} rows of probation are too few to train on: {split} are taken"
        )
    made = loaded(source, rows, how)
    return Loaded(machine=made.machine, notes=(*notes, *made.notes))


def probation_rows(rows: int) -> int:
    """Tell how many of a file's rows, from the first on, the benchmark does not judge."""
    return min(int(PROBATION_SHARE * rows), MAX_PROBATION_ROWS)


def _windows_by_file(directory: Path) -> dict[str, list[Window]]:
    """Read the windows, microseconds UTC."""
    path = directory / LABELS
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, list[tuple[str, str]]])
        return {
            name: [(_microseconds(begin), _microseconds(end)) for begin, end in windows]
            for name, windows in raw.items()
        }
    except (OSError, ValueError) as error:
        raise ReadingError(f"{path}: not readable as the windows of files: {error}") from error


def _microseconds(text: str) -> int:
    return int(np.datetime64(text, "us").astype(np.int64))


def _rows_of(windows: list[Window], times: Int) -> tuple[tuple[Window, ...], list[str]]:
    """Turn windows of time into first and last row of the test part."""
    found, notes = list[Window](), list[str]()
    for begin, end in windows:
        rows = np.flatnonzero((begin <= times) & (times <= end))
        if len(rows):
            found.append((int(rows[0]), int(rows[-1])))
        else:
            notes.append(f"the window from {np.datetime64(begin, 'us')} holds no row to be judged")
    return tuple(found), notes


def _inside(windows: tuple[Window, ...], rows: int) -> Bool:
    labels = np.zeros(rows, np.bool_)
    for first, last in windows:
        labels[first : last + 1] = True
    return labels
