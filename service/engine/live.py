"""The live tail inside the service: deliveries fanned out to whoever listens."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from service.engine.ports import Delivery

MAX_DELIVERIES: Final = 100
"""Deliveries a listener may be behind; beyond that it loses the oldest, and is told."""


class Listener:
    """One subscriber's bounded queue."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue(MAX_DELIVERIES)
        self._missed = 0

    def put(self, delivery: Delivery) -> int:
        """Queue a delivery; returns how many verdicts and alerts were lost for it."""
        lost = 0
        if self._waiting.full():
            dropped = self._waiting.get_nowait()
            lost = sum(scored.verdicts.n_taken for scored in dropped.scored) + len(dropped.alerts)
        self._missed += lost
        self._waiting.put_nowait(delivery)
        return lost

    async def get(self) -> tuple[Delivery, int]:
        """Wait for the next delivery; also how many verdicts and alerts were missed before it."""
        delivery = await self._waiting.get()
        missed, self._missed = self._missed, 0
        return delivery, missed


class LiveFeed:
    """A sink that hands everything on to listeners and never fails.

    Attributes:
        dropped: Verdicts and alerts that slow listeners lost.
    """

    name: Final = "live"
    takes_verdicts: Final = True
    refresh_s: Final = None

    def __init__(self) -> None:
        self.dropped = 0
        self._listeners: set[Listener] = set()

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Subscribe for the time of a with block."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def open(self) -> None:
        """Nothing to connect."""

    async def write_batch(self, delivery: Delivery) -> None:
        """Hand on; never waits for a listener."""
        for listener in self._listeners:
            self.dropped += listener.put(delivery)

    async def close(self) -> None:
        """Nothing to let go of."""
