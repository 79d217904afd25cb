"""Min-max scaling with bounds from the training data."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.blocks import Float32, Float64, Int
from models.spec import ScalerSpec


@dataclass(frozen=True)
class MinMaxScaler:
    """Maps the training range of each metric to [0, 1] and clips what lies far outside.

    A handful of values hundreds of ranges away would otherwise drown every other metric.

    Attributes:
        minimum: Lower bounds, raw units, `[1, F]`, or `[C, F]` for bounds of their own a slot.
        span: Upper minus lower bound, `[1, F]` or `[C, F]`; 1 where a metric was constant.
        clip: Scaled range that values are clipped to.
    """

    minimum: Float64
    span: Float64
    clip: tuple[float, float]

    @classmethod
    def from_spec(cls, spec: ScalerSpec) -> Self:
        """Take the bounds of a checkpoint; a span of 0 becomes 1."""
        minimum = np.asarray([spec.minimum], np.float64)
        span = np.asarray([spec.maximum], np.float64) - minimum
        return cls(minimum, np.where(span > 0, span, 1.0), spec.clip)

    def of(self, slots: Int) -> "MinMaxScaler":
        """Give the scaler of rows for these slots, `[B]`; itself if it is one for all."""
        if len(self.minimum) == 1:
            return self
        return MinMaxScaler(self.minimum[slots], self.span[slots], self.clip)

    def scale(self, values: Float64) -> Float32:
        """Scale raw values `[B, F]`; NaN (missing) stays NaN."""
        return self.clipped(self.shares(values))

    def shares(self, values: Float64) -> Float64:
        """Give raw values `[B, F]` as shares of the training range, not yet clipped."""
        with np.errstate(over="ignore"):  # a huge value over a tiny span ends at the clip as well
            shares: Float64 = (values - self.minimum) / self.span
        return shares

    def clipped(self, shares: Float64) -> Float32:
        """Clip what lies far outside of the training range, `[B, F]`."""
        return np.clip(shares, *self.clip).astype(np.float32)

    def unscale(self, scaled: Float32) -> Float64:
        """Bring scaled values `[B, F]` back to raw units."""
        return scaled * self.span + self.minimum
