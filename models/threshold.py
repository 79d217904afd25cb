"""The rolling threshold of many streams at once: mean + z * sigma of earlier scores."""

from typing import Final

import numpy as np

from models.blocks import Float32, Float64, Int
from models.slab import Slab
from models.spec import Policy

POLICIES: Final[dict[Policy, int]] = {"clip": 0, "all": 1, "exclude": 2}
RELATIVE_SIGMA_FLOOR: Final = 1e-3
"""Sigma is at least this share of the mean, so that float dust on a constant is no anomaly."""
RECOMPUTE_BELOW: Final = 1e-3
"""Once M2 has fallen below this share of its peak its leading digits are gone: compute anew."""
LARGEST: Final = float(np.finfo(np.float32).max)
"""Higher scores enter as this: an infinity in the ring would blind the stream for good."""


class RollingThreshold:
    """Mean and sigma (population) of each slot's last `window` scores.

    Windowed form of Welford's update (Welford 1962), on arrays: a score enters, the oldest leaves.
    The sums see the float32 value that stands in the ring, and a row whose M2 collapses after a
    burst is recomputed from the ring, so the result equals numpy's on the same window.

    Args:
        window: Scores a window holds, >= 2.
        min_scores: Scores below which there is no threshold yet.

    Attributes:
        windows: The windows; `entered` counts every score that ever entered one, and the newest
            stands just before `position`.
        rules: How each slot is judged.
    """

    def __init__(self, window: int, min_scores: int) -> None:
        if not 2 <= min_scores <= window:  # noqa: PLR2004 - one score has no sigma
            raise ValueError(f"need 2 <= min_scores ({min_scores}) <= window ({window})")
        self.window: Final = window
        self.min_scores: Final = min_scores
        number, whole = np.dtype(np.float64), np.dtype(np.int32)
        self.windows: Final = Slab(
            {
                "ring": ((window,), np.dtype(np.float32)),
                "mean": ((), number),
                "m2": ((), number),
                "peak": ((), number),
                "count": ((), whole),
                "position": ((), whole),
                "entered": ((), np.dtype(np.int64)),
            }
        )
        self.rules: Final = Slab(
            {"z": ((), number), "floor": ((), number), "policy": ((), np.dtype(np.int8))}
        )

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` slots."""
        for slab in (self.windows, self.rules):
            slab.grow(capacity)

    def clear(self, slots: Int) -> None:
        """Empty the windows; how they are judged stays."""
        self.windows.clear(slots)

    def configure(self, slots: Int, z: float, sigma_floor: float, policy: Policy) -> None:
        """Set how these slots are judged from now on; their windows stay.

        Raises:
            ValueError: If z or the floor is not above 0, or the policy is unknown.
        """
        if not z > 0 or not sigma_floor > 0 or policy not in POLICIES:
            raise ValueError(f"z {z} and floor {sigma_floor} must be > 0, policy {policy} known")
        self.rules["z"][slots] = z
        self.rules["floor"][slots] = sigma_floor
        self.rules["policy"][slots] = POLICIES[policy]

    def prime(self, slots: Int, scores: Float32) -> None:
        """Fill empty windows with the last `window` of `scores` `[N]`, all slots alike."""
        kept = scores[-self.window :]
        if not len(kept):
            return
        self.windows["ring"][slots, : len(kept)] = kept
        self.windows["count"][slots] = len(kept)
        self.windows["position"][slots] = len(kept) % self.window
        self.windows["entered"][slots] = len(kept)
        self._recompute(slots)

    def counts(self, slots: Int) -> Int:
        """Scores in each window, `[B]`."""
        return self.windows["count"][slots].astype(np.int64)

    def statistics(self, slots: Int) -> tuple[Float64, Float64]:
        """Mean and sigma of each window, `[B]`, before any floor; 0 for an empty one."""
        count = np.maximum(self.windows["count"][slots], 1)
        return self.windows["mean"][slots], np.sqrt(self.windows["m2"][slots] / count)

    def thresholds(self, slots: Int) -> Float64:
        """Thresholds as they stand, `[B]`; NaN where the window holds too few scores."""
        mean, sigma = self.statistics(slots)
        floor = np.maximum(self.rules["floor"][slots], RELATIVE_SIGMA_FLOOR * mean)
        threshold = mean + self.rules["z"][slots] * np.maximum(sigma, floor)
        return np.where(self.windows["count"][slots] < self.min_scores, np.nan, threshold)

    def enter(self, slots: Int, scores: Float64, thresholds: Float64) -> None:
        """Let scores `[B]` into their windows, each slot at most once, after they were judged.

        Policy of the slot: `clip` enters a score above its threshold as the threshold, `all`
        enters it whole, `exclude` leaves it out.
        """
        policy = self.rules["policy"][slots]
        above = scores > thresholds
        entering = np.where(above & (policy == POLICIES["clip"]), thresholds, scores)
        entering = np.minimum(entering, LARGEST)
        kept = ~(above & (policy == POLICIES["exclude"]))
        if not kept.all():
            slots, entering = slots[kept], entering[kept]
        self._push(slots, entering.astype(np.float32))

    def _push(self, slots: Int, scores: Float32) -> None:
        slab = self.windows
        ring, position, count = slab["ring"], slab["position"][slots], slab["count"][slots]
        old_mean, is_full = slab["mean"][slots], count == self.window
        new = scores.astype(np.float64)
        old = np.where(is_full, ring[slots, position].astype(np.float64), old_mean)
        held = np.where(is_full, count, count + 1)
        # with "the oldest" set to the old mean, one formula serves growing and full windows
        mean = old_mean + (new - old) / held
        m2 = slab["m2"][slots] + (new - old) * ((new - mean) + (old - old_mean))
        ring[slots, position] = scores
        slab["position"][slots] = (position + 1) % self.window
        slab["count"][slots] = held
        slab["entered"][slots] += 1
        slab["mean"][slots], slab["m2"][slots] = mean, m2
        peak = np.maximum(slab["peak"][slots], m2)
        slab["peak"][slots] = peak
        collapsed = m2 < RECOMPUTE_BELOW * peak
        if collapsed.any():
            self._recompute(slots[collapsed])

    def _recompute(self, slots: Int) -> None:
        slab = self.windows
        count = slab["count"][slots]
        held = np.arange(self.window) < count[:, None]
        scores = np.where(held, slab["ring"][slots].astype(np.float64), 0.0)
        mean = scores.sum(axis=1) / np.maximum(count, 1)
        m2 = (np.where(held, scores - mean[:, None], 0.0) ** 2).sum(axis=1)
        slab["mean"][slots], slab["m2"][slots], slab["peak"][slots] = mean, m2, m2
