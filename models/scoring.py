"""Scoring rules: from a residual to a score, and to each metric's share of it."""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from models.blocks import Float32, Float64
from models.spec import ScoringSpec

SCALE_FLOOR: Final = 0.003
"""Least sigma of a residual, in shares of the metric's training range."""
_LEAST_SIGMA: Final = 0.05
_QUANTILE: Final = 0.99
_NORMAL_QUANTILE: Final = 2.5758293
"""99 % of the normal distribution lie within so many sigmas."""


class Scoring(Protocol):
    """A rule, apart from the network that made the residual."""

    def score(self, residual: Float32, scale: Float32) -> Float64:
        """Score residuals `[B, K]`: `[B]`, >= 0, higher is stranger; `scale` > 0, `[1 or B, K]`."""
        ...

    def contributions(self, residual: Float32, scale: Float32) -> Float64:
        """Give each metric's share of the score, `[B, F]`; rows sum to 1, or are all 0."""
        ...


class MeanSquaredError:
    """The plain rule: the mean over the metrics of the squared residual; scale plays no part."""

    def score(self, residual: Float32, scale: Float32) -> Float64:
        """Average the squares, in float64."""
        wide = residual.astype(np.float64)
        sums: Float64 = np.vecdot(wide, wide)
        sums /= residual.shape[1]
        return sums

    def contributions(self, residual: Float32, scale: Float32) -> Float64:
        """Divide each square by their sum."""
        squares = residual.astype(np.float64) ** 2
        total = squares.sum(axis=1, keepdims=True)
        return squares / np.where(total > 0, total, 1.0)


class Standardised:
    """The mean of the residuals' magnitudes, each in its own sigmas."""

    def score(self, residual: Float32, scale: Float32) -> Float64:
        """Average them."""
        mean: Float64 = _sigmas(residual, scale).mean(axis=1, dtype=np.float64)
        return mean

    def contributions(self, residual: Float32, scale: Float32) -> Float64:
        """Divide each by their sum."""
        return _shares(_sigmas(residual, scale))


class Top:
    """The mean of the largest of the residuals' magnitudes, each in its own sigmas.

    An event shows in some of many metrics: those that go on as usual do not dilute it, and a
    single metric that is off weighs less than several together.

    Args:
        count: How many count; all where there are fewer.
    """

    def __init__(self, count: int) -> None:
        self._count: Final = count

    def score(self, residual: Float32, scale: Float32) -> Float64:
        """Average the largest; a sort of short rows is quicker than a selection."""
        sigmas = _sigmas(residual, scale)
        if sigmas.shape[1] > self._count:
            sigmas.sort(axis=1)
            sigmas = sigmas[:, -self._count :]
        mean: Float64 = sigmas.mean(axis=1, dtype=np.float64)
        return mean

    def contributions(self, residual: Float32, scale: Float32) -> Float64:
        """Divide each of the largest by their sum; the others have no share."""
        sigmas = _sigmas(residual, scale)
        if sigmas.shape[1] > self._count:
            others = np.argsort(sigmas, axis=1)[:, : -self._count]
            np.put_along_axis(sigmas, others, 0.0, axis=1)
        return _shares(sigmas)


def _sigmas(residual: Float32, scale: Float32) -> Float32:
    sigmas: Float32 = residual / scale
    return np.abs(sigmas, out=sigmas)


def _shares(parts: Float32) -> Float64:
    wide = parts.astype(np.float64)
    total = wide.sum(axis=1, keepdims=True)
    return wide / np.where(total > 0, total, 1.0)


SCORINGS: Final[dict[str, Callable[[ScoringSpec], Scoring]]] = {
    "mse": lambda _: MeanSquaredError(),
    "standardised": lambda _: Standardised(),
    "top": lambda spec: Top(spec.top),
}


def scoring(spec: ScoringSpec) -> Scoring:
    """Make the rule a spec names.

    Raises:
        ValueError: If there is no such rule.
    """
    if spec.rule not in SCORINGS:
        known = ", ".join(sorted(SCORINGS))
        raise ValueError(f"there is no scoring {spec.rule!r}; there are: {known}")
    return SCORINGS[spec.rule](spec)


def least_sigma(spec: ScoringSpec) -> float:
    """Give the least sigma of scores that means anything, 0 where the rule has no unit of its own.

    Scores in sigmas of the residuals that differ by a twentieth of one differ by dust: where every
    metric stands still any deviation would otherwise be an anomaly, however small.
    """
    return 0.0 if spec.rule == "mse" else _LEAST_SIGMA


def residual_scale(residual: Float32) -> Float32:
    """Estimate the sigma of each residual, `[T, K]` -> `[K]`, from the bulk of its values.

    The 99 % quantile of the magnitude, divided by that of the normal distribution. The standard
    deviation itself follows the few largest values of a recording: a metric with one burst in it
    would hardly count afterwards. The floor keeps a metric that never moved from drowning all
    others as soon as it does.
    """
    largest = np.quantile(np.abs(residual), _QUANTILE, axis=0)
    return np.maximum(largest / _NORMAL_QUANTILE, SCALE_FLOOR).astype(np.float32)
