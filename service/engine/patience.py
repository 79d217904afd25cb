"""How long what waits to be scored waits for more."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Final

SHARE: Final = 0.5
"""Of what scoring the batch before took: so much may be waited for those who came with it."""
LONGEST_S: Final = 0.0005
MORE_EVERY: Final = 8
"""After so many batches that were as large as expected one more request is expected."""


class Patience:
    """Tells whether to wait a turn of the loop more for requests that most likely come.

    Those who wait for an answer send again when they have it, one after the other, and the first
    of them would be scored alone: four batches of a hundred rows cost half as much again as one of
    four hundred. So the batch before says how many are to be expected, and a share of what it took
    is the most that is waited for them. A client by itself never waits: nobody came with it.
    """

    def __init__(self) -> None:
        self._expected = 0
        self._times_met = 0
        self._most_s = 0.0
        self._since: float | None = None

    def is_worth_it(self, waiting: int) -> bool:
        """Tell whether to wait on, with so many requests there."""
        if waiting >= self._expected:
            return False
        now = perf_counter()
        if self._since is None:
            self._since = now
        return now - self._since < self._most_s

    @contextmanager
    def measured(self, requests: int) -> Iterator[None]:
        """Take note of a batch of so many requests that is scored meanwhile."""
        self._times_met = self._times_met + 1 if requests >= self._expected > 1 else 0
        self._expected, self._since = requests, None
        if self._times_met == MORE_EVERY:
            self._expected, self._times_met = requests + 1, 0
        began = perf_counter()
        yield
        self._most_s = min(SHARE * (perf_counter() - began), LONGEST_S)
