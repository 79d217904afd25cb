"""Where the rows of a recording stand on an axis: dates where it has them, else time or rows."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Float64, Int
from models.recording import MICROSECONDS

LEAST_DATE_S: Final = 1e8
"""March 1973: smaller times are hardly dates but seconds since some begin."""
LEAST: Final = 4
"""So many of a unit a recording must last for the axis to be in it."""
_UNITS: Final = (("days", 86_400.0), ("hours", 3_600.0), ("minutes", 60.0))
_DAY_US: Final = 86_400 * MICROSECONDS
_GAP: Final = 20.0
"""Usual steps, and"""
_WIDE: Final = 0.004
"""share of the axis: a line is broken where rows are farther apart than both."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Places of N rows on an axis.

    Attributes:
        edges: Where each begins and where the last ends, `[N + 1]`.
        label: What the axis is in.
        is_dates: Whether places are days since 1970, as matplotlib counts dates.
    """

    edges: Float64
    label: str
    is_dates: bool

    @property
    def at(self) -> Float64:
        """Where the rows begin, `[N]`."""
        return self.edges[:-1]

    def part(self, first: int) -> "Timeline":
        """Leave out the rows before one."""
        edges = self.edges[first:]
        return _dated(edges) if self.is_dates else Timeline(edges, self.label, is_dates=False)

    def after_gaps(self) -> Int:
        """Find the rows before which there is so wide a gap that a line over it would mislead."""
        steps = np.diff(self.at)
        if not len(steps):
            return np.empty(0, np.int64)
        width = self.edges[-1] - self.edges[0]
        return np.flatnonzero(steps > max(_GAP * np.median(steps), _WIDE * width)) + 1


def timeline(times: Int | None, n: int, step_s: float | None) -> Timeline:
    """Place rows.

    Args:
        times: Microseconds UTC, rising, `[N]`; None: there are none.
        n: How many rows there are, at least one.
        step_s: Seconds between two rows, if known.
    """
    if times is None:
        if step_s is None:
            return Timeline(np.arange(n + 1.0), "observations since the begin", is_dates=False)
        return _elapsed(np.arange(n + 1.0) * step_s)
    step_us = float(np.median(np.diff(times))) if n > 1 else (step_s or 1.0) * MICROSECONDS
    if times[0] >= LEAST_DATE_S * MICROSECONDS:
        return _dated(np.append(times, times[-1] + step_us) / _DAY_US)
    return _elapsed(np.append(times - times[0], times[-1] - times[0] + step_us) / MICROSECONDS)


def _dated(edges: Float64) -> Timeline:
    """Say from when to when, as ticks name but days or hours."""
    seconds = np.rint(edges[[0, -2]] * 86_400).astype(np.int64)
    begin, end = (str(np.datetime64(int(at), "s")).replace("T", " ") for at in seconds)
    return Timeline(edges, f"UTC, {begin} to {end}", is_dates=True)


def _elapsed(seconds: Float64) -> Timeline:
    for unit, size in _UNITS:
        if seconds[-1] >= LEAST * size:
            return Timeline(seconds / size, f"{unit} since the begin", is_dates=False)
    return Timeline(seconds, "seconds since the begin", is_dates=False)
