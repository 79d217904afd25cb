"""How often streams send: two usual intervals learned of each, gaps and silence told by them.

`step_us` is learned between the times of observations, where they have times of their own,
`pace_us` between their arrivals. A gateway that sends a hundred rows at once has a short step and
a long pace. Each rule stands here twice: for the rows of many streams at once, and in plain
numbers for one, where an array operation costs ten times what it computes.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from models.blocks import NO_TIME, Bool, Float64, Int
from models.numbers import Columns, Numbers

GAP_STEPS: Final = 10
"""More than so many usual steps without an observation are a gap."""
MIN_ARRIVAL_GAP_US: Final = 5e6
"""Arrivals jitter with the network: a pause below five seconds is neither a gap nor silence."""
MIN_SEEN: Final = 10
"""Observations before a stream's usual step is believed."""
_LARGEST_RATIO: Final = 2.0
_LEARNING: Final = 0.2


class Intervals(NamedTuple):
    """Microseconds since the last observation of each stream, `[B]` each; 0 before the first.

    Attributes:
        stepped: By the times of the observations; 0 where they have none of their own.
        paced: By their arrival.
        is_dated: Which observations have times of their own; None: all.
    """

    stepped: Float64
    paced: Float64
    is_dated: Bool | None


def intervals(columns: Columns, times: Int, is_dated: Bool | None, arrival: int) -> Intervals:
    """Compute them.

    Args:
        columns: The streams.
        times: Times of the rows, `[B]`.
        is_dated: Which of them came with the rows; None: all.
        arrival: When the rows came.
    """
    stepped = _elapsed(times, columns.last_time)
    if is_dated is not None:
        stepped = np.where(is_dated, stepped, 0.0)
    return Intervals(stepped, _elapsed(np.int64(arrival), columns.last_arrival), is_dated)


def gaps(columns: Columns, since: Intervals) -> Bool:
    """Find rows that come after a gap, `[B]`."""
    gap = (since.stepped > GAP_STEPS * columns.step_us) & (columns.step_us > 0)
    if since.is_dated is not None:
        longest = np.maximum(GAP_STEPS * columns.pace_us, MIN_ARRIVAL_GAP_US)
        late = (since.paced > longest) & (columns.pace_us > 0)
        gap = np.where(since.is_dated, gap, late)
    found: Bool = gap & (columns.seen >= MIN_SEEN)
    return found


def is_gap(one: Numbers[int, float], time: int, arrival: int, *, is_dated: bool) -> bool:
    """Tell whether an observation comes after a gap."""
    if one.seen < MIN_SEEN:
        return False
    if is_dated:
        return 0 < GAP_STEPS * one.step_us < time - one.last_time
    least = max(GAP_STEPS * one.pace_us, MIN_ARRIVAL_GAP_US)
    return one.pace_us > 0 and arrival - one.last_arrival > least


def learn(columns: Columns, since: Intervals) -> None:
    """Move the usual intervals on by one observation of each stream."""
    pairs = ((columns.step_us, since.stepped), (columns.pace_us, since.paced))
    for usual, interval in pairs:
        if np.count_nonzero(interval != usual):  # a steady stream teaches nothing new
            usual[:] = _learned(usual, interval)


def learn_one(one: Numbers[int, float], time: int, arrival: int, *, is_dated: bool) -> None:
    """Move the usual intervals of one stream on by one observation."""
    if one.last_arrival == NO_TIME:  # the first
        return
    if is_dated and time - one.last_time != one.step_us:
        one.step_us = _learned_one(one.step_us, time - one.last_time)
    if arrival - one.last_arrival != one.pace_us:
        one.pace_us = _learned_one(one.pace_us, arrival - one.last_arrival)


def silent(record: dict[str, np.ndarray], now: int) -> Bool:
    """Find streams that have sent nothing for ten usual steps, `[B]`; `silence_s` has the terms."""
    is_silent: Bool = silence_s(record, now) > 0
    return is_silent


def silence_s(record: dict[str, np.ndarray], now: int) -> Float64:
    """Tell for how many seconds streams have sent nothing; NaN where that is usual, `[B]`.

    Args:
        record: Columns of the record, as `StreamBank.inspect` gives them.
        now: Microseconds UTC.

    Returns:
        More than ten usual steps and five seconds, or NaN.
    """
    usual = np.maximum(record["step_us"], record["pace_us"])
    waited = _elapsed(np.int64(now), record["last_arrival"])
    longest = np.maximum(GAP_STEPS * usual, MIN_ARRIVAL_GAP_US)
    is_silent = (record["seen"] >= MIN_SEEN) & (usual > 0) & (waited > longest)
    return np.where(is_silent, waited / 1e6, np.nan)


def _elapsed(until: Any, since: Int) -> Float64:
    """Microseconds between, as floats; 0 where there is no since."""
    return np.where(since == NO_TIME, 0.0, until - since)


def _learned(usual: Float64, interval: Float64) -> Float64:
    """Move the usual interval towards one that was seen; one outlier moves it little.

    The logarithm is averaged exponentially with each ratio held within 1/2 to 2, so a gap a
    thousand steps long moves the usual step by 15 %. An interval of 0 says nothing.
    """
    known, says = usual > 0, interval > 0
    ratio = np.where(known & says, interval / np.where(known, usual, 1.0), 1.0)
    held = np.clip(ratio, 1 / _LARGEST_RATIO, _LARGEST_RATIO) ** _LEARNING
    return np.where(known, usual * held, np.where(says, interval, 0.0))


def _learned_one(usual: float, interval: float) -> float:
    """Do the same for one stream."""
    if interval <= 0:
        return usual
    if usual <= 0:
        return float(interval)
    ratio = min(max(interval / usual, 1 / _LARGEST_RATIO), _LARGEST_RATIO)
    return float(usual * ratio**_LEARNING)
