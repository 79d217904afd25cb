"""Streams that go: deleted ones out of the store, those let go into it."""

import asyncio
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from models.snapshot import WHOLE
from service.engine.changes import NEVER
from service.engine.clock import Clock
from service.engine.copying import Copier
from service.engine.errors import StoreError
from service.engine.model import Stream
from service.engine.ports import Entry
from service.engine.snapshots import Copied, entries_of
from service.engine.watched_store import WatchedStore

_log = structlog.get_logger("stepwatch.departures")

AT_A_TIME: Final = 50
ODD_KINDS: Final = ("other", "bug")
"""Failures that may be those of one entry, and no word on the store as a whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Leaving:
    """A stream on its way to the store: its copy, and since when a change of it waits."""

    stream_id: str
    copying: asyncio.Task[Entry]
    since: float


class Departures:
    """Remembers what the store does not know yet of streams that are no longer here.

    Args:
        store: Where from, and where to.
        copier: Copies those that are let go.
        clock: Monotonic time.
    """

    def __init__(self, store: WatchedStore, copier: Copier, clock: Clock) -> None:
        self._store: Final = store
        self._copier: Final = copier
        self._clock: Final = clock
        self._gone: set[str] = set()
        self._leaving: dict[str, Leaving] = {}

    def __len__(self) -> int:
        """Count the streams on their way to the store."""
        return len(self._leaving)

    @property
    def since(self) -> float:
        """When the oldest change of a stream on its way to the store came; never if none is."""
        return min((one.since for one in self._leaving.values()), default=NEVER)

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
        changed = float(stream.model.changes.since[stream.slot])
        copying = asyncio.create_task(_entry(self._copier.copied([stream], leave=True)))
        since = min(changed, self._clock.monotonic())
        self._leaving[stream.stream_id] = Leaving(stream.stream_id, copying, since)

    def taken_back(self, stream_ids: Iterable[str]) -> list[Leaving]:
        """Give those that are on their way, which are the caller's now."""
        return [self._leaving.pop(one) for one in stream_ids if one in self._leaving]

    async def copied(self, leaving: Leaving) -> Entry | None:
        """Wait for the copy of a stream; None, which is counted, if it failed."""
        try:
            # the copy is all there is of such a stream: it must outlive whoever waits for it
            return await asyncio.shield(leaving.copying)
        except Exception as error:  # one that could not be copied must not keep the others here
            self._store.errors["bug"] += 1
            _log.error("this is a bug: a stream is lost", stream=leaving.stream_id, exc_info=error)
            return None

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
        spent, waiting = 0, list(self._leaving.values())
        for begin in range(0, len(waiting), AT_A_TIME):
            if spent >= allowance:
                break
            spent += await self._write(waiting[begin : begin + AT_A_TIME])
        return spent

    async def _write(self, some: list[Leaving]) -> int:
        copies: list[tuple[Leaving, Entry]] = []
        for one in some:
            if not self._is_still(one):
                continue
            if (entry := await self.copied(one)) is not None:
                copies.append((one, entry))
            else:
                self._end(one)
        return await self._save(copies)

    async def _save(self, copies: list[tuple[Leaving, Entry]]) -> int:
        """Save copies, in halves if need be: one the store refuses keeps no other here."""
        if not copies:
            return 0
        try:
            await self._store.save([entry for _, entry in copies])
        except StoreError as error:
            if error.kind not in ODD_KINDS:
                raise
            if half := len(copies) // 2:
                return await self._save(copies[:half]) + await self._save(copies[half:])
            name = copies[0][0].stream_id
            _log.error("a stream can't be saved", stream=name, detail=str(error))
            return 0
        for one, _ in copies:
            self._end(one)
        return sum(entry.size for _, entry in copies)

    def _end(self, leaving: Leaving) -> None:
        if self._is_still(leaving):
            del self._leaving[leaving.stream_id]

    def _is_still(self, leaving: Leaving) -> bool:
        return self._leaving.get(leaving.stream_id) is leaving


async def _entry(copying: Awaitable[Copied]) -> Entry:
    return entries_of(await copying, np.array([WHOLE]), np.array([True]))[0]
