"""Scorers that remember one vector of a stream, and predict the next observation from it."""

from abc import ABC, abstractmethod
from typing import Final, Self

import numpy as np

from models.base import Prediction, State, StateLayout, Weights
from models.blocks import Bool, Float32
from models.checks import check_no_sizes, check_state, check_weights, check_x
from models.spec import Spec


class OneVectorScorer(ABC):
    """A Markov predictor: the vector after an observation is all that the next needs.

    A stream that has seen nothing holds the mean of the training data: a metric that is missing
    in its first observation is expected there. Nothing counts as predicted before that one.

    Args:
        spec: What to build; it has no sizes.
        weights: `start`, the vector a stream begins with, `[F]`, and those of the subclass.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        self.spec: Final = spec
        self.n_features: Final = len(spec.metrics)
        self.n_residuals: Final = self.n_features
        self._start: Final = np.array(weights["start"], np.float32)
        self._shapes: Final = {"vector": (self.n_features,), "started": ()}

    @classmethod
    def build(cls, spec: Spec, weights: Weights) -> Self:
        """Check names and shapes, then build.

        Raises:
            ValueError: If a weight is missing, unknown or of the wrong shape, or there is a size.
        """
        check_no_sizes(spec)
        check_weights(weights, cls.shapes(len(spec.metrics)))
        return cls(spec, weights)

    @classmethod
    def shapes(cls, features: int) -> dict[str, tuple[int, ...]]:
        """Give the shape of each weight by name."""
        return {"start": (features,)}

    @property
    def state_layout(self) -> StateLayout:
        """The vector, and whether anything has been seen."""
        return {
            "vector": (self._shapes["vector"], np.dtype(np.float32)),
            "started": ((), np.dtype(np.bool_)),
        }

    def initial_state(self, n: int) -> State:
        """Begin with the mean of the training data."""
        return {"vector": np.tile(self._start, (n, 1)), "started": np.zeros(n, np.bool_)}

    def step(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take one observation of each of B streams, `x[B, F]`."""
        check_x(x, 2, self.n_features)
        check_state(state, x, self._shapes)
        expected = self._expected(state["vector"])
        filled = np.where(np.isnan(x), expected, x)
        after = self._after(expected, filled, state["started"])
        prediction = Prediction(filled - expected, expected, state["started"].copy())
        return prediction, {"vector": after, "started": np.ones(len(x), np.bool_)}

    def run(self, state: State, x: Float32) -> tuple[Prediction, State]:
        """Take T observations of each of B streams, `x[T, B, F]`."""
        check_x(x, 3, self.n_features)
        check_state(state, x, self._shapes)
        path = self._path(state["vector"], state["started"], x)
        expected = self._expected(path[:-1])
        residual = x - expected
        residual[np.isnan(x)] = 0
        valid = np.ones(x.shape[:2], np.bool_)
        valid[:1] = state["started"]
        # copied, because a view would keep the whole path
        after = {"vector": path[-1].copy(), "started": state["started"] | (len(x) > 0)}
        return Prediction(residual, expected, valid), after

    @abstractmethod
    def _expected(self, vector: Float32) -> Float32:
        """Predict the next observation from vectors, `[..., F]`, in memory of its own."""

    @abstractmethod
    def _after(self, expected: Float32, filled: Float32, started: Bool) -> Float32:
        """Give the vectors after observations that have no gaps any more, `[B, F]` each."""

    @abstractmethod
    def _path(self, vector: Float32, started: Bool, x: Float32) -> Float32:
        """Give the vectors before the first observation and after each, `[T + 1, B, F]`."""
