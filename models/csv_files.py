"""CSV files to arrays: finds header and time column, refuses with the line what doesn't fit."""

import csv
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

import numpy as np

from models.blocks import MAX_ABSOLUTE, MAX_TIME
from models.cells import (
    TIME_NAMES,
    epoch_seconds,
    is_date,
    is_likely_time,
    is_number,
    microseconds,
    number_in,
)
from models.recording import NOT_AFTER, ReadingError, Recording, default_names

_DELIMITERS: Final = ",;\t"
_MISSING: Final = frozenset({"", "nan"})
_TRUTHS: Final = {"true": 1.0, "false": 0.0}


def read_csv(
    path: Path,
    time_column: str | None,
    *,
    any_order: bool = False,
    may_lack: bool = False,
    may_be_label: Callable[[str], bool] = lambda _: False,
) -> Recording:
    """Read a CSV file; see `models.reading.read`.

    Args:
        path: The file.
        time_column: Name or position of the column of times.
        any_order: Whether times may repeat and go back; else such a row is refused.
        may_lack: Whether values may be missing, empty or `nan`; they become NaN. Else refused.
        may_be_label: Tells columns by their names in which true and false stand for 1 and 0.

    Raises:
        ReadingError: If the file can't be used, with the reason and the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = _CSV(path, file, time_column, may_be_label)
            table.any_order, table.may_lack = any_order, may_lack
            return table.recording()
    except (OSError, UnicodeDecodeError) as error:
        raise ReadingError(f"{path}: not readable as UTF-8 text: {error}") from error


class _CSV:
    """One CSV file: finds header and time column, then converts line by line."""

    def __init__(
        self,
        path: Path,
        file: TextIO,
        time_column: str | None,
        may_be_label: Callable[[str], bool],
    ) -> None:
        self.any_order = self.may_lack = False
        self._path = path
        self._wanted = time_column
        self._may_be_label = may_be_label
        self._has_truths: list[bool] = []
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
        self._has_truths = [has_header and self._may_be_label(name) for name in first]
        self._time_at = self._find_time(first, has_header=has_header)
        metrics = self._metrics(first, has_header=has_header)
        body = rows if has_header else itertools.chain([first], rows)
        values = np.asarray([self._values(row) for row in body], np.float64)
        if not len(values):
            raise ReadingError(f"{self._path}: there is a header and nothing below it")
        if self._time_at is not None:
            times = np.asarray(self._times, np.int64)
            return Recording(values=values, metrics=metrics, times=times)
        # a time alone would leave no metric
        seconds = epoch_seconds(values[:, 0]) if len(metrics) > 1 else None
        if seconds is None:
            return Recording(values=values, metrics=metrics, times=None)
        if has_header:
            raise ReadingError(
                f"{self._path}: column '{metrics[0]}' looks like epoch seconds: name it as the "
                "time column (--time-column); if it is a metric, put another column first"
            )
        names = default_names(len(metrics) - 1)
        return Recording(values=values[:, 1:], metrics=names, times=seconds)

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
        if not TIME_NAMES.isdisjoint(map(str.lower, first)):
            return True
        if self._wanted in first:
            # names may be numbers too: it is a position only if a time stands there
            at = self._position(first)
            return at is None or not is_likely_time(first[at])
        return not any(is_number(cell) or is_date(cell) for cell in first)

    def _position(self, first: list[str]) -> int | None:
        """Take what was asked for as a position from 1; gives it from 0 if there is such a one."""
        if self._wanted is None or not self._wanted.isdecimal():
            return None
        at = int(self._wanted) - 1
        return at if 0 <= at < len(first) else None

    def _find_time(self, first: list[str], *, has_header: bool) -> int | None:
        if self._wanted is not None:
            if not has_header:
                return self._time_position(first)
            if self._wanted not in first:
                raise self._error(f"no column '{self._wanted}'; there are: {', '.join(first)}")
            return first.index(self._wanted)
        if has_header:
            known = (at for at, name in enumerate(first) if name.lower() in TIME_NAMES)
            return next(known, None)
        return None if not first[0] or is_number(first[0]) else 0

    def _time_position(self, first: list[str]) -> int:
        at = self._position(first)
        if at is None:
            raise self._error(
                f"no header to find the time column '{self._wanted}' in; "
                f"give its position, 1 to {len(first)}"
            )
        return at

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
        if self._has_truths[at] and cell.lower() in _TRUTHS:
            return _TRUTHS[cell.lower()]
        if self.may_lack and cell.lower() in _MISSING:
            return math.nan
        try:
            number = number_in(cell)
        except ValueError:
            raise self._error(f"{_complaint(cell)} (column {self._labels[at]})") from None
        if not abs(number) <= MAX_ABSOLUTE:
            raise self._error(f"'{cell}' is not finite or too large (column {self._labels[at]})")
        return number

    def _time(self, cell: str) -> int:
        try:
            at = microseconds(cell)
        except (ValueError, OverflowError):
            raise self._error(f"'{cell}' is neither epoch seconds nor an ISO 8601 time") from None
        if abs(at) > MAX_TIME:
            raise self._error(f"time {cell} lies beyond 2200: epoch seconds, not milliseconds")
        if self._times and at <= self._times[-1] and not self.any_order:
            raise self._error(f"time {cell} {NOT_AFTER}")
        return at

    def _error(self, reason: str) -> ReadingError:
        return ReadingError(f"{self._path}, line {self._reader.line_num}: {reason}")


def _complaint(cell: str) -> str:
    """Say why a cell is no number, and what may be behind it."""
    if not cell:
        return "a value is missing"
    if is_date(cell):
        return f"'{cell}' is a date; say that this is the time column (--time-column)"
    hint = "; decimals are written with a point" if "," in cell else ""
    return f"'{cell}' is no number{hint}"
