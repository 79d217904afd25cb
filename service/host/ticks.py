"""When a reading is due: on a grid of times, so that a slow one does not put off those after it."""

import math


class Ticks:
    """Due times a period apart, on one clock; those that pass meanwhile are not made up for.

    Args:
        first_s: The first.
        period_s: Seconds from one to the next, above 0.

    Attributes:
        due_s: The next.
        missed: How many have passed without a reading.
    """

    def __init__(self, first_s: float, period_s: float) -> None:
        self.due_s = first_s
        self.missed = 0
        self._first_s = first_s
        self._period_s = period_s
        self._count = 0

    def pass_by(self, now_s: float) -> None:
        """Move on to the next one that is not over at `now_s`."""
        behind = math.floor((now_s - self._first_s) / self._period_s)
        count = max(self._count, behind) + 1
        self.missed += count - self._count - 1
        self._count = count
        # counted from the first: a sum of periods would lose a little with each
        self.due_s = self._first_s + count * self._period_s
