"""What a recorded file is once it has been read, whatever its kind."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.blocks import Float64, Int

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


def in_order(recording: Recording) -> tuple[Recording, Int]:
    """Leave out the rows that the service would refuse: their time is not after all before.

    Args:
        recording: Read in any order.

    Returns:
        What is left, and which rows were left out, counted from 0.
    """
    if recording.times is None:
        return recording, np.empty(0, np.int64)
    latest = np.maximum.accumulate(recording.times)
    is_late = np.append(False, recording.times[1:] <= latest[:-1])
    late: Int = np.flatnonzero(is_late)
    kept = Recording(
        values=recording.values[~is_late],
        metrics=recording.metrics,
        times=recording.times[~is_late],
    )
    return (kept, late) if len(late) else (recording, late)
