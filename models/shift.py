"""Level shifts: a long anomaly judged by the threshold as it stood before it began.

Scores above the threshold enter its window cut at the threshold (policy `clip`), so that within
some dozens of steps it follows a long anomaly. That ends the alarms of a stream whose level has
changed for good; but a threshold that has followed tells neither that it had to, nor anything
strange that comes after. So from the first anomaly on two things are kept of a stream: its
threshold as it stood, and its window. Most of the last scores above the old threshold are a level
shift. When they come back under it the window is put back; when it has been filled anew meanwhile,
the new level is the usual one. A window that was not full is filled up with what it held.
"""

from typing import Final, NamedTuple

import numpy as np

from models.blocks import NO_TIME, Float32, Float64, Int
from models.numbers import WINDOW_SUMS, Columns, Numbers
from models.rare import Rare
from models.slab import Arrays

LOOKED_AT: Final = 60
"""Scores that are looked at, one bit each."""
SHIFTED: Final = 48
"""So many of them above the old threshold are a level shift: 80 %."""
BACK: Final = 10
"""So many in a row under it and the episode is over."""
LONG: Final = 3
"""Fewer scores than this above it hardly move the threshold: the window stays as it is."""
_ALL: Final = (1 << LOOKED_AT) - 1
_LAST: Final = (1 << BACK) - 1


class Held(NamedTuple):
    """A window as it was: its scores, `[window]`, how many had entered, and its sums."""

    ring: Float32
    entered: int
    mean: float
    m2: float
    peak: float


def shifted_since(columns: Columns) -> Int:
    """Tell since when the level of streams is another, `[B]`; `NO_TIME` where it is not."""
    return np.where(np.bitwise_count(columns.over) >= SHIFTED, columns.since, NO_TIME)


class Shifts:
    """The episodes of the streams of one bank, from the first anomaly until scores are usual again.

    Each rule stands here twice: for the rows of many streams, and in plain numbers for one.

    Args:
        scores: The windows, `ring`, `[capacity, window]`.
        window: Scores a window holds.
        excluding: Number of the policy that lets nothing above the threshold enter.

    Attributes:
        held: Windows as they were before the episodes that are under way.
    """

    def __init__(self, scores: Arrays, window: int, excluding: int) -> None:
        self._scores: Final = scores
        self._window: Final = window
        self._longest: Final = max(window, LOOKED_AT)
        self._excluding: Final = excluding
        # few streams have an episode at a time, and a copy is as long as all else that is kept
        self.held: Final = Rare[Held]()

    def follow(
        self, slots: Int, columns: Columns, times: Int, score: Float64, threshold: Float64
    ) -> Int | None:
        """Take a score of each of B streams, before it enters its window.

        Returns:
            Since when the level is another, `[B]`, `NO_TIME` where it is not; None: nowhere.
        """
        matters = score > threshold
        if np.count_nonzero(columns.lasted):
            matters |= (columns.lasted > 0) & ~np.isnan(score)
        if not np.count_nonzero(matters):
            return None
        rows = np.flatnonzero(matters)
        chosen = columns.taken(rows)
        self._begin(slots[rows], chosen, times[rows], threshold[rows])
        bits = (score[rows] > chosen.old).astype(np.int64)
        chosen.over[:] = (chosen.over << 1 | bits) & _ALL
        chosen.lasted += 1
        since = np.full(len(slots), NO_TIME)
        since[rows] = shifted_since(chosen)
        self._end(slots[rows], chosen)
        columns.replace(rows, chosen)
        return since

    def follow_one(
        self, slot: int, one: Numbers[int, float], time: int, score: float, threshold: float
    ) -> int:
        """Do the same for one stream; gives since when its level is another, or `NO_TIME`."""
        if not one.lasted:
            if not score > threshold:
                return NO_TIME
            one.old, one.since = threshold, time
            if one.policy != self._excluding:
                self._hold(slot, one)
        elif score != score:  # noqa: PLR0124 - NaN; math.isnan costs twice as much
            return NO_TIME
        one.over = (one.over << 1 | (score > one.old)) & _ALL
        one.lasted += 1
        count = one.over.bit_count()
        since = one.since if count >= SHIFTED else NO_TIME
        is_back = not one.over & _LAST
        if is_back or (one.lasted > self._longest and one.policy != self._excluding):
            held = self.held.pop(slot)
            if is_back and held is not None and count >= LONG:
                self._put_back(slot, one, held)
            one.lasted = one.over = 0
        return since

    def _begin(self, slots: Int, columns: Columns, times: Int, threshold: Float64) -> None:
        begins = columns.lasted == 0
        if not np.count_nonzero(begins):
            return
        columns.old[begins], columns.since[begins] = threshold[begins], times[begins]
        moves = begins & (columns.policy != self._excluding)
        for row in np.flatnonzero(moves).tolist():
            self._hold(int(slots[row]), columns.row(row))

    def _end(self, slots: Int, columns: Columns) -> None:
        is_back = (columns.over & _LAST) == 0
        was_long = np.bitwise_count(columns.over) >= LONG
        ends = (columns.lasted > self._longest) & (columns.policy != self._excluding) | is_back
        for row in np.flatnonzero(ends).tolist():
            held = self.held.pop(int(slots[row]))
            if held is not None and is_back[row] and was_long[row]:
                one = columns.row(row)
                self._put_back(int(slots[row]), one, held)
                for name in WINDOW_SUMS:
                    getattr(columns, name)[row] = getattr(one, name)
        columns.lasted[ends] = columns.over[ends] = 0

    def _hold(self, slot: int, one: Numbers[int, float]) -> None:
        ring = self._scores["ring"][slot].copy()
        self.held[slot] = Held(ring, one.entered, one.mean, one.m2, one.peak)

    def _put_back(self, slot: int, one: Numbers[int, float], held: Held) -> None:
        ring, full = held.ring, self._window
        # moved on by whole windows, so that whoever saves what has entered since saves all of it
        turns = (one.entered - held.entered) // full + 2
        if held.entered >= full:
            one.entered = held.entered + turns * full
            one.mean, one.m2, one.peak = held.mean, held.m2, held.peak
        else:
            # only full ones can be moved on: what it held is repeated until it is
            ring, one.entered = np.resize(ring[: held.entered], full), (turns + 1) * full
            wide = ring.astype(np.float64)
            one.mean, one.m2 = float(wide.mean()), float(((wide - wide.mean()) ** 2).sum())
            one.peak = one.m2
        self._scores["ring"][slot] = ring
