"""Faults: what can go wrong with a pump's readings, and a seeded schedule of when it does."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np

from models.blocks import Float64
from service.demo.plant import METRICS, Metric


class FaultKind(StrEnum):
    """The kinds, by the name an operator would give them."""

    SPIKE = "spike"
    DRIFT = "drift"
    STUCK = "stuck sensor"
    BROKEN = "broken correlation"
    BURST = "noise burst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of one metric of one stream, over a bounded time.

    Attributes:
        column: The metric's place in the vector.
        start: First step that is disturbed.
        steps: How many steps are.
        size: How far it reaches, in widths of the metric's normal range; negative is downward.
    """

    kind: FaultKind
    stream_id: str
    column: int
    start: int
    steps: int
    size: float

    @property
    def metric(self) -> Metric:
        """Look up the metric that is disturbed."""
        return METRICS[self.column]

    @property
    def stop(self) -> int:
        """Name the first step that is undisturbed again."""
        return self.start + self.steps


class _Extent(NamedTuple):
    """Shortest and longest duration in steps, smallest and largest size of a kind."""

    steps: tuple[int, int]
    size: tuple[float, float]


_EXTENTS: Final = {
    FaultKind.SPIKE: _Extent((4, 6), (0.25, 0.6)),
    FaultKind.DRIFT: _Extent((50, 70), (0.3, 0.6)),
    FaultKind.STUCK: _Extent((70, 100), (0.0, 0.0)),
    FaultKind.BROKEN: _Extent((40, 60), (0.0, 0.0)),
    FaultKind.BURST: _Extent((25, 40), (0.2, 0.4)),
}
"""A stuck sensor and a broken correlation have no size of their own: demand gives it."""


class Disturbance:
    """A fault at work: what it makes of each reading of its metric.

    Args:
        fault: Which, where and when.
        random: Where a burst's noise comes from.
    """

    def __init__(self, fault: Fault, random: np.random.Generator) -> None:
        self.fault: Final = fault
        self._random = random
        self._held: float | None = None
        self._reach = fault.size * (fault.metric.high - fault.metric.low)
        self._altered: Callable[[float, float], float] = {
            FaultKind.SPIKE: self._spiked,
            FaultKind.DRIFT: self._drifted,
            FaultKind.STUCK: self._stuck,
            FaultKind.BROKEN: self._mirrored,
            FaultKind.BURST: self._noisy,
        }[fault.kind]

    def apply(self, step: int, values: Float64) -> Float64:
        """Disturb the values `[F]` of one step of the fault's time; the argument stays as it is."""
        disturbed, column = values.copy(), self.fault.column
        share = (step - self.fault.start + 1) / self.fault.steps
        disturbed[column] = self._altered(float(values[column]), share)
        return disturbed

    def _spiked(self, value: float, share: float) -> float:
        return value + self._reach

    def _drifted(self, value: float, share: float) -> float:
        return value + self._reach * share

    def _stuck(self, value: float, share: float) -> float:
        if self._held is None:
            self._held = value
        return self._held

    def _mirrored(self, value: float, share: float) -> float:
        """Answer demand the wrong way round: plausible by itself, but not beside the others."""
        return self.fault.metric.low + self.fault.metric.high - value

    def _noisy(self, value: float, share: float) -> float:
        return value + self._reach * self._random.standard_normal()


class FaultSchedule:
    """Gives one fault after another, pump after pump, every kind equally often.

    The pumps take turns, so that a threshold which followed one fault has forgotten it before the
    same pump has its next.

    Args:
        stream_ids: The pumps.
        seed: Seed of order, times and sizes.
        every: Steps between the starts of two faults, on average.
    """

    def __init__(self, stream_ids: Sequence[str], seed: int, every: int = 200) -> None:
        self._random = np.random.default_rng(seed)
        self._every = every
        self._turns = deque(str(name) for name in self._random.permutation(list(stream_ids)))
        self._kinds: list[FaultKind] = []
        self._count = 0
        self._active: dict[str, Disturbance] = {}
        self._next = self._drawn()

    def begin(self, step: int) -> Fault | None:
        """Start the fault that is due in this step, if one is; called once a step."""
        fault = self._next
        if step < fault.start:
            return None
        self._active[fault.stream_id] = Disturbance(fault, self._random.spawn(1)[0])
        self._next = self._drawn()
        return fault

    def disturb(self, step: int, readings: Mapping[str, Float64]) -> dict[str, Float64]:
        """Put the faults at work into the readings of a step, stream id -> `[F]`."""
        for name in [name for name, at in self._active.items() if step >= at.fault.stop]:
            del self._active[name]
        return {
            name: self._active[name].apply(step, values) if name in self._active else values
            for name, values in readings.items()
        }

    def _drawn(self) -> Fault:
        """Draw the next fault: kinds from a bag that is refilled when empty, pumps in turn."""
        if not self._kinds:
            self._kinds = [
                FaultKind(str(kind)) for kind in self._random.permutation(list(FaultKind))
            ]
        kind, stream_id = self._kinds.pop(), self._turns[0]
        self._turns.rotate(-1)
        self._count += 1
        extent = _EXTENTS[kind]
        jitter = self._every // 6
        return Fault(
            kind=kind,
            stream_id=stream_id,
            column=int(self._random.integers(len(METRICS))),
            start=self._count * self._every + int(self._random.integers(-jitter, jitter + 1)),
            steps=int(self._random.integers(extent.steps[0], extent.steps[1] + 1)),
            size=float(self._random.uniform(*extent.size) * self._random.choice((-1, 1))),
        )
