"""What a recorded file is once it has been read, whatever its kind."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.blocks import Bool, Float64, Int

MICROSECONDS: Final = 1_000_000
NOT_AFTER: Final = (
    "is not after that of the row before; sort the rows, and drop those that repeat, "
    "as where a clock was put back"
)
"""What is said of a time in a file that goes back or stands."""
Part = Literal["train", "test"]


class ReadingError(Exception):
    """A file that can't be used; says which line and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recorded file as arrays.

    Attributes:
        values: Raw values in order of time, `[T, F]`, finite; NaN where one is missing and the
            reader was told that some may be.
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


def default_names(n_features: int) -> list[str]:
    """Name metrics that have no names: m00, m01, ..."""
    digits = max(2, len(str(n_features - 1)))
    return [f"m{index:0{digits}d}" for index in range(n_features)]


def late(times: Int | None, n: int) -> Bool:
    """Find the rows that the service would refuse: their time is not after all before, `[N]`.

    Args:
        times: Microseconds UTC in any order, `[N]`; None: there are none, and nothing is late.
        n: How many rows there are.
    """
    is_late: Bool = np.zeros(n, np.bool_)
    if times is not None:
        is_late[1:] = times[1:] <= np.maximum.accumulate(times)[:-1]
    return is_late
