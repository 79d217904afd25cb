"""Calls timed against one another: in turn, so that a busy moment falls on all of them."""

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Final

REPEATS: Final = 7
AT_LEAST_S: Final = 0.03
"""That one call is repeated in a turn."""
Call = Callable[[], object]


def in_turn_us(
    calls: Sequence[Call], *, repeats: int = REPEATS, at_least_s: float = AT_LEAST_S
) -> list[list[float]]:
    """Time calls in turn; gives the microseconds of one call, for each of the repeats."""
    times = [_times(call, at_least_s) for call in calls]
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, many, of_call in zip(calls, times, found, strict=True):
            began = perf_counter()
            for _ in range(many):
                call()
            of_call.append((perf_counter() - began) / many * 1e6)
    return found


def _times(call: Call, at_least_s: float) -> int:
    """Find how often a call has to be repeated to take so long."""
    call()  # the first may have to make ready what the others find
    began, times = perf_counter(), 0
    while perf_counter() - began < at_least_s:
        call()
        times += 1
    return max(1, times)


def ratio(those: Sequence[float], to: Sequence[float]) -> float:
    """Give how many times more one took than the other, median of the repeats."""
    return median(one / other for one, other in zip(those, to, strict=True))
