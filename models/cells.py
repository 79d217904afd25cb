"""What stands in a cell of text: a number, a time; as strictly as other programs take it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from models.blocks import MAX_TIME, Float64, Int
from models.recording import MICROSECONDS

TIME_NAMES: Final = frozenset({"timestamp", "time", "datetime", "date", "ts"})
"""Of the column of times, in lower case."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST_EPOCH_S: Final = 1e8
"""March 1973: a smaller number is hardly the time of a recording, so it may well be a metric."""


def number_in(text: str) -> float:
    """Read a number.

    Raises:
        ValueError: If it is none.
    """
    if "_" in text:
        raise ValueError("Python would take 1_000; no other program does")
    return float(text)


def microseconds(text: str) -> int:
    """Read a time: epoch seconds, or ISO 8601, UTC where no zone is given.

    Raises:
        ValueError, OverflowError: If it is neither.
    """
    if is_number(text):
        return round(number_in(text) * MICROSECONDS)
    moment = datetime.fromisoformat(text)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - _EPOCH) // timedelta(microseconds=1)


def epoch_seconds(column: Float64) -> Int | None:
    """Take a column without a name, `[N]`, as times, if a person would see that it holds them.

    Returns:
        Microseconds; None: it does not rise strictly, or leaves March 1973 to 2200.
    """
    if not _LEAST_EPOCH_S <= column.min() <= column.max() <= MAX_TIME / MICROSECONDS:
        return None
    times: Int = np.rint(column * MICROSECONDS).astype(np.int64)
    return times if (np.diff(times) > 0).all() else None


def is_likely_time(text: str) -> bool:
    """Whether a person would take it for a time: a date, or epoch seconds since March 1973."""
    return number_in(text) >= _LEAST_EPOCH_S if is_number(text) else is_date(text)


def is_number(text: str) -> bool:
    """Whether it can be read as a number."""
    return _is_accepted(number_in, text)


def is_date(text: str) -> bool:
    """Whether it is ISO 8601: a day, or a moment."""
    return _is_accepted(datetime.fromisoformat, text)


def _is_accepted(convert: Callable[[str], object], text: str) -> bool:
    try:
        convert(text)
    except ValueError:
        return False
    return True
