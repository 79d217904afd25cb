"""Saving snapshots: what changed goes to the store in rounds, bounded in bytes per second."""

import asyncio
from collections.abc import Awaitable
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from models.bank import StreamBank
from models.blocks import Int
from models.slots import SnapshotBlock
from models.snapshot import WHOLE
from service.engine.alerts import Alerts, Watch
from service.engine.batcher import Batcher
from service.engine.changes import NEVER, Taken
from service.engine.errors import StoreError
from service.engine.model import Model, Stream, slots_of
from service.engine.ports import Clock, Entry
from service.engine.snapshots import Copied, entries_of
from service.engine.watched_store import WatchedStore

_log = structlog.get_logger("stepwatch.saving")

STREAMS_AT_A_TIME: Final = 250
STREAMS_A_ROUND: Final = 25_000
TICK_S: Final = 0.5
GIVE_UP_S: Final = 10.0
"""A store that has failed for so long when the service stops is not waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveLimits:
    """How often snapshots are written, and how much of them.

    Attributes:
        every_s: Seconds a change waits at least: so many observations go out as one.
        recent_every_s: The same for the last observations, which only another checkpoint needs.
        bytes_per_s: Written at most, on average.
        stop_s: Seconds for what is left on stopping.
    """

    every_s: float = 5.0
    recent_every_s: float = 300.0
    bytes_per_s: float = 8e6
    stop_s: float = 60.0


class Saver:
    """Writes snapshots from one task; what fails is written later.

    Args:
        store: Where to.
        batcher: Runs what touches the slabs.
        models: By name.
        alerts: For what is remembered of alerts.
        clock: Monotonic time.
        limits: How often and how much.
    """

    def __init__(
        self,
        store: WatchedStore,
        batcher: Batcher,
        models: dict[str, Model],
        alerts: Alerts,
        clock: Clock,
        limits: SaveLimits,
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._models = models
        self._alerts = alerts
        self._clock = clock
        self._limits = limits
        self._allowance = 0.0
        self._since = clock.monotonic()
        self._saving_since = self._leaving_since = NEVER
        self._gone: set[str] = set()
        self.leaving: dict[str, asyncio.Task[Entry]] = {}

    @property
    def age_s(self) -> float:
        """Age of the oldest change that is not stored, in seconds; 0 if all is."""
        oldest = min((model.changes.oldest() for model in self._models.values()), default=NEVER)
        since = min(oldest, self._saving_since, self._leaving_since)
        return 0.0 if since == NEVER else self._clock.monotonic() - since

    def forget(self, stream_id: str) -> None:
        """Take a deleted stream out of the store as well, before anything else is written."""
        self._gone.add(stream_id)

    def leave(self, stream: Stream) -> None:
        """Let a stream go to the store: copied after all it was sent, then its slot is free."""
        copying = self._copy([stream], leave=True)
        self._leaving_since = min(self._leaving_since, self._clock.monotonic())
        self.leaving[stream.stream_id] = asyncio.create_task(_left(copying))

    async def run(self) -> None:
        """Write in rounds; end by cancelling."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.round()
            except StoreError:
                continue  # counted and told by the store; the changes wait
            except Exception as error:  # snapshots are not worth ending anything for
                _log.error("this is a bug: snapshots not saved", exc_info=error)

    async def round(self) -> None:
        """Write what is due, as far as the allowance goes.

        Raises:
            StoreError: If the store fails; nothing is lost by that.
        """
        now = self._clock.monotonic()
        earned = (now - self._since) * self._limits.bytes_per_s
        # a second's worth can be saved up, so that a quiet time is not followed by a flood
        self._allowance = min(self._allowance + earned, self._limits.bytes_per_s)
        self._since = now
        await self._settle()
        await self._save_due(now - self._limits.every_s, now - self._limits.recent_every_s)

    async def save_all(self) -> int:
        """Write everything that is not stored, within the time there is on stopping.

        Returns:
            Streams whose last changes are not stored.
        """
        try:
            async with asyncio.timeout(self._limits.stop_s):
                while self._unsaved() or self._gone:
                    await self._save_rest()
        except (StoreError, TimeoutError) as error:
            _log.warning("snapshots not saved", streams=self._unsaved(), detail=str(error))
        return self._unsaved()

    async def _save_rest(self) -> None:
        """Save everything as it stands now; a store that fails is tried again for a while."""
        self._allowance = NEVER
        now = self._clock.monotonic()
        try:
            await self._settle()
            await self._save_due(now, now)
        except StoreError:
            if self._store.failing_s >= GIVE_UP_S:
                raise
            await asyncio.sleep(TICK_S)

    def _unsaved(self) -> int:
        changed = (model.changes.n_changed() for model in self._models.values())
        return sum(changed) + len(self.leaving)

    async def _settle(self) -> None:
        """Delete what is gone and write what has left."""
        if self._gone:
            gone = list(self._gone)
            await self._store.delete(gone)
            self._gone.difference_update(gone)
        if self.leaving:
            left = dict(self.leaving)
            # the copy is all there is of such a stream: it must outlive whoever waits for it
            entries = [await asyncio.shield(copying) for copying in left.values()]
            await self._store.save(entries)
            self._spend(entries)
            for stream_id, copying in left.items():
                if self.leaving.get(stream_id) is copying:
                    del self.leaving[stream_id]
        if not self.leaving:
            self._leaving_since = NEVER

    async def _save_due(self, before: float, recent_before: float) -> None:
        """Write streams of all models whose changes are older, while there is an allowance."""
        # so that a model whose changes use the allowance up does not keep the others waiting
        for model in sorted(self._models.values(), key=lambda one: one.changes.oldest()):
            due = model.changes.due(before, recent_before, STREAMS_A_ROUND)
            for begin in range(0, len(due), STREAMS_AT_A_TIME):
                if self._allowance <= 0:
                    return
                while self._gone:  # one that came back must not be deleted after it was saved
                    await self._settle()
                await self._save(model, due[begin : begin + STREAMS_AT_A_TIME], recent_before)

    async def _save(self, model: Model, slots: Int, recent_before: float) -> None:
        streams = [stream for slot in slots if (stream := model.streams[slot]) is not None]
        if len(streams) < len(slots):  # changed when their streams had just gone: never to be saved
            for slot in slots[[model.streams[slot] is None for slot in slots]].tolist():
                model.changes.leave(slot)
        if not streams:
            return
        copying = self._copy(streams)
        taken = model.changes.take(slots_of(streams), recent_before)
        self._saving_since = float(taken.since.min())
        try:
            await self._write(model, await copying, taken)
        except BaseException:  # a cancelled saving too is one that did not happen
            model.changes.failed(taken)
            raise
        finally:
            self._saving_since = NEVER

    async def _write(self, model: Model, copied: Copied, taken: Taken) -> None:
        entries = await asyncio.to_thread(entries_of, copied, taken.scores, taken.with_recent)
        unknown = await self._store.save(entries)
        model.changes.saved(taken, copied.block.window["entered"])
        self._spend(entries)
        lost = [
            stream
            for stream in copied.streams
            if stream.stream_id in unknown and model.streams[stream.slot] is stream
        ]
        if lost:  # somebody emptied the store: all of these has to be written again
            model.changes.begin(slots_of(lost), self._clock.monotonic())

    def _spend(self, entries: list[Entry]) -> None:
        self._allowance -= sum(len(part) for entry in entries for part in entry.parts.values())

    def _copy(self, streams: list[Stream], *, leave: bool = False) -> Awaitable[Copied]:
        """Copy streams of one model as they stand after everything taken in so far."""
        model, slots = streams[0].model, slots_of(streams)
        watches: list[Watch | None] = []

        def copy_slots() -> tuple[StreamBank, SnapshotBlock]:
            bank = model.bank
            block = bank.snapshot(slots)
            if leave:
                bank.clear(slots)
            return bank, block

        def copy_watches() -> None:
            # they go on changing
            watches.extend(copy(self._alerts.watched(stream)) for stream in streams)
            for stream in streams if leave else ():
                self._alerts.leave(stream)
                model.give_back(stream.slot)

        job = self._batcher.run(copy_slots, then=copy_watches, is_long=len(streams) > 1)

        async def copied() -> Copied:
            bank, block = await job
            return Copied(bank, streams, block, watches)

        return copied()


async def _left(copying: Awaitable[Copied]) -> Entry:
    copied = await copying
    return entries_of(copied, np.array([WHOLE]), np.array([True]))[0]
