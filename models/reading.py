"""Recorded files to arrays: CSV and npz, refused with a reason and a line where they don't fit."""

import csv
import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, TextIO
from zipfile import BadZipFile

import numpy as np

from models.blocks import MAX_ABSOLUTE, MAX_TIME, Float64, Int

TIME_NAMES: Final = frozenset({"timestamp", "time", "datetime", "date", "ts"})
MICROSECONDS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DELIMITERS: Final = ",;\t"
_BROKEN_NPZ: Final = (OSError, ValueError, EOFError, RuntimeError, BadZipFile, zlib.error)
Part = Literal["train", "test"]


class ReadingError(Exception):
    """A file that can't be used; says which line and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recorded file as arrays.

    Attributes:
        values: Raw values in order of time, `[T, F]`, finite.
        metrics: Names of the F columns; `m00`, `m01`, ... where the file has none.
        times: Microseconds UTC, strictly rising, `[T]`, or None where the file has none.
    """

    values: Float64
    metrics: list[str]
    times: Int | None

    @property
    def step_s(self) -> float | None:
        """Median seconds between rows, if the file has times."""
        if self.times is None or len(self.times) < 2:  # noqa: PLR2004 - one row has no step
            return None
        return float(np.median(np.diff(self.times))) / MICROSECONDS


def read(path: Path, *, part: Part, time_column: str | None = None) -> Recording:
    """Read a file by its ending: `.npz` (the array named `part`), `.csv` or `.txt`.

    Cells are separated by comma, semicolon or tab; times are epoch seconds or ISO 8601, UTC where
    no zone is given. A file without a header has times only if its first cell is a date.

    Args:
        path: The file.
        part: Which array of an npz to take.
        time_column: Name of the CSV's time column, if it is not one of the usual names.

    Raises:
        ReadingError: If the file can't be used, with the reason and the line.
    """
    if not path.is_file():
        raise ReadingError(f"{path}: there is no such file")
    if path.suffix.lower() == ".npz":
        return _read_npz(path, part)
    if path.suffix.lower() in (".csv", ".txt"):
        return _read_csv(path, time_column)
    raise ReadingError(f"{path}: can't read '{path.suffix}' files; give .csv or .npz")


def default_names(n_features: int) -> list[str]:
    """Name metrics that have no names: m00, m01, ..."""
    digits = max(2, len(str(n_features - 1)))
    return [f"m{index:0{digits}d}" for index in range(n_features)]


def _read_npz(path: Path, part: Part) -> Recording:
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as arrays:
            names = arrays.files
            values = np.asarray(arrays[part]) if part in names else None
    except _BROKEN_NPZ as error:
        raise ReadingError(f"{path}: not a readable npz file: {error}") from error
    if values is None:
        raise ReadingError(f"{path}: no array '{part}' in it; there are: {', '.join(names)}")
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":  # noqa: PLR2004
        raise ReadingError(
            f"{path}: '{part}' is {values.dtype} {values.shape}; numbers [time, metric] needed"
        )
    values = values.astype(np.float64)
    bad = np.argwhere(~(np.abs(values) <= MAX_ABSOLUTE))
    if len(bad):
        row, column = bad[0]
        raise ReadingError(
            f"{path}: '{part}' row {row}, column {column} (counted from 0) is "
            f"{values[row, column]}; finite numbers up to {MAX_ABSOLUTE:g} needed"
        )
    return Recording(values=values, metrics=default_names(values.shape[1]), times=None)


def _read_csv(path: Path, time_column: str | None) -> Recording:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _CSV(path, file, time_column).recording()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadingError(f"{path}: not readable as UTF-8 text: {error}") from error


