"""Stand-ins for the world outside, and small models and blocks to test with."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from models import registry
from models.base import Weights, is_solved, is_trainable
from models.blocks import NO_SEQ, NO_TIME, Float64, ObservationBlock
from models.checkpoint import Checkpoint
from models.fit import rescored
from models.scaler import MinMaxScaler
from models.spec import (
    REFERENCE_STEPS,
    ScalerSpec,
    ScorerSpec,
    ScoringSpec,
    Spec,
    ThresholdSpec,
)
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery

ARRIVAL = 1_700_000_000_000_000
"""When a fake clock starts and a block arrives, microseconds UTC."""
RANDOM_ROWS = 200
"""Rows of random data that weights are solved from."""


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self, now: int = ARRIVAL) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Turn both clocks forward."""
        self._now += round(seconds * 1_000_000)
        self._monotonic += seconds


class ListSink:
    """Keeps what it is handed, in order."""

    takes_verdicts = True
    refresh_s: float | None = None

    def __init__(self, name: str = "list") -> None:
        self._name = name
        self.deliveries: list[Delivery] = []
        self.is_open = False
        self.times_closed = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def alerts(self) -> list[Alert]:
        """All alerts of all deliveries."""
        return [alert for delivery in self.deliveries for alert in delivery.alerts]

    async def open(self) -> None:
        self.is_open = True

    async def write_batch(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    async def close(self) -> None:
        self.is_open = False
        self.times_closed += 1


class FailingSink(ListSink):
    """Fails to write as often as it is told, then works; never works without a number."""

    def __init__(self, name: str = "failing", failures: int | None = None) -> None:
        super().__init__(name)
        self.failures_left = failures
        self.attempts: list[Delivery] = []

    async def write_batch(self, delivery: Delivery) -> None:
        self.attempts.append(delivery)
        if self.failures_left is None or self.failures_left > 0:
            if self.failures_left is not None:
                self.failures_left -= 1
            raise SinkError("down", "this sink was told to fail")
        await super().write_batch(delivery)


def make_checkpoint(  # noqa: PLR0913 - each is named where it is given
    n_features: int = 3,
    hidden: int = 8,
    seed: int = 0,
    *,
    threshold: ThresholdSpec | None = None,
    scoring: ScoringSpec | None = None,
    washout: int = REFERENCE_STEPS,
    validation_steps: int = 200,
) -> Checkpoint:
    """Make a checkpoint with random weights for metrics m0, m1, ... between 0 and 1.

    Without being asked it scores by `mse` and judges by z = 8: what a test computes by hand.
    """
    spec = Spec(
        metrics=[f"m{index}" for index in range(n_features)],
        scaler=ScalerSpec(minimum=[0.0] * n_features, maximum=[1.0] * n_features),
        scorer=ScorerSpec(name="gru", sizes={"hidden": hidden}),
        threshold=threshold or ThresholdSpec(window=300, false_alarms_per_day=None),
        scoring=scoring or ScoringSpec(rule="mse"),
        washout=washout,
        step_s=60.0,
    )
    weights = random_weights(spec, seed)
    steps = normal_values(REFERENCE_STEPS + validation_steps, n_features, seed)
    scorer = registry.build(spec, weights)
    x = MinMaxScaler.from_spec(spec.scaler).scale(steps)
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    residual = prediction.residual[REFERENCE_STEPS:, 0]
    return rescored(spec, weights, steps[-REFERENCE_STEPS:], residual)


def random_weights(spec: Spec, seed: int) -> Weights:
    """Draw the weights of an untrained network, or solve for those of random data."""
    kind = registry.scorer_class(spec.scorer.name)
    if is_solved(kind):
        values = normal_values(RANDOM_ROWS, len(spec.metrics), seed)
        return kind.solve(spec, values.astype(np.float32))
    assert is_trainable(kind)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind.weights_of(kind.network(spec))


def normal_values(steps: int, n_features: int = 3, seed: int = 0) -> Float64:
    """Draw raw values a stream of `make_checkpoint` finds normal, `[steps, n_features]`."""
    return np.random.default_rng(seed).uniform(0.0, 1.0, (steps, n_features))


def block(
    slots: ArrayLike,
    values: ArrayLike,
    *,
    times: Sequence[int] | NDArray[np.int64] | None = None,
    seqs: Sequence[int] | NDArray[np.int64] | None = None,
    explain: bool = False,
    arrival: int = ARRIVAL,
) -> ObservationBlock:
    """Make a block; `slots` may be one for all rows, rows without times are undated."""
    raw = np.atleast_2d(np.asarray(values, np.float64))
    size = len(raw)
    return ObservationBlock(
        slots=np.array(np.broadcast_to(np.asarray(slots, np.int64), size)),
        times=np.full(size, NO_TIME) if times is None else np.asarray(times, np.int64),
        seqs=np.full(size, NO_SEQ) if seqs is None else np.asarray(seqs, np.int64),
        values=raw,
        explain=np.full(size, explain),
        arrival=arrival,
    )
