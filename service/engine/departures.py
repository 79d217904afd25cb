"""Streams that go: deleted ones out of the store, those let go into it."""

import asyncio
from collections.abc import Awaitable
from itertools import islice
from typing import Final

import numpy as np
import structlog

from models.snapshot import WHOLE
from service.engine.changes import NEVER
from service.engine.copying import Copier
from service.engine.model import Stream
from service.engine.ports import Clock, Entry
from service.engine.snapshots import Copied, entries_of
from service.engine.watched_store import WatchedStore

_log = structlog.get_logger("stepwatch.departures")

AT_A_TIME: Final = 50


class Departures:
    """Remembers what the store does not know yet of streams that are no longer here.

    Args:
        store: Where from, and where to.
        copier: Copies those that are let go.
        clock: Monotonic time.

    Attributes:
        since: When the oldest change of a stream on its way to the store came; never if none is.
    """

    def __init__(self, store: WatchedStore, copier: Copier, clock: Clock) -> None:
        self.since = NEVER
        self._store: Final = store
        self._copier: Final = copier
        self._clock: Final = clock
        self._gone: set[str] = set()
        self._leaving: dict[str, asyncio.Task[Entry]] = {}

    def __len__(self) -> int:
        """Count the streams on their way to the store."""
        return len(self._leaving)

    @property
    def n_gone(self) -> int:
        """Count the deleted streams that may still be stored."""
        return len(self._gone)

    def forget(self, stream_id: str) -> None:
        """Take a deleted stream out of the store as well, before anything else is written."""
        self._leaving.pop(stream_id, None)
        self._gone.add(stream_id)

    def leave(self, stream: Stream) -> None:
        """Let a stream go to the store: copied after all it was sent, then its slot is free."""
        since = float(stream.model.changes.since[stream.slot])
        self.since = min(self.since, since, self._clock.monotonic())
        copying = self._copier.copied([stream], leave=True)
        self._leaving[stream.stream_id] = asyncio.create_task(_entry(copying))

    def is_leaving(self, stream_id: str) -> bool:
        """Tell whether a stream is on its way to the store."""
        return stream_id in self._leaving

    async def taken_back(self, stream_id: str) -> Entry:
        """Give what was on its way, which is the caller's now."""
        return await asyncio.shield(self._leaving.pop(stream_id))

    async def delete(self) -> None:
        """Delete what is gone, and what goes meanwhile.

        Raises:
            StoreError: If the store fails; they are deleted later.
        """
        while self._gone:
            gone = list(self._gone)
            await self._store.delete(gone)
            self._gone.difference_update(gone)

    async def write(self, allowance: float) -> int:
        """Write what has left, until so many bytes are written; gives how many were.

        Raises:
            StoreError: If the store fails; they are written later.
        """
        spent = 0
        while self._leaving and spent < allowance:
            some = dict(islice(self._leaving.items(), AT_A_TIME))
            entries = [entry for one in some.items() if (entry := await self._copied(*one))]
            await self._store.save(entries)
            spent += sum(len(part) for entry in entries for part in entry.parts.values())
            for stream_id, copying in some.items():
                if self._leaving.get(stream_id) is copying:
                    del self._leaving[stream_id]
        if not self._leaving:
            self.since = NEVER
        return spent

    async def _copied(self, stream_id: str, copying: asyncio.Task[Entry]) -> Entry | None:
        try:
            # the copy is all there is of such a stream: it must outlive whoever waits for it
            return await asyncio.shield(copying)
        except Exception as error:  # one that could not be copied must not keep the others here
            self._store.errors["bug"] += 1
            _log.error("this is a bug: a stream is lost", stream=stream_id, exc_info=error)
            return None


async def _entry(copying: Awaitable[Copied]) -> Entry:
    return entries_of(await copying, np.array([WHOLE]), np.array([True]))[0]