class _CSV:
    """One CSV file: finds header and time column, then converts line by line."""

    def __init__(self, path: Path, file: TextIO, time_column: str | None) -> None:
        self._path = path
        self._wanted = time_column
        start = next((line for line in file if line.strip()), "")
        file.seek(0)
        self._reader = csv.reader(file, delimiter=max(_DELIMITERS, key=start.count), strict=True)
        self._labels: list[str] = []
        self._time_at: int | None = None
        self._times: list[int] = []

    def recording(self) -> Recording:
        """Read the whole file."""
        rows = self._rows()
        first = next(rows, None)
        if first is None:
            raise ReadingError(f"{self._path}: the file is empty")
        has_header = self._has_header(first)
        self._labels = [f"'{name}'" if has_header else f"{at + 1}" for at, name in enumerate(first)]
        self._time_at = self._find_time(first, has_header=has_header)
        metrics = self._metrics(first, has_header=has_header)
        body = rows if has_header else itertools.chain([first], rows)
        values = np.asarray([self._values(row) for row in body], np.float64)
        if not len(values):
            raise ReadingError(f"{self._path}: there is a header and nothing below it")
        times = None if self._time_at is None else np.asarray(self._times, np.int64)
        return Recording(values=values, metrics=metrics, times=times)

    def _rows(self) -> Iterator[list[str]]:
        """Yield the rows that are not blank; the reader knows the line of the last one."""
        try:
            for row in self._reader:
                cells = [cell.strip() for cell in row]
                if len(cells) > 1 or any(cells):
                    yield cells
        except csv.Error as error:
            raise self._error(f"not readable as CSV: {error}") from error

    def _has_header(self, first: list[str]) -> bool:
        names_time = self._wanted in first or not TIME_NAMES.isdisjoint(map(str.lower, first))
        return names_time or not any(_is_number(cell) or _is_date(cell) for cell in first)

    def _find_time(self, first: list[str], *, has_header: bool) -> int | None:
        if self._wanted is not None:
            if not has_header:
                raise self._error(f"no header to find the time column '{self._wanted}' in")
            if self._wanted not in first:
                raise self._error(f"no column '{self._wanted}'; there are: {', '.join(first)}")
            return first.index(self._wanted)
        if has_header:
            known = (at for at, name in enumerate(first) if name.lower() in TIME_NAMES)
            return next(known, None)
        return None if _is_number(first[0]) else 0

    def _metrics(self, first: list[str], *, has_header: bool) -> list[str]:
        names = [name for at, name in enumerate(first) if at != self._time_at]
        if not names:
            raise self._error("there is no metric beside the time")
        if not has_header:
            return default_names(len(names))
        if not all(names):
            raise self._error(f"column {first.index('') + 1} has no name")
        twice = [name for at, name in enumerate(names) if name in names[:at]]
        if twice:
            raise self._error(f"two columns are named '{twice[0]}'")
        return names

    def _values(self, row: list[str]) -> list[float]:
        """Convert one row; its time goes to the times."""
        if len(row) != len(self._labels):
            raise self._error(f"{len(row)} cells where the first line has {len(self._labels)}")
        if self._time_at is not None:
            self._times.append(self._time(row[self._time_at]))
        return [self._number(cell, at) for at, cell in enumerate(row) if at != self._time_at]

    def _number(self, cell: str, at: int) -> float:
        try:
            number = _number(cell)
        except ValueError:
            raise self._error(f"{_complaint(cell)} (column {self._labels[at]})") from None
        if not abs(number) <= MAX_ABSOLUTE:
            raise self._error(f"'{cell}' is not finite or too large (column {self._labels[at]})")
        return number

    def _time(self, cell: str) -> int:
        try:
            at = _microseconds(cell)
        except (ValueError, OverflowError):
            raise self._error(f"'{cell}' is neither epoch seconds nor an ISO 8601 time") from None
        if abs(at) > MAX_TIME:
            raise self._error(f"time {cell} lies beyond 2200: epoch seconds, not milliseconds")
        if self._times and at <= self._times[-1]:
            raise self._error(f"time {cell} is not after that of the row before")
        return at

    def _error(self, reason: str) -> ReadingError:
        return ReadingError(f"{self._path}, line {self._reader.line_num}: {reason}")


def _complaint(cell: str) -> str:
    """Say why a cell is no number, and what may be behind it."""
    if not cell:
        return "a value is missing"
    if _is_date(cell):
        return f"'{cell}' is a date; say that this is the time column"
    hint = "; decimals are written with a point" if "," in cell else ""
    return f"'{cell}' is no number{hint}"


def _number(text: str) -> float:
    if "_" in text:
        raise ValueError("Python would take 1_000; no other program does")
    return float(text)


def _microseconds(text: str) -> int:
    if _is_number(text):
        return round(_number(text) * MICROSECONDS)
    moment = datetime.fromisoformat(text)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // timedelta(microseconds=1)


def _is_number(text: str) -> bool:
    return _is_accepted(_number, text)


def _is_date(text: str) -> bool:
    return _is_accepted(datetime.fromisoformat, text)


def _is_accepted(convert: Callable[[str], object], text: str) -> bool:
    try:
        convert(text)
    except ValueError:
        return False
    return True
