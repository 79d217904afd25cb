"""Threshold windows by themselves, without a bank around them."""

import numpy as np

from models.blocks import Float64, Int
from models.record import Record
from models.threshold import RollingThreshold


class Windows(RollingThreshold):
    """Windows with a record of their own; what it takes to judge and enter in one call each.

    Args:
        window: Scores a window holds.
        min_scores: Scores below which there is no threshold yet.
        is_one: Whether streams are taken one by one, in plain numbers.
    """

    def __init__(self, window: int, min_scores: int, *, is_one: bool = False) -> None:
        self.record = Record()
        self._is_one = is_one
        super().__init__(window, min_scores, self.record)

    def grow(self, capacity: int) -> None:
        """Make room."""
        self.record.grow(capacity)
        self.scores.grow(capacity)

    def judged(self, slots: Int) -> Float64:
        """Give the thresholds as they stand."""
        if not self._is_one:
            return self.thresholds(self.record.columns(slots))
        return np.array([self.threshold_one(self.record.one(slot)) for slot in slots.tolist()])

    def take(self, slots: Int, scores: Float64, thresholds: Float64) -> None:
        """Let scores enter."""
        if not self._is_one:
            columns = self.record.columns(slots)
            self.enter(slots, columns, scores, thresholds)
            self.record.put(slots, columns)
            return
        for slot, score, threshold in zip(slots, scores.tolist(), thresholds.tolist(), strict=True):
            one = self.record.one(int(slot))
            self.enter_one(self.scores["ring"][slot], one, score, threshold)
            self.record.put_one(int(slot), one)

    def held(self, slots: Int) -> Int:
        """Count the scores in each window."""
        return self.counts(self.record.columns(slots))

    def spread(self, slots: Int) -> tuple[Float64, Float64]:
        """Give mean and sigma of each window."""
        return self.statistics(self.record.columns(slots))
