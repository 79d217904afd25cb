"""The rolling threshold of many streams at once: mean + z * sigma of earlier scores."""

from math import sqrt
from typing import Final

import numpy as np

from models.blocks import Float32, Float64, Int
from models.numbers import WINDOW_SUMS, Columns, Numbers
from models.record import Record
from models.slab import Arrays
from models.spec import Policy

POLICIES: Final[dict[Policy, int]] = {"clip": 0, "all": 1, "exclude": 2}
RELATIVE_SIGMA_FLOOR: Final = 1e-3
"""Sigma is at least this share of the mean, so that float dust on a constant is no anomaly."""
RECOMPUTE_BELOW: Final = 1e-3
"""Once M2 has fallen below this share of its peak its leading digits are gone: compute anew."""
LARGEST: Final = float(np.finfo(np.float32).max)
"""Higher scores enter as this: an infinity in the ring would blind the stream for good."""
_CLIP, EXCLUDE = POLICIES["clip"], POLICIES["exclude"]


class RollingThreshold:
    """Mean and sigma (population) of each slot's last `window` scores.

    Windowed form of Welford's update (Welford 1962), on arrays: a score enters, the oldest leaves.
    The sums see the float32 value that stands in the ring, and a row whose M2 collapses after a
    burst is recomputed from the ring, so the result equals numpy's on the same window.

    The same update stands here in plain numbers (`..._one`), for one stream whose scores come one
    after another: an array of one number costs ten times as much.

    Args:
        window: Scores a window holds, >= 2.
        min_scores: Scores below which there is no threshold yet.
        record: Where statistics and rules of each slot stand.

    Attributes:
        scores: The windows: `ring`, the newest just before `entered % window`.

    Raises:
        ValueError: If it is not 2 <= min_scores <= window.
    """

    def __init__(self, window: int, min_scores: int, record: Record) -> None:
        if not 2 <= min_scores <= window:  # noqa: PLR2004 - one score has no sigma
            raise ValueError(f"need 2 <= min_scores ({min_scores}) <= window ({window})")
        self.window: Final = window
        self.min_scores: Final = min_scores
        self.scores: Final = Arrays({"ring": ((window,), np.dtype(np.float32))})
        self._record = record

    def clear(self, slots: Int) -> None:
        """Empty the windows; how they are judged stays."""
        self.scores.clear(slots)
        for name in WINDOW_SUMS:
            self._record[name][slots] = 0

    def configure(self, slots: Int, z: float, sigma_floor: float, policy: Policy) -> None:
        """Set how these slots are judged from now on; their windows stay.

        Raises:
            ValueError: If z or the floor is not above 0, or the policy is unknown.
        """
        if not z > 0 or not sigma_floor > 0 or policy not in POLICIES:
            raise ValueError(f"z {z} and floor {sigma_floor} must be > 0, policy {policy} known")
        self._record["z"][slots] = z
        self._record["floor"][slots] = sigma_floor
        self._record["policy"][slots] = POLICIES[policy]

    def prime(self, slots: Int, scores: Float32) -> None:
        """Fill empty windows with the last `window` of `scores` `[N]`, all slots alike."""
        kept = scores[-self.window :]
        if not len(kept):
            return
        self.scores["ring"][slots, : len(kept)] = kept
        first = slots[:1]
        self._record["entered"][first] = len(kept)
        columns = self._record.columns(first)
        self._recompute(first, columns, np.arange(len(first)))
        for name in WINDOW_SUMS:  # alike for all: computed once
            self._record[name][slots] = getattr(columns, name)

    def counts(self, columns: Columns) -> Int:
        """Scores in each window, `[B]`."""
        return np.minimum(columns.entered, self.window)

    def are_full(self, columns: Columns) -> bool:
        """Tell whether every window is full, as most are: then much need not be asked."""
        return int(np.count_nonzero(columns.entered >= self.window)) == len(columns)

    def statistics(self, columns: Columns) -> tuple[Float64, Float64]:
        """Mean and sigma of each window, `[B]`, before any floor; 0 for an empty one."""
        return columns.mean, np.sqrt(columns.m2 / np.maximum(self.counts(columns), 1))

    def thresholds(self, columns: Columns, *, are_full: bool = False) -> Float64:
        """Thresholds as they stand, `[B]`; NaN where the window holds too few scores."""
        if are_full:
            mean, sigma = columns.mean, np.sqrt(columns.m2 / self.window)
        else:
            mean, sigma = self.statistics(columns)
        np.maximum(sigma, RELATIVE_SIGMA_FLOOR * mean, out=sigma)
        np.maximum(sigma, columns.floor, out=sigma)
        sigma *= columns.z
        sigma += mean
        if not are_full:
            sigma[columns.entered < self.min_scores] = np.nan
        return sigma

    def threshold_one(self, one: Numbers[int, float]) -> float:
        """Give one stream's threshold; NaN while the window holds too few scores."""
        if one.entered < self.min_scores:
            return np.nan
        sigma = sqrt(max(one.m2, 0.0) / min(one.entered, self.window))
        floor = max(one.floor, RELATIVE_SIGMA_FLOOR * one.mean)
        return one.mean + one.z * max(sigma, floor)

    def enter(
        self,
        slots: Int,
        columns: Columns,
        scores: Float64,
        thresholds: Float64,
        *,
        are_full: bool = False,
    ) -> None:
        """Let scores `[B]` into their windows, each slot at most once, after they were judged.

        Policy of the slot: `clip` enters a score above its threshold as the threshold, `all`
        enters it whole, `exclude` leaves it out. A score that is NaN does not enter.
        """
        above, policy = scores > thresholds, columns.policy
        stays_out = np.isnan(scores)
        if np.count_nonzero(above):
            scores = np.where(above & (policy == _CLIP), thresholds, scores)
            stays_out |= above & (policy == EXCLUDE)
        entering = np.minimum(scores, LARGEST).astype(np.float32)
        if not np.count_nonzero(stays_out):
            self._push(slots, columns, entering, are_full=are_full)
            return
        rows = np.flatnonzero(~stays_out)
        chosen = columns.taken(rows)
        self._push(slots[rows], chosen, entering[rows], are_full=are_full)
        columns.replace(rows, chosen)

    def enter_one(
        self, ring: Float32, one: Numbers[int, float], score: float, threshold: float
    ) -> None:
        """Let one stream's score into its window, `ring[window]`, by the same rules."""
        if score > threshold:
            if one.policy == EXCLUDE:
                return
            score = threshold if one.policy == _CLIP else score
        elif score != score:  # noqa: PLR0124 - NaN; math.isnan costs twice as much
            return
        place, old_mean = one.entered % self.window, one.mean
        is_full = one.entered >= self.window
        old = float(ring[place]) if is_full else old_mean
        ring[place] = min(score, LARGEST)
        new = float(ring[place])
        one.entered += 1
        one.mean = old_mean + (new - old) / min(one.entered, self.window)
        one.m2 += (new - old) * ((new - one.mean) + (old - old_mean))
        one.peak = max(one.peak, one.m2)
        if one.m2 < RECOMPUTE_BELOW * one.peak:
            held = ring[: min(one.entered, self.window)].astype(np.float64)
            one.mean = float(held.mean())
            one.m2 = one.peak = float(((held - one.mean) ** 2).sum())

    def _push(self, slots: Int, columns: Columns, scores: Float32, *, are_full: bool) -> None:
        ring, entered, old_mean = self.scores["ring"].reshape(-1), columns.entered, columns.mean
        place = entered % self.window
        place += slots * self.window
        new, old = scores.astype(np.float64), ring.take(place).astype(np.float64)
        if not are_full:
            # with "the oldest" set to the old mean, one formula serves growing and full windows
            old = np.where(entered >= self.window, old, old_mean)
        ring[place] = scores
        entered += 1
        gain = new - old
        mean = gain / (self.window if are_full else np.minimum(entered, self.window))
        mean += old_mean
        columns.m2 += gain * ((new - mean) + (old - old_mean))
        columns.mean[:] = mean
        np.maximum(columns.peak, columns.m2, out=columns.peak)
        collapsed = columns.m2 < RECOMPUTE_BELOW * columns.peak
        if np.count_nonzero(collapsed):
            self._recompute(slots, columns, np.flatnonzero(collapsed))

    def _recompute(self, slots: Int, columns: Columns, rows: Int) -> None:
        count = np.minimum(columns.entered[rows], self.window)
        held = np.arange(self.window) < count[:, None]
        scores = np.where(held, self.scores["ring"][slots[rows]].astype(np.float64), 0.0)
        mean = scores.sum(axis=1) / np.maximum(count, 1)
        m2 = (np.where(held, scores - mean[:, None], 0.0) ** 2).sum(axis=1)
        columns.mean[rows], columns.m2[rows], columns.peak[rows] = mean, m2, m2
