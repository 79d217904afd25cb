"""Recorded files to arrays: CSV, Parquet and npz, refused with a reason where they don't fit."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from models.blocks import MAX_ABSOLUTE
from models.csv_files import read_csv
from models.recording import Part, ReadingError, Recording, default_names

_BROKEN_NPZ: Final = (OSError, ValueError, EOFError, RuntimeError, BadZipFile, zlib.error)


def read(
    path: Path,
    *,
    part: Part,
    time_column: str | None = None,
    may_lack: bool = False,
    any_order: bool = False,
) -> Recording:
    """Read a file by its ending: `.csv` or `.txt`, `.parquet` or `.pq`, `.npz`.

    In a CSV cells are separated by comma, semicolon or tab; times are epoch seconds or ISO 8601,
    UTC where no zone is given. A file without a header has times if its first cell is a date, if
    a position is given, or if its first column is strictly rising and all of it epoch seconds from
    March 1973 to 2200. In a Parquet file the same names are known, and dates are times too: see
    `models.parquet_files.read_parquet`. An npz has no times.

    Args:
        path: The file.
        part: Which array of an npz to take.
        time_column: Name of the time column, if it is not one of the usual names; in a CSV without
            a header its position, counted from 1.
        may_lack: Whether values may be missing: an empty cell, null or NaN, which become NaN.
        any_order: Whether times may repeat and go back; else such a row is refused.

    Raises:
        ReadingError: If the file can't be used, with the reason and the line or row.
    """
    if not path.is_file():
        raise ReadingError(f"{path}: there is no such file")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _read_npz(path, part, may_lack=may_lack)
    if suffix in (".csv", ".txt"):
        return read_csv(path, time_column, any_order=any_order, may_lack=may_lack)
    if suffix in (".parquet", ".pq"):
        # pyarrow takes a while to import: only who reads such a file waits for it
        from models.parquet_files import read_parquet  # noqa: PLC0415

        return read_parquet(path, time_column, any_order=any_order, may_lack=may_lack)
    raise ReadingError(f"{path}: can't read '{path.suffix}' files; give .csv, .parquet or .npz")


def npz_names(path: Path) -> list[str]:
    """Name the arrays of an npz file.

    Raises:
        ReadingError: If the file can't be read.
    """
    with _npz(path) as arrays:
        return arrays.files


def npz_array(path: Path, name: str) -> NDArray[Any]:
    """Read one array of an npz file, whatever its kind.

    Raises:
        ReadingError: If the file can't be read or has no such array.
    """
    with _npz(path) as arrays:
        if name in arrays.files:
            return np.asarray(arrays[name])
        names = ", ".join(arrays.files)
    raise ReadingError(f"{path}: no array '{name}' in it; there are: {names}")


@contextmanager
def _npz(path: Path) -> Iterator[NpzFile]:
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as arrays:
            yield arrays
    except _BROKEN_NPZ as error:
        raise ReadingError(f"{path}: not a readable npz file: {error}") from error


def _read_npz(path: Path, part: Part, *, may_lack: bool) -> Recording:
    values = npz_array(path, part)
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":  # noqa: PLR2004
        raise ReadingError(
            f"{path}: '{part}' is {values.dtype} {values.shape}; numbers [time, metric] needed"
        )
    values = values.astype(np.float64)
    is_fit = np.abs(values) <= MAX_ABSOLUTE
    if may_lack:
        is_fit |= np.isnan(values)
    bad = np.argwhere(~is_fit)
    if len(bad):
        row, column = bad[0]
        raise ReadingError(
            f"{path}: '{part}' row {row}, column {column} (counted from 0) is "
            f"{values[row, column]}; finite numbers up to {MAX_ABSOLUTE:g} needed"
        )
    return Recording(values=values, metrics=default_names(values.shape[1]), times=None)
