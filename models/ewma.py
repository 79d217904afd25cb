"""Next-step prediction by an exponentially weighted level, a weight a metric.

Simple exponential smoothing: Brown, "Statistical Forecasting for Inventory Control" (1959); the
forecast is the level, and the level moves by a share of the forecast's error.
"""

from typing import Final

import numpy as np

from models.base import Weights
from models.blocks import Bool, Float32
from models.checks import check_no_sizes
from models.one_vector import OneVectorScorer
from models.spec import Spec

GRID: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Weights that are tried; with the last the level is the last value. The first of equals wins."""
_BLOCK: Final = 64
_ROUNDING: Final = 1e-6


class EWMAScorer(OneVectorScorer):
    """Expects the level: level + weight * (observation - level) after each observation.

    The first value of a metric is its first level, whatever the weight.

    Args:
        spec: What to build; it has no sizes.
        weights: `start` and `weight`, from above 0 to 1, `[F]` each.
    """

    def __init__(self, spec: Spec, weights: Weights) -> None:
        super().__init__(spec, weights)
        self._weight: Final = np.array(weights["weight"], np.float32)

    @classmethod
    def shapes(cls, features: int) -> dict[str, tuple[int, ...]]:
        """Give the shape of each weight by name."""
        return {"start": (features,), "weight": (features,)}

    @classmethod
    def solve(cls, spec: Spec, x: Float32) -> Weights:
        """Choose each metric's weight by its squared error over `x[T, F]`, one step ahead.

        Raises:
            ValueError: If there is a size.
        """
        check_no_sizes(spec)
        start = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        errors = []
        for weight in GRID:
            scorer = cls(spec, {"start": start, "weight": np.full_like(start, weight)})
            prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
            errors.append(np.square(prediction.residual[1:, 0], dtype=np.float64).sum(axis=0))
        # what differs by no more than float32 rounds is equal
        equal = errors <= np.min(errors, axis=0) + len(x) * _ROUNDING**2
        best = np.argmax(equal, axis=0)
        return {"start": start, "weight": np.array(GRID, np.float32)[best]}

    def _expected(self, vector: Float32) -> Float32:
        return vector.copy()

    def _after(self, expected: Float32, filled: Float32, started: Bool) -> Float32:
        change = filled - expected
        change *= self._weight
        change += expected
        if not started.all():
            change[~started] = filled[~started]
        return change

    def _path(self, vector: Float32, started: Bool, x: Float32) -> Float32:
        """Compose the steps, level -> keep * level + gain, in blocks by doubling.

        The recurrence is a scan of an associative operation: Blelloch, "Prefix sums and their
        applications" (1990), section 1.4. A block stays in the cache.
        """
        weight = np.where(np.isnan(x), np.float32(0), self._weight)
        if len(x):
            weight[0] = np.where(started[:, None] | np.isnan(x[0]), weight[0], 1)
        keep, gain = 1 - weight, np.nan_to_num(x, nan=0.0) * weight
        path = np.empty((len(x) + 1, *vector.shape), np.float32)
        path[0] = vector
        for begin in range(0, len(x), _BLOCK):
            k, g = keep[begin : begin + _BLOCK], gain[begin : begin + _BLOCK]
            distance = 1
            while distance < len(k):
                g[distance:] += k[distance:] * g[:-distance]
                k[distance:] *= k[:-distance].copy()
                distance *= 2
            path[begin + 1 : begin + 1 + len(k)] = k * path[begin] + g
        return path
