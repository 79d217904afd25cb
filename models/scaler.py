"""Min-max scaling with bounds from the training data."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

import numpy as np
import torch

from models.blocks import Float32, Float64, Int
from models.spec import ScalerSpec

LARGEST: Final = float(np.finfo(np.float32).max)
"""Shares of the range are cut here: no metric comes near, but for a value made of junk."""
_MANY: Final = 64
_SMALLEST: Final = 1e-30
"""A metric that moved less counts as constant: float32 holds no difference so small."""


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
        return cls(minimum, np.where(span > _SMALLEST, span, 1.0), spec.clip)

    def of(self, slots: Int) -> "MinMaxScaler":
        """Give the scaler of rows for these slots, `[B]`; itself if it is one for all."""
        if len(self.minimum) == 1:
            return self
        return MinMaxScaler(self.minimum[slots], self.span[slots], self.clip)

    def scale(self, values: Float64) -> Float32:
        """Scale raw values `[B, F]`; NaN (missing) stays NaN."""
        return self.clipped(self.shares(values))

    def shares(self, values: Float64) -> Float32:
        """Give raw values `[B, F]` as shares of the training range, not yet clipped."""
        if len(values) >= _MANY:
            return self._shares_of_many(values)
        with np.errstate(over="ignore"):  # what is beyond float32 is cut
            shares: Float32 = (values - self.minimum).astype(np.float32)
            shares *= self._per_span
        np.maximum(shares, -LARGEST, out=shares)  # np.clip costs twice as much
        return np.minimum(shares, LARGEST, out=shares)

    def _shares_of_many(self, values: Float64) -> Float32:
        # torch's calls cost three times as much as numpy's, its passes over short rows half
        raw = torch.from_numpy(values if values.flags.writeable else values.copy())
        with torch.inference_mode():
            shares = (raw - torch.from_numpy(self.minimum)).float()
            shares.mul_(torch.from_numpy(self._per_span)).clamp_(-LARGEST, LARGEST)
        found: Float32 = shares.numpy()
        return found

    def clipped(self, shares: Float32) -> Float32:
        """Clip what lies far outside of the training range, `[B, F]`."""
        lowest, highest = self.clip
        clipped: Float32 = np.maximum(shares, lowest)
        return np.minimum(clipped, highest, out=clipped)

    @cached_property
    def _per_span(self) -> Float32:
        """What to multiply by instead of dividing."""
        return (1.0 / self.span).astype(np.float32)

    def unscale(self, scaled: Float32) -> Float64:
        """Bring scaled values `[B, F]` back to raw units."""
        return scaled * self.span + self.minimum
