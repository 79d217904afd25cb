"""What outlives the process, and what makes room: snapshots saved, restored, and streams let go."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from models.snapshot import Parts
from service.engine.alerts import Alerts
from service.engine.batcher import Batcher
from service.engine.changes import NEVER
from service.engine.clock import Clock
from service.engine.copying import Copier
from service.engine.departures import Departures
from service.engine.directory import Directory
from service.engine.errors import StoreError
from service.engine.model import Stream
from service.engine.ports import SnapshotStore
from service.engine.restoring import Restorer
from service.engine.saving import SaveLimits, Saver
from service.engine.watched_store import WatchedStore

MAX_LEAVING: Final = 1000
"""Streams let go whose snapshots are not written yet; while the store fails no more may go."""
MAX_AWAY: Final = 1_000_000
"""Streams in the store whose names are remembered; beyond it none is let go any more."""
RETRY_S: Final = 1.0
RECALL_S: Final = 0.3
"""Whoever sends waits so long at most for streams that come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Where and how snapshots are kept.

    Attributes:
        store: Where.
        save: How often and how much is written.
        wait_s: Seconds a store that can't be read is waited for.
        evict_after_s: A stream idle for so many seconds may be let go when there is no room.
    """

    store: SnapshotStore
    save: SaveLimits = field(default_factory=SaveLimits)
    wait_s: float = 30.0
    evict_after_s: float = 3600.0


class Persistence:
    """Keeps the streams of a directory in a store.

    Args:
        keep: Where and how.
        directory: The streams.
        batcher: Runs what touches the slabs.
        alerts: What is remembered of alerts goes along.
        clock: Monotonic time.

    Attributes:
        evicted: Streams that were let go.
        moving: Held while streams come back, and by whoever replaces a bank.
    """

    def __init__(
        self,
        keep: Keep,
        directory: Directory,
        batcher: Batcher,
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        store = WatchedStore(keep.store, clock)
        self.store: Final = store
        copier = Copier(batcher, alerts)
        self.departures: Final = Departures(store, copier, clock)
        self.saver: Final = Saver(
            store, copier, self.departures, directory.models, clock, keep.save
        )
        self.evicted = 0
        self._directory = directory
        self._restorer = Restorer(store, directory, batcher, alerts, clock, keep.wait_s)
        self._alerts = alerts
        self._clock = clock
        self._wait_s = keep.wait_s
        self._evict_after_s = keep.evict_after_s
        self._none_idle_before = 0.0
        self._retry_at = 0.0
        self._found: Stream | None = None
        self.moving: Final = asyncio.Lock()
        self._saving: asyncio.Task[None] | None = None
        self._recalling: set[asyncio.Task[None]] = set()
        self._stop_s = keep.save.stop_s
        directory.idle, directory.let_go = self.idle, self.let_go

    async def start(self) -> None:
        """Restore what is stored, then begin to save."""
        await self._restorer.restore_all()
        self._saving = asyncio.create_task(self.saver.run(), name="snapshots")

    async def stop(self) -> None:
        """Save everything, within the time there is for it."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.wait([self._saving])
            if self._recalling:  # what comes back is neither here nor on its way to the store
                await asyncio.wait(self._recalling, timeout=self._stop_s)
            await self.saver.save_all()
        await self.store.close()

    async def recall(self, stream_ids: Collection[str]) -> None:
        """Bring back those of these streams that are away, as far as there is room.

        A store that can't be read is waited for: until then they stay away, and their
        observations are refused.
        """
        here = [stream for one in stream_ids if (stream := self._directory.get(one)) is not None]
        if len(here) == len(stream_ids):
            return
        now = self._clock.monotonic()
        for stream in here:  # none of these may go to make room for another of them
            stream.model.changes.arrived[stream.slot] = now
        if not self._away(stream_ids):
            return
        # in a task of its own: a caller that goes away meanwhile must not leave them half here
        recalling = asyncio.create_task(self._recall(stream_ids))
        self._recalling.add(recalling)
        recalling.add_done_callback(self._recalling.discard)
        await asyncio.wait({recalling}, timeout=RECALL_S)
        if recalling.done():
            await recalling

    async def _recall(self, stream_ids: Collection[str]) -> None:
        async with self.moving:
            if self._clock.monotonic() < self._retry_at:
                return
            away = self._away(stream_ids)
            wanted = away[: self._room_for(len(away))]
            if not wanted:
                return
            self._directory.returning.update(wanted)
            try:
                await self._bring_back(wanted)
            finally:
                self._directory.returning.difference_update(wanted)

    def _away(self, stream_ids: Collection[str]) -> list[str]:
        return [one for one in stream_ids if one in self._directory.away]

    def _room_for(self, wanted: int) -> int:
        room = self._directory.max_streams - len(self._directory)
        while room < wanted and (stream := self.idle()) is not None:
            self.let_go(stream)
            room += 1
        return max(room, 0)

    async def _bring_back(self, stream_ids: list[str]) -> None:
        # first those that are nowhere else, before a store is waited for
        leaving = self.departures.taken_back(stream_ids)
        copies = [(one, await self.departures.copied(one)) for one in leaving]
        await self._restorer.restore({one.stream_id: copy.parts for one, copy in copies if copy})
        for one in leaving:  # the store need not have it yet
            if (stream := self._directory.get(one.stream_id)) is not None:
                stream.model.changes.begin(np.array([stream.slot]), one.since)
        await self._fetch(self._away(stream_ids))

    async def _fetch(self, stream_ids: list[str]) -> None:
        stored: dict[str, Parts] = {}
        try:
            stored = await self.store.load(stream_ids) if stream_ids else {}
        except StoreError:
            self._retry_at = self._clock.monotonic() + RETRY_S
            if self.store.failing_s < self._wait_s:
                return  # later
        await self._restorer.restore(stored)
        lost = [one for one in stream_ids if one not in stored]
        self.store.restored["lost"] += len(lost)
        for stream_id in lost:
            del self._directory.away[stream_id]

    def idle(self) -> Stream | None:
        """Find the stream that is idle longest, if it is long enough to be let go."""
        now = self._clock.monotonic()
        if self._found is not None and self._is_idle(self._found, now):
            return self._found  # asked for twice: whether one may come in, then which goes
        is_full = len(self.departures) >= MAX_LEAVING or len(self._directory.away) >= MAX_AWAY
        if is_full or now < self._none_idle_before:
            return None
        found = self._idlest()
        if found is not None and now - found[0] >= self._evict_after_s:
            self._found = found[1]
            return self._found
        since = now if found is None else found[0]
        # nobody can become idle enough sooner: a flood of new ids is not worth searching for
        self._none_idle_before = since + self._evict_after_s
        return None

    def _is_idle(self, stream: Stream, now: float) -> bool:
        is_here = self._directory.get(stream.stream_id) is stream
        return is_here and now - stream.model.changes.arrived[stream.slot] >= self._evict_after_s

    def let_go(self, stream: Stream) -> None:
        """Let a stream go to the store; it comes back with its next observation."""
        self.departures.leave(stream)
        self._directory.remove(stream)
        self._directory.away[stream.stream_id] = None
        self.evicted += 1

    def _idlest(self) -> tuple[float, Stream] | None:
        """Find the stream that was not heard of longest; open alerts are for people to see."""
        found: list[tuple[float, Stream]] = []
        for model in self._directory.models.values():
            arrived = model.changes.arrived[: model.used].copy()
            arrived[[one.slot for one in self._alerts.open_streams() if one.model is model]] = NEVER
            slot = int(arrived.argmin()) if len(arrived) else -1
            stream = model.streams[slot] if slot >= 0 else None
            if stream is not None and arrived[slot] < NEVER:
                found.append((float(arrived[slot]), stream))
        return min(found, key=lambda one: one[0], default=None)
