"""Saving snapshots: what changed goes to the store in rounds, bounded in bytes per second."""

import asyncio
from dataclasses import dataclass
from typing import Final

import numpy as np
import structlog

from models.blocks import Int
from service.engine.changes import NEVER, Taken
from service.engine.clock import Clock
from service.engine.copying import Copier
from service.engine.departures import ODD_KINDS, Departures
from service.engine.errors import StoreError
from service.engine.model import Model, slots_of
from service.engine.snapshots import Copied, entries_of
from service.engine.watched_store import WatchedStore

_log = structlog.get_logger("stepwatch.saving")

STREAMS_AT_A_TIME: Final = 250
STREAMS_A_ROUND: Final = 25_000
TICK_S: Final = 0.5
MOST_IN_VAIN: Final = 3
"""After so many rounds that stored nothing the rest is what the store does not take."""
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
        copier: Copies what is to be saved.
        departures: Streams that are no longer here.
        models: By name.
        clock: Monotonic time.
        limits: How often and how much.
    """

    def __init__(
        self,
        store: WatchedStore,
        copier: Copier,
        departures: Departures,
        models: dict[str, Model],
        clock: Clock,
        limits: SaveLimits,
    ) -> None:
        self._store = store
        self._copier = copier
        self._departures = departures
        self._models = models
        self._clock = clock
        self._limits = limits
        self._allowance = 0.0
        self._since = clock.monotonic()
        self._saving_since = NEVER

    @property
    def age_s(self) -> float:
        """Age of the oldest change that is not stored, in seconds; 0 if all is."""
        since = min(self._oldest(), self._saving_since, self._departures.since)
        return 0.0 if since == NEVER else self._clock.monotonic() - since

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
        await self._departures.delete()
        # whoever waits longest, so that nobody starves
        is_first = self._departures.since <= self._oldest()
        if is_first:
            await self._write_departures()
        await self._save_due(now - self._limits.every_s, now - self._limits.recent_every_s)
        if not is_first:
            await self._write_departures()

    async def save_all(self) -> int:
        """Write everything that is not stored, within the time there is on stopping.

        Returns:
            Streams whose last changes are not stored.
        """
        in_vain = 0
        try:
            async with asyncio.timeout(self._limits.stop_s):
                while (left := self._unsaved()) or self._departures.n_gone:
                    is_working = await self._save_rest()
                    in_vain = in_vain + 1 if is_working and self._unsaved() == left else 0
                    # once may mean that the store has forgotten them and wants them whole
                    if in_vain == MOST_IN_VAIN:
                        break
        except (StoreError, TimeoutError) as error:
            _log.warning("snapshots not saved", streams=self._unsaved(), detail=str(error))
        return self._unsaved()

    async def _save_rest(self) -> bool:
        """Save everything as it stands now; whether the store worked. If not, wait for a moment."""
        self._allowance = NEVER
        now = self._clock.monotonic()
        try:
            await self._departures.delete()
            await self._write_departures()
            await self._save_due(now, now)
        except StoreError:
            if self._store.failing_s >= GIVE_UP_S:
                raise
            await asyncio.sleep(TICK_S)
            return False
        return True

    async def _write_departures(self) -> None:
        self._allowance -= await self._departures.write(self._allowance)

    def _oldest(self) -> float:
        return min((model.changes.oldest() for model in self._models.values()), default=NEVER)

    def _unsaved(self) -> int:
        changed = (model.changes.n_changed() for model in self._models.values())
        return sum(changed) + len(self._departures)

    async def _save_due(self, before: float, recent_before: float) -> None:
        """Write streams of all models whose changes are older, while there is an allowance."""
        # so that a model whose changes use the allowance up does not keep the others waiting
        for model in sorted(self._models.values(), key=lambda one: one.changes.oldest()):
            due = model.changes.due(before, recent_before, STREAMS_A_ROUND)
            for begin in range(0, len(due), STREAMS_AT_A_TIME):
                if self._allowance <= 0:
                    return
                # one that came back must not be deleted after it was saved
                await self._departures.delete()
                await self._save(model, due[begin : begin + STREAMS_AT_A_TIME], recent_before)

    async def _save(self, model: Model, slots: Int, recent_before: float) -> None:
        streams = [stream for slot in slots if (stream := model.streams[slot]) is not None]
        if len(streams) < len(slots):  # changed when their streams had just gone: never to be saved
            for slot in slots[[model.streams[slot] is None for slot in slots]].tolist():
                model.changes.leave(slot)
        if not streams:
            return
        copying = self._copier.copied(streams)
        taken = model.changes.take(slots_of(streams), recent_before)
        self._saving_since = float(taken.since.min())
        try:
            await self._write(model, await copying, taken)
        except Exception as error:
            model.changes.failed(taken)
            if isinstance(error, StoreError) and error.kind not in ODD_KINDS:
                raise
            await self._save_apart(model, taken.slots, recent_before, error)
        except BaseException:  # a cancelled saving is one that did not happen
            model.changes.failed(taken)
            raise
        finally:
            self._saving_since = NEVER

    async def _save_apart(
        self, model: Model, slots: Int, recent_before: float, error: Exception
    ) -> None:
        """Save streams in halves, so that one that can't be saved keeps no other from it."""
        if len(slots) == 1:
            stream = model.streams[slots[0]]
            name = stream.stream_id if stream else None
            _log.error("a stream can't be saved", stream=name, detail=str(error))
            return
        for half in np.array_split(slots, 2):
            await self._save(model, half, recent_before)

    async def _write(self, model: Model, copied: Copied, taken: Taken) -> None:
        entries = await asyncio.to_thread(entries_of, copied, taken.scores, taken.with_recent)
        unknown = await self._store.save(entries)
        model.changes.saved(taken, copied.block.window["entered"])
        self._allowance -= sum(entry.size for entry in entries)
        lost = [
            stream
            for stream in copied.streams
            if stream.stream_id in unknown and model.streams[stream.slot] is stream
        ]
        if lost:  # emptied, or written by another service: all of these has to be written again
            model.changes.begin(slots_of(lost), self._clock.monotonic())
