"""Parquet files to arrays, column by column; refuses with the row what doesn't fit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow.parquet import ParquetFile

from models.blocks import MAX_ABSOLUTE, Float64, Int
from models.cells import TIME_NAMES, epoch_seconds
from models.parquet_times import TimeError, is_dated, plain, times_of
from models.recording import NOT_AFTER, ReadingError, Recording

_BROKEN: Final = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
"""What pyarrow raises where the bytes are not what their header promises."""
_UNNAMED_INDEX: Final = re.compile(r"__index_level_\d+__")
"""What pandas calls the index of a frame that has no name."""


def read_parquet(
    path: Path, time_column: str | None, *, any_order: bool = False, may_lack: bool = False
) -> Recording:
    """Read a Parquet file; see `models.reading.read`.

    The time column is the one that was asked for; else one with a usual name; else the only one
    of dates. The unnamed index of a pandas frame is no metric: it is the time if it holds times,
    dates or rising epoch seconds from March 1973 to 2200, and is left out if it only counts rows.

    Args:
        path: The file.
        time_column: Name of the column of times.
        any_order: Whether times may repeat and go back; else such a row is refused.
        may_lack: Whether values may be missing, null or NaN; they become NaN. Else refused.

    Raises:
        ReadingError: If the file can't be used, with the reason, the column and the row.
    """
    try:
        with pa.OSFile(str(path)) as source, ParquetFile(source) as file:
            table = _Parquet(path, file)
            table.any_order, table.may_lack = any_order, may_lack
            return table.recording(time_column)
    except _BROKEN as error:
        raise ReadingError(f"{path}: not a readable Parquet file: {error}") from error


class _Parquet:
    """One Parquet file: checks the columns by their types, then reads one after the other."""

    def __init__(self, path: Path, file: ParquetFile) -> None:
        self.any_order = self.may_lack = False
        self._path = path
        self._file = file
        self._rows = int(file.metadata.num_rows)
        schema = file.schema_arrow
        self._names: list[str] = list(schema.names)
        self._types: dict[str, Any] = dict(zip(schema.names, schema.types, strict=True))

    def recording(self, wanted: str | None) -> Recording:
        """Read the whole file."""
        self._check_names()
        time = self._time_column(wanted)
        metrics = [one for one in self._names if one != time and not self._is_index(one)]
        if not metrics:
            raise self._error(
                "there is no metric beside the time" if time else "there is no metric in it"
            )
        for name in metrics:
            self._check_type(name)
        if not self._rows:
            raise self._error("there are columns and no row in them")
        times = self._index_times() if time is None else self._times(time)
        values = np.empty((self._rows, len(metrics)))
        for at, name in enumerate(metrics):
            self._fill(values[:, at], name)
        return Recording(values=values, metrics=metrics, times=times)

    def _check_names(self) -> None:
        if "" in self._names:
            raise self._error(f"column {self._names.index('') + 1} has no name")
        twice = [name for at, name in enumerate(self._names) if name in self._names[:at]]
        if twice:
            raise self._error(f"two columns are named '{twice[0]}'")

    def _time_column(self, wanted: str | None) -> str | None:
        names = self._names
        if wanted is not None:
            if wanted not in names:
                raise self._error(f"no column '{wanted}'; there are: {', '.join(names)}")
            return wanted
        usual = next((name for name in names if name.lower() in TIME_NAMES), None)
        if usual is not None:
            return usual
        dated = [name for name in names if is_dated(self._types[name])]
        if len(dated) > 1:
            told = ", ".join(dated)
            raise self._error(
                f"several columns hold dates ({told}); say which is the time column (--time-column)"
            )
        return dated[0] if dated else None

    def _is_index(self, name: str) -> bool:
        """Whether this is the index of a pandas frame and only counts its rows."""
        kind = plain(self._types[name])
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        return is_number and _UNNAMED_INDEX.fullmatch(name) is not None

    def _check_type(self, name: str) -> None:
        kind = plain(self._types[name])
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
            raise self._error(f"column '{name}' is {self._types[name]}, {_advice(kind)}")

    def _index_times(self) -> Int | None:
        """Give the times that an unnamed index of numbers holds, if a person would see them."""
        for name in filter(self._is_index, self._names):
            index = np.concatenate([_numbers(part) for _, part in self._parts(name)])
            times = epoch_seconds(index)
            if times is not None:
                return times
        return None

    def _times(self, name: str) -> Int:
        times = np.empty(self._rows, np.int64)
        for begin, part in self._parts(name):
            try:
                times[begin : begin + len(part)] = times_of(part)
            except TimeError as error:
                raise self._row_error(begin + error.row, error.reason, name) from None
        back = np.flatnonzero(np.diff(times) <= 0)
        if len(back) and not self.any_order:
            row = int(back[0]) + 1
            shown = np.datetime64(int(times[row]), "us")
            raise self._row_error(row, f"time {shown} {NOT_AFTER}", name)
        return times

    def _fill(self, column: Float64, name: str) -> None:
        """Read one metric into its place, and refuse the first value that is none."""
        for begin, part in self._parts(name):
            column[begin : begin + len(part)] = _numbers(part)
        is_fit = np.abs(column) <= MAX_ABSOLUTE
        if self.may_lack:
            is_fit |= np.isnan(column)
        if is_fit.all():
            return
        row = int(np.argmin(is_fit))
        is_missing = np.isnan(column[row])
        reason = "a value is missing" if is_missing else f"{column[row]} is not finite or too large"
        raise self._row_error(row, reason, name)

    def _parts(self, name: str) -> Iterator[tuple[int, Any]]:
        """Yield a column piece by piece, each with its first row; never all of a file at once."""
        begin = 0
        for group in range(self._file.num_row_groups):
            # asked for "cpu", pyarrow gives "cpu.load" too: the name picks the one meant
            part = self._file.read_row_group(group, columns=[name]).column(name)
            yield begin, part
            begin += len(part)

    def _row_error(self, row: int, reason: str, name: str) -> ReadingError:
        return ReadingError(f"{self._path}, row {row} (counted from 0): {reason} (column '{name}')")

    def _error(self, reason: str) -> ReadingError:
        return ReadingError(f"{self._path}: {reason}")


def _numbers(column: Any) -> Float64:
    """Convert a column of numbers, `[N]`; null becomes NaN."""
    decoded = column.cast(plain(column.type))
    numbers: Float64 = decoded.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _advice(kind: Any) -> str:
    """Say what to do with a column that holds no numbers."""
    types = pa.types
    if types.is_boolean(kind):
        return "no number; store it as 0 and 1 if it is a metric, or leave it out"
    if is_dated(kind):
        return "a date; say that this is the time column (--time-column), or leave it out"
    if types.is_decimal(kind):
        return "which floats can't hold as it is; store it as float64, or leave it out"
    if types.is_nested(kind):
        return "no single number; give each of its parts a column, or leave it out"
    return "no number; store it as numbers, or leave it out"
