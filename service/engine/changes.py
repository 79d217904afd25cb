"""What of a model's streams is not stored yet, and when they were last heard of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Bool, Float64, Int
from models.snapshot import WHOLE

NEVER: Final = np.inf
_SAVING: Final = -2
"""Stands for the scores stored while a saving is under way."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Slots that are being saved.

    Attributes:
        slots: `[B]`.
        scores: Scores stored of each, `[B]`; `WHOLE`: nothing.
        with_recent: Whose last observations are to be saved too, `[B]`.
        since, recent_since: As in `Changes` before.
    """

    slots: Int
    scores: Int
    with_recent: Bool
    since: Float64
    recent_since: Float64

    def __len__(self) -> int:
        """Count the slots."""
        return len(self.slots)


class Changes:
    """Arrays with a place for each slot; times are monotonic seconds. Owned by the event loop.

    Attributes:
        arrived: When a stream's last observation came in; never where a slot is free.
        since: First change that is not stored; never where all is.
        recent_since: The same of the last observations, which are stored less often.
    """

    def __init__(self) -> None:
        self.arrived = np.empty(0)
        self.since = np.empty(0)
        self.recent_since = np.empty(0)
        self._scores: Int = np.empty(0, np.int64)

    def grow(self, capacity: int) -> None:
        """Make room for at least so many slots."""
        more = max(capacity, 2 * len(self.since)) - len(self.since)
        if capacity > len(self.since):
            self.arrived, self.since, self.recent_since = (
                np.append(column, np.full(more, NEVER))
                for column in (self.arrived, self.since, self.recent_since)
            )
            self._scores = np.append(self._scores, np.full(more, WHOLE))

    def touch(self, slots: Int, now: float) -> None:
        """Note that observations of these streams came in."""
        self.arrived[slots] = now
        for column in (self.since, self.recent_since):
            column[slots] = np.minimum(column[slots], now)

    def touch_one(self, slot: int, now: float) -> None:
        """Note that an observation of one stream came in."""
        self.arrived[slot] = now
        for column in (self.since, self.recent_since):
            column[slot] = min(column[slot], now)

    def begin(self, slots: Int, now: float) -> None:
        """Note that all of these streams is new: nothing stored of them counts.

        A change that waits already goes on counting: what is stored is as old as it was.
        """
        self._scores[slots] = WHOLE
        for column in (self.since, self.recent_since):
            column[slots] = np.minimum(column[slots], now)

    def stored(self, slots: Int, scores: Int, now: float) -> None:
        """Note that these streams are what the store holds."""
        self._scores[slots] = scores
        self.since[slots] = self.recent_since[slots] = NEVER
        self.arrived[slots] = now

    def leave(self, slot: int) -> None:
        """Note that a slot is free: there is nothing to store."""
        self.arrived[slot] = self.since[slot] = self.recent_since[slot] = NEVER
        self._scores[slot] = WHOLE

    def due(self, before: float, recent_before: float, limit: int) -> Int:
        """Find slots whose changes are older, those first that wait longest."""
        urgency = np.minimum(self.since - before, self.recent_since - recent_before)
        found = np.flatnonzero(urgency <= 0)
        if len(found) > limit:
            found = found[np.argpartition(urgency[found], limit)[:limit]]
        return found[np.argsort(urgency[found], kind="stable")]

    def n_changed(self) -> int:
        """Count the slots of which anything is not stored."""
        return int(np.count_nonzero(np.minimum(self.since, self.recent_since) < NEVER))

    def take(self, slots: Int, recent_before: float) -> Taken:
        """Begin to save slots: what changes from now on is new again."""
        scores = self._scores[slots]
        with_recent = (scores == WHOLE) | (self.recent_since[slots] <= recent_before)
        taken = Taken(slots, scores, with_recent, self.since[slots], self.recent_since[slots])
        self._scores[slots] = _SAVING
        self.since[slots] = NEVER
        self.recent_since[slots[with_recent]] = NEVER
        return taken

    def saved(self, taken: Taken, scores: Int) -> None:
        """Note that they are stored, but for those that were begun anew meanwhile."""
        is_same = self._scores[taken.slots] == _SAVING
        self._scores[taken.slots[is_same]] = scores[is_same]

    def failed(self, taken: Taken) -> None:
        """Note that they are not stored after all, but for slots that were freed meanwhile."""
        is_same = self._scores[taken.slots] == _SAVING
        slots = taken.slots[is_same]
        self._scores[slots] = taken.scores[is_same]
        self.since[slots] = np.minimum(self.since[slots], taken.since[is_same])
        recent = np.minimum(self.recent_since[slots], taken.recent_since[is_same])
        self.recent_since[slots] = recent

    def oldest(self) -> float:
        """Tell since when the oldest change waits, the last observations apart."""
        return float(self.since.min(initial=NEVER))
