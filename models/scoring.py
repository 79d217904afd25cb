"""Scoring rules: from a residual to a score, and to each metric's share of it."""

from typing import Final, Protocol

import numpy as np

from models.blocks import Float32, Float64


class Scoring(Protocol):
    """A rule, apart from the network that made the residual."""

    def score(self, residual: Float32, scale: Float32) -> Float64:
        """Score residuals `[B, K]`: `[B]`, >= 0, higher is stranger; `scale` is `[1 or B, K]`."""
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


SCORINGS: Final[dict[str, Scoring]] = {"mse": MeanSquaredError()}


def scoring(rule: str) -> Scoring:
    """Find a rule by its name.

    Raises:
        ValueError: If there is no such rule.
    """
    if rule not in SCORINGS:
        raise ValueError(f"there is no scoring {rule!r}; there are: {', '.join(sorted(SCORINGS))}")
    return SCORINGS[rule]
