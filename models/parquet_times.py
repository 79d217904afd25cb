"""Times as Parquet holds them, dates, numbers or text, to microseconds."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import MAX_TIME, Int
from models.cells import microseconds
from models.recording import MICROSECONDS

_DAY_US: Final = 86_400 * MICROSECONDS
_PER_UNIT: Final = {"s": MICROSECONDS, "ms": 1000, "us": 1}
_NS: Final = 1000
_NEITHER: Final = "neither epoch seconds nor an ISO 8601 time"
_NO_TIMES: Final = "holds no times: dates, epoch seconds or ISO 8601 text are wanted"


class TimeError(Exception):
    """A time that can't be used.

    Attributes:
        row: Which one of the column, counted from 0.
        reason: Why.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.reason = reason


def plain(kind: Any) -> Any:
    """Give the type of the values of a column: that behind the keys, where it is a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def is_dated(kind: Any) -> bool:
    """Whether a type says by itself that its values are moments or days."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def times_of(column: Any) -> Int:
    """Convert a column of times to microseconds, `[N]`; without a zone they are UTC.

    Args:
        column: Timestamps of any unit, days, epoch seconds as whole or floating numbers, or text.

    Raises:
        TimeError: If one is missing, is no time or lies beyond 2200.
    """
    kind = plain(column.type)
    column = column.cast(kind)
    if column.null_count:
        raise TimeError(_first(column.is_null().to_numpy()), "the time is missing")
    if is_dated(kind):
        return _checked(*_counted(column, kind))
    if pa.types.is_integer(kind):
        return _checked(column.cast(pa.int64()).to_numpy(), MICROSECONDS)
    if pa.types.is_floating(kind):
        return _of_seconds(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([_of_text(at, text) for at, text in enumerate(column.to_pylist())])
    raise TimeError(0, f"the column is {column.type} and {_NO_TIMES}")


def _counted(column: Any, kind: Any) -> tuple[Int, int]:
    """Give dates as whole numbers and how many microseconds one stands for."""
    if pa.types.is_date32(kind):
        return column.cast(pa.int32()).to_numpy().astype(np.int64), _DAY_US
    counts: Int = column.cast(pa.int64()).to_numpy()
    if pa.types.is_date64(kind):
        return counts, _PER_UNIT["ms"]
    if kind.unit == "ns":
        return counts // _NS, 1
    return counts, _PER_UNIT[kind.unit]


def _checked(counts: Int, unit_us: int) -> Int:
    """Bring whole numbers to microseconds; checked before, as the product may not fit."""
    beyond = np.abs(counts.astype(np.float64)) * unit_us > MAX_TIME
    if beyond.any():
        raise _too_far(_first(beyond), str(counts[_first(beyond)]))
    return counts * unit_us


def _of_seconds(column: Any) -> Int:
    seconds = column.cast(pa.float64()).to_numpy()
    is_time = np.isfinite(seconds)
    if not is_time.all():
        row = _first(~is_time)
        raise TimeError(row, f"{seconds[row]} is {_NEITHER}")
    beyond = np.abs(seconds) > MAX_TIME / MICROSECONDS
    if beyond.any():
        raise _too_far(_first(beyond), str(seconds[_first(beyond)]))
    times: Int = np.rint(seconds * MICROSECONDS).astype(np.int64)
    return times


def _of_text(row: int, text: str) -> int:
    try:
        at = microseconds(text.strip())
    except (ValueError, OverflowError):
        raise TimeError(row, f"'{text}' is {_NEITHER}") from None
    if abs(at) > MAX_TIME:
        raise _too_far(row, text)
    return at


def _too_far(row: int, shown: str) -> TimeError:
    return TimeError(row, f"time {shown} lies beyond 2200: epoch seconds, not milliseconds")


def _first(flags: Any) -> int:
    return int(np.argmax(flags))
