"""Threshold windows whose episodes are followed, without a bank around them."""

from typing import Final

import numpy as np

from models.blocks import NO_TIME, Bool, Float64, Int
from models.shift import Shifts
from models.spec import Policy
from models.threshold import EXCLUDE
from tests.windows import Windows

WINDOW, Z = 1000, 8.0
BEGUN: Final = 5_000
"""Time of the first score of what happens to a stream; a score a microsecond."""


class Streams(Windows):
    """Streams whose episodes are followed, or not, beside their windows.

    Args:
        count: How many.
        window: Scores a window holds.
        is_one: Whether they are taken one by one, in plain numbers.
        has_episodes: False: a plain rolling threshold.
    """

    def __init__(
        self,
        count: int = 1,
        window: int = WINDOW,
        *,
        is_one: bool = False,
        has_episodes: bool = True,
    ) -> None:
        super().__init__(window, min(100, window // 2), is_one=is_one)
        self.shifts = Shifts(self.scores, window, EXCLUDE)
        self.slots = np.arange(count)
        self.time = BEGUN
        self._has_episodes = has_episodes
        self.grow(count)
        self.set_policy("clip")

    def set_policy(self, policy: Policy) -> None:
        self.configure(self.slots, Z, 1e-6, policy)

    def see(self, scores: Float64) -> tuple[Float64, Bool, Int]:
        """Judge scores, `[T]` of every stream or `[T, B]`.

        Returns:
            Thresholds, whether they were anomalies, and since when the level is another, `[T, B]`.
        """
        rows = np.broadcast_to(scores.T, (len(self.slots), len(scores))).T
        thresholds, since = [], []
        for row in rows:
            thresholds.append(self.judged(self.slots))
            since.append(self._follow(row, thresholds[-1]))
            self.take(self.slots, row, thresholds[-1])
            self.time += 1
        found = np.array(thresholds)
        return found, rows > found, np.array(since)

    def _follow(self, row: Float64, threshold: Float64) -> Int:
        nowhere = np.full(len(row), NO_TIME)
        if not self._has_episodes:
            return nowhere
        if not self._is_one:
            columns = self.record.columns(self.slots)
            times = np.full(len(row), self.time)
            since = self.shifts.follow(self.slots, columns, times, row.copy(), threshold)
            self.record.put(self.slots, columns)
            return nowhere if since is None else since
        for slot, (score, limit) in enumerate(zip(row.tolist(), threshold.tolist(), strict=True)):
            one = self.record.one(slot)
            nowhere[slot] = self.shifts.follow_one(slot, one, self.time, score, limit)
            self.record.put_one(slot, one)
        return nowhere

    def state(self, slot: int = 0) -> dict[str, bytes]:
        """Copy ring, place in it and sums, bit for bit."""
        entered = int(self.record["entered"][slot]) % self.window
        sums = {name: self.record[name][slot].tobytes() for name in ("mean", "m2", "peak")}
        return sums | {
            "ring": self.scores["ring"][slot].tobytes(),
            "place": bytes(str(entered), "ascii"),
        }


def usual(steps: int, seed: int = 0, level: float = 1.0) -> Float64:
    """Draw scores around a level."""
    drawn: Float64 = level * np.random.default_rng(seed).gamma(9.0, 1 / 9.0, steps)
    return drawn


def running(policy: Policy = "clip", *, is_one: bool = False, has_episodes: bool = True) -> Streams:
    """Give a stream whose window is full of usual scores; it goes on at time `BEGUN`."""
    streams = Streams(is_one=is_one, has_episodes=has_episodes)
    streams.set_policy(policy)
    streams.see(usual(WINDOW + 200))
    streams.time = BEGUN
    return streams
