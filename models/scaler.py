"""Min-max scaling with bounds from the training data."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, Self

import numpy as np
import torch

from models.blocks import MAX_ABSOLUTE, Float32, Float64, Int
from models.spec import ScalerSpec

LARGEST: Final = float(np.finfo(np.float32).max)
"""Shares of the range are cut here: no metric comes near, but for a value made of junk."""
_MANY: Final = 64
_SMALLEST: Final = 1e-300
"""Nothing can be divided by a smaller span."""


class Scaled(NamedTuple):
    """Values in shares of the training range, `[B, F]` each; NaN where missing.

    Attributes:
        shares: Not clipped, but cut at what float32 holds.
        x: Clipped; the same array where nothing is.
        is_usual: Whether surely nothing is missing, clipped or too large: as nearly always.
    """

    shares: Float32
    x: Float32
    is_usual: bool


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
        """Scale raw values `[B, F]` and clip them; NaN (missing) stays NaN."""
        return self.scaled(values).x

    def scaled(self, values: Float64) -> Scaled:
        """Scale raw values `[B, F]`."""
        shares = self._shares_of_many(values) if len(values) >= _MANY else self._shares(values)
        lowest, highest = self.clip
        # a NaN is neither
        if shares.min() >= lowest and shares.max() <= highest:
            return Scaled(shares, shares, self._is_moderate)
        np.maximum(shares, -LARGEST, out=shares)
        np.minimum(shares, LARGEST, out=shares)
        clipped: Float32 = np.maximum(shares, lowest)  # np.clip costs twice as much
        np.minimum(clipped, highest, out=clipped)
        return Scaled(shares, clipped, is_usual=False)

    def _shares(self, values: Float64) -> Float32:
        with np.errstate(over="ignore"):  # what is beyond float32 is cut
            wide = values - self.minimum
            wide *= self._per_span
            return wide.astype(np.float32)

    def _shares_of_many(self, values: Float64) -> Float32:
        # torch's calls cost three times as much as numpy's, its passes over short rows half
        plain = np.ascontiguousarray(values)
        raw = torch.from_numpy(plain if plain.flags.writeable else plain.copy())
        wide = raw - torch.from_numpy(self.minimum)
        shares: Float32 = wide.mul_(torch.from_numpy(self._per_span)).float().numpy()
        return shares

    @cached_property
    def _per_span(self) -> Float64:
        """What to multiply by instead of dividing."""
        return 1.0 / self.span

    @cached_property
    def _is_moderate(self) -> bool:
        """Whether a raw value that is not clipped is never too large by itself."""
        furthest = max(map(abs, self.clip))
        return bool(np.all(np.abs(self.minimum) + furthest * self.span <= MAX_ABSOLUTE))

    def unscale(self, scaled: Float32) -> Float64:
        """Bring scaled values `[B, F]` back to raw units."""
        return scaled * self.span + self.minimum
