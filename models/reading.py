"""Recorded files to arrays: CSV and npz, refused with a reason and a line where they don't fit."""

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import numpy as np

from models.blocks import MAX_TIME, Float64, Int

TIME_NAMES: Final = frozenset({"timestamp", "time", "datetime", "date", "ts"})
MICROSECONDS: Final = 1_000_000
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
    """Read a file by its ending: `.npz` (the array named `part`) or `.csv`.

    Args:
        path: The file.
        part: Which array of an npz to take.
        time_column: Name of the CSV's time column, if it is not one of the usual names.

    Raises:
        ReadingError: If the file can't be used, with the reason and the line.
    """
    if not path.is_file():
        raise ReadingError(f"{path}: there is no such file")
    if path.suffix == ".npz":
        return _read_npz(path, part)
    if path.suffix in (".csv", ".txt"):
        return _read_csv(path, time_column)
    raise ReadingError(f"{path}: can't read '{path.suffix}' files; give .csv or .npz")


def _read_npz(path: Path, part: Part) -> Recording:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if part not in arrays:
                raise ReadingError(
                    f"{path}: no array '{part}' in it; there are: {', '.join(arrays.files)}"
                )
            values = np.asarray(arrays[part])
    except (OSError, ValueError) as error:
        raise ReadingError(f"{path}: not a readable npz file: {error}") from error
    if values.ndim != 2 or 0 in values.shape or values.dtype.kind not in "fiu":  # noqa: PLR2004
        raise ReadingError(
            f"{path}: '{part}' is {values.dtype} {values.shape}; numbers [time, metric] needed"
        )
    values = values.astype(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        raise ReadingError(f"{path}: '{part}' row {bad[0][0]}, column {bad[0][1]} is not finite")
    return Recording(values=values, metrics=default_names(values.shape[1]), times=None)


def default_names(n_features: int) -> list[str]:
    """Name metrics that have no names: m00, m01, ..."""
    digits = max(2, len(str(n_features - 1)))
    return [f"m{index:0{digits}d}" for index in range(n_features)]


def _read_csv(path: Path, time_column: str | None) -> Recording:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _CSV(path, time_column).read(_numbered(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ReadingError(f"{path}: not a readable CSV file: {error}") from error


def _numbered(file: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank with the line they end on."""
    reader = csv.reader(file)
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield reader.line_num, cells


class _CSV:
    """One CSV file: finds header and time column, then converts line by line."""

    def __init__(self, path: Path, time_column: str | None) -> None:
        self.path = path
        self.wanted = time_column
        self.time_at: int | None = None

    def read(self, rows: Iterator[tuple[int, list[str]]]) -> Recording:
        line, first = next(rows, (0, []))
        if not first:
            raise ReadingError(f"{self.path}: the file is empty")
        has_header = not any(_is_number(cell) for cell in first)
        self.time_at = self._find_time(first, has_header=has_header)
        names = self._names(first, has_header=has_header)
        body = rows if has_header else _chained((line, first), rows)
        times: list[int] = []
        values = np.asarray([self._row(at, row, first, times) for at, row in body], np.float64)
        if not len(values):
            raise ReadingError(f"{self.path}: there is a header and nothing below it")
        dated = np.asarray(times, np.int64) if self.time_at is not None else None
        return Recording(values=values, metrics=names, times=dated)

    def _find_time(self, first: list[str], *, has_header: bool) -> int | None:
        if has_header and self.wanted is not None:
            if self.wanted not in first:
                raise ReadingError(
                    f"{self.path}: no column '{self.wanted}'; there are: {', '.join(first)}"
                )
            return first.index(self.wanted)
        if has_header:
            known = (at for at, name in enumerate(first) if name.lower() in TIME_NAMES)
            return next(known, None)
        return None if _is_number(first[0]) else 0

    def _names(self, first: list[str], *, has_header: bool) -> list[str]:
        columns = [name for at, name in enumerate(first) if at != self.time_at]
        if not columns:
            raise ReadingError(f"{self.path}: there is no metric beside the time")
        if not has_header:
            return default_names(len(columns))
        if len(set(columns)) < len(columns) or not all(columns):
            raise ReadingError(f"{self.path}, line 1: every metric needs a name of its own")
        return columns

    def _row(self, line: int, row: list[str], first: list[str], times: list[int]) -> list[float]:
        if len(row) != len(first):
            raise self._error(line, f"{len(row)} cells where the first line has {len(first)}")
        if self.time_at is not None:
            at = self._time(line, row[self.time_at])
            if times and at <= times[-1]:
                raise self._error(line, f"time {row[self.time_at]} is not after the line before")
            times.append(at)
        return [
            self._number(line, cell, column)
            for at, (cell, column) in enumerate(zip(row, first, strict=True))
            if at != self.time_at
        ]

    def _number(self, line: int, cell: str, column: str) -> float:
        try:
            number = float(cell)
        except ValueError:
            what = f"'{cell}' is no number" if cell else "a value is missing"
            raise self._error(line, f"{what} (column '{column}')") from None
        if not math.isfinite(number):
            raise self._error(line, f"'{cell}' is not finite (column '{column}')")
        return number

    def _time(self, line: int, cell: str) -> int:
        try:
            seconds = float(cell) if _is_number(cell) else _rfc3339(cell)
            at = round(seconds * MICROSECONDS)
        except (ValueError, OverflowError):
            raise self._error(line, f"'{cell}' is neither epoch seconds nor RFC 3339") from None
        if abs(at) > MAX_TIME:
            raise self._error(line, f"time {cell} lies beyond 2200: is it in milliseconds?")
        return at

    def _error(self, line: int, reason: str) -> ReadingError:
        return ReadingError(f"{self.path}, line {line}: {reason}")


def _rfc3339(text: str) -> float:
    """Epoch seconds of a date and time; one without a zone is taken as UTC."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _chained(
    first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    yield first
    yield from rest
