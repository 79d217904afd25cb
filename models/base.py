"""The Scorer contract: what predicts, its state kept outside of it, and how it gets its weights."""

from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray
from torch import nn

from models.blocks import Bool, Float32
from models.spec import Spec

Array = NDArray[Any]
State = dict[str, Array]
"""State of B streams by name, each array `[B, ...]` as `StateLayout` says."""
StateLayout = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Name -> shape of one stream's part (without the batch) and dtype."""
Weights = dict[str, Float32]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a scorer says of the observations it was just given.

    Attributes:
        residual: Observation minus expectation, scaled units, `[B, K]`; 0 where missing.
        expected: What was predicted for these observations, scaled units, `[B, F]`; by a scorer
            that reconstructs, what it makes of them.
        valid: Whether there was a prediction to compare with at all, `[B]`.
    """

    residual: Float32
    expected: Float32
    valid: Bool


class Scorer(Protocol):
    """Immutable weights, shared by any number of streams.

    Arrays are numpy float32; NaN in `x` means missing: the scorer puts its own expectation there
    and that metric's residual is 0. Inputs are never written to, results never share memory with
    inputs or with earlier results. A batch of B gives what B single steps give.
    """

    @property
    def spec(self) -> Spec:
        """What the scorer was built from."""
        ...

    @property
    def n_features(self) -> int:
        """F, the metrics of an observation."""
        ...

    @property
    def n_residuals(self) -> int:
        """K, the residuals of an observation; F unless the scorer has horizons or quantiles."""
        ...

    @property
    def state_layout(self) -> StateLayout:
        """Everything the scorer needs between steps."""
        ...

    def initial_state(self, n: int) -> State:
        """Make the state of `n` streams that have seen nothing."""
        ...

    def step(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take one observation of each of B streams, `x[B, F]`.

        Raises:
            ValueError: If the shape of `x` or of the state does not fit.
        """
        ...

    def run(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take T observations of each of B streams, `x[T, B, F]`; results lead with T.

        Raises:
            ValueError: If the shape of `x` or of the state does not fit.
        """
        ...


class Buildable(Scorer, Protocol):
    """A scorer that can be built from a checkpoint: what every row of the registry is."""

    @classmethod
    def build(cls, spec: Spec, weights: Weights) -> Self:
        """Build the scorer that serves from trained weights.

        Raises:
            ValueError: If a weight is missing or has the wrong shape.
        """
        ...


class TrainableScorer(Buildable, Protocol):
    """A scorer whose weights a gradient finds."""

    @classmethod
    def network(cls, spec: Spec) -> nn.Module:
        """Make the untrained network: `forward(x[B, T, F])` predicts `x[:, t + 1]`, `[B, T, F]`.

        Raises:
            ValueError: If a size in the spec is missing or impossible.
        """
        ...

    @classmethod
    def weights_of(cls, network: nn.Module) -> Weights:
        """Read the weights `build` takes out of a trained network."""
        ...


class SolvedScorer(Buildable, Protocol):
    """A scorer whose weights follow from the training data at once."""

    @classmethod
    def solve(cls, spec: Spec, x: Float32) -> Weights:
        """Find the weights `build` takes; the same data gives the same bits.

        Args:
            spec: What to build.
            x: The part that is trained on, scaled, finite, in order of time, `[T, F]`.

        Raises:
            ValueError: If a size in the spec is impossible or the rows are too few.
        """
        ...


def is_solved(kind: type[Buildable]) -> TypeGuard[type[SolvedScorer]]:
    """Tell whether the weights of this kind are solved for."""
    return hasattr(kind, "solve")


def is_trainable(kind: type[Buildable]) -> TypeGuard[type[TrainableScorer]]:
    """Tell whether the weights of this kind are trained by a gradient."""
    return hasattr(kind, "network")
