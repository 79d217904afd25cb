"""Streams on which every alarm is false: simulated ones, and what is normal of labelled data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Bool, Float64
from models.evaluation.metrics.alarms import DAY_S
from models.evaluation.recordings.machine import Machine
from service.demo.plant import METRICS, Plant

STEPS_S: Final = (10.0, 60.0, 300.0)
TRAIN_ROWS: Final = 20_000
TRAINED_SHARE: Final = 0.6
"""Of a recording taken as normal; what comes after it is the stream."""
_METRICS: Final = 6
_MEMORY: Final = 0.9
_WAVE: Final = 1.0
_NOISE: Final = 0.3
_SHARED: Final = 0.5
"""Of the noise: as much is common to all metrics as each has of its own."""
_HEAVY: Final = 3
"""Degrees of freedom of Student's t, of which half of the metrics of some streams are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """A training part, and streams that go on like it.

    Attributes:
        name: Of this set of streams.
        group: What the mean is taken over.
        train: `[T, F]`.
        test: `[N, S, F]`.
        labels: Rows in which an alarm may be a true one, `[N]`.
        step_s: Seconds between two rows.
    """

    name: str
    group: str
    train: Float64
    test: Float64
    labels: Bool
    step_s: float

    @property
    def days(self) -> float:
        """Give the length of one stream."""
        return len(self.test) * self.step_s / DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is simulated."""

    streams: int = 10
    days: float = 10.0
    train_rows: int = TRAIN_ROWS
    steps_s: tuple[float, ...] = STEPS_S


def simulated(size: Size, seed: int = 0) -> Iterator[Streams]:
    """Simulate streams of every step: waves of a day in noise with a memory, and a plant.

    The plant's day has as many steps whatever they last, so it is simulated once.
    """
    for step_s in size.steps_s:
        for name, is_heavy in (("waves", False), ("waves, heavy tails", True)):
            train, test = _waves(size, step_s, seed, is_heavy=is_heavy)
            yield _without_events(f"{name}, {step_s:g} s", train, test, step_s)
    train, test = _plant(size, seed)
    yield _without_events("plant, 60 s", train, test, 60.0)


def of_machine(machine: Machine) -> Iterator[Streams]:
    """Give the end of a machine's training part, and its test part with the true segments told."""
    split = int(len(machine.train) * TRAINED_SHARE)
    stream = machine.train[split:, None]
    yield Streams(
        name=machine.name,
        group=f"{machine.dataset}, end of training",
        train=machine.train[:split],
        test=stream,
        labels=np.zeros(len(stream), np.bool_),
        step_s=machine.step_s,
    )
    yield Streams(
        name=machine.name,
        group=f"{machine.dataset}, test part",
        train=machine.train,
        test=machine.test[:, None],
        labels=machine.labels,
        step_s=machine.step_s,
    )


def _without_events(name: str, train: Float64, test: Float64, step_s: float) -> Streams:
    labels = np.zeros(len(test), np.bool_)
    return Streams(
        name=name, group="simulated", train=train, test=test, labels=labels, step_s=step_s
    )


def _waves(size: Size, step_s: float, seed: int, *, is_heavy: bool) -> tuple[Float64, Float64]:
    """Simulate metrics with a daily wave each, and noise of which a part is common to all."""
    random = np.random.default_rng([seed, int(step_s), is_heavy])
    rows = round(size.days * DAY_S / step_s)
    phase = random.uniform(0, 2 * np.pi, _METRICS)
    at = np.arange(size.train_rows + rows) * (2 * np.pi * step_s / DAY_S)
    wave = _WAVE * np.sin(at[:, None] + phase)
    train = wave[: size.train_rows] + _noise(random, size.train_rows, 1, is_heavy=is_heavy)[:, 0]
    test = wave[size.train_rows :, None]
    return train, test + _noise(random, rows, size.streams, is_heavy=is_heavy)


def _noise(random: np.random.Generator, rows: int, streams: int, *, is_heavy: bool) -> Float64:
    """Draw noise in which each step remembers the one before, `[rows, streams, metrics]`."""
    own = random.standard_normal((rows, streams, _METRICS))
    if is_heavy:
        half = _METRICS // 2
        drawn = random.standard_t(_HEAVY, (rows, streams, half))
        own[:, :, :half] = drawn / np.sqrt(_HEAVY / (_HEAVY - 2))
    noise: Float64 = own + _SHARED * random.standard_normal((rows, streams, 1))
    noise *= _NOISE * np.sqrt((1 - _MEMORY**2) / (1 + _SHARED**2))
    for row in range(1, rows):
        noise[row] += _MEMORY * noise[row - 1]
    return noise


def _plant(size: Size, seed: int) -> tuple[Float64, Float64]:
    """Simulate one pump on many days; the first of them is trained on."""
    pumps = [
        next(iter(Plant(1, seed=100 * seed + day).pumps.values()))
        for day in range(size.streams + 1)
    ]
    train = np.array([pumps[0].step() for _ in range(size.train_rows)])
    rows = round(size.days * DAY_S / 60.0)
    test = np.empty((rows, size.streams, len(METRICS)))
    for stream, pump in enumerate(pumps[1:]):
        test[:, stream] = [pump.step() for _ in range(rows)]
    return train, test
