"""Restoring snapshots: at the start all that are stored, later those whose stream comes back."""

import asyncio
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

import numpy as np
import structlog

from models.base import State
from models.blocks import Int
from models.options import StreamOptions
from models.recent import RecentBlock
from models.snapshot import WHOLE, Parts, SnapshotError, SnapshotFormat
from models.snapshot_block import SnapshotBlock
from service.engine.alerts import Alerts
from service.engine.batcher import Batcher
from service.engine.clock import Clock
from service.engine.directory import Directory, id_error
from service.engine.errors import StoreError, UnknownModel
from service.engine.model import Model
from service.engine.snapshots import ForeignSnapshot, Head, opened, sum_of_metrics
from service.engine.watched_store import WatchedStore

_log = structlog.get_logger("stepwatch.restoring")

OUTCOMES: Final = (
    "restored",
    "washed-out",
    "damaged",
    "foreign",
    "no-model",
    "other-metrics",
    "lost",
)
"""What can become of a snapshot: a closed set, so that metrics can have it as a label."""
RETRY_S: Final = 0.5
STREAMS_AT_A_TIME: Final = 500
_TOLD: Final = 20
"""So many refusals of a kind are logged one by one."""


class _OtherMetrics(SnapshotError):  # noqa: N818 - never leaves this file
    """The model that is to serve the stream has other metrics than those it was sent."""


_OUTCOME_OF_ERROR: Final[dict[type[Exception], str]] = {
    ForeignSnapshot: "foreign",
    _OtherMetrics: "other-metrics",
    UnknownModel: "no-model",
    Exception: "damaged",
}
"""The first that fits counts."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A snapshot whose head could be read, and where its stream is to go on."""

    stream_id: str
    head: Head
    parts: Parts
    model: Model
    options: StreamOptions

    @property
    def is_same(self) -> bool:
        """Whether memory and window mean the same to the bank as when they were stored."""
        bank = self.model.bank
        is_same_checkpoint = self.head.checkpoint == bank.spec.content_hash
        return is_same_checkpoint and self.head.layout == SnapshotFormat.of(bank).layout


class Restorer:
    """Brings streams back from the store.

    Args:
        store: Where from.
        directory: Where the streams are entered.
        batcher: Runs what touches the slabs.
        alerts: Takes over what was remembered of alerts.
        clock: Monotonic time.
        wait_s: How long a store that can't be read is waited for.
    """

    def __init__(
        self,
        store: WatchedStore,
        directory: Directory,
        batcher: Batcher,
        alerts: Alerts,
        clock: Clock,
        wait_s: float,
    ) -> None:
        self._store = store
        self._directory = directory
        self._batcher = batcher
        self._alerts = alerts
        self._clock = clock
        self._wait_s = wait_s
        self._got_on_at = 0.0
        self._listed: dict[str, None] = {}
        self._is_listed = False

    async def restore_all(self) -> None:
        """Restore all that is stored, those saved last first; what there is no room for is away.

        A store that can't be read is tried again for `wait_s`; then the service starts without
        the rest, and says so.
        """
        begun = self._got_on_at = self._clock.monotonic()
        while True:
            try:
                await self._restore_listed()
                break
            except StoreError as error:
                if self._clock.monotonic() - self._got_on_at >= self._wait_s:
                    self._directory.away.update(self._listed)  # they come back when it works
                    _log.error(
                        "started without snapshots", known=len(self._listed), detail=str(error)
                    )
                    break
                await asyncio.sleep(RETRY_S)
            except Exception as error:  # better to serve without them than not at all
                self._directory.away.update(self._listed)
                _log.error("this is a bug: not all is restored", exc_info=error)
                break
        seconds = round(self._clock.monotonic() - begun, 3)
        _log.info("restored", streams=len(self._directory), seconds=seconds)

    async def _restore_listed(self) -> None:
        if not self._is_listed:
            async for stream_ids in self._store.list():
                self._listed.update(dict.fromkeys(stream_ids))
            self._is_listed = True
        while self._listed:
            room = self._directory.max_streams - len(self._directory)
            if room <= 0:
                self._directory.away.update(self._listed)
                return
            await self._restore_page(list(islice(self._listed, min(room, STREAMS_AT_A_TIME))))

    async def _restore_page(self, stream_ids: list[str]) -> None:
        stored = await self._store.load(stream_ids)
        self._got_on_at = self._clock.monotonic()
        for stream_id in stream_ids:
            del self._listed[stream_id]
        if lost := len(stream_ids) - len(stored):
            self._store.restored["lost"] += lost
            _log.warning("snapshots are listed and not there", streams=lost)
        await self.restore(stored)

    async def restore(self, stored: dict[str, Parts]) -> None:
        """Bring these streams back; each that can't be is counted, and starts as new later."""
        groups: dict[tuple[Model, StreamOptions, bool], list[_Found]] = {}
        for stream_id, found in await asyncio.to_thread(self._read_all, stored):
            if isinstance(found, _Found):
                groups.setdefault((found.model, found.options, found.is_same), []).append(found)
            else:
                self._refuse(stream_id, found)
        for members in groups.values():
            await self._bring(members)

    def _read_all(self, stored: dict[str, Parts]) -> list[tuple[str, _Found | Exception]]:
        found: list[tuple[str, _Found | Exception]] = []
        for stream_id, parts in stored.items():
            try:
                found.append((stream_id, self._read(stream_id, parts)))
            except Exception as error:  # whatever is in one, the others come back
                found.append((stream_id, error))
        return found

    def _read(self, stream_id: str, parts: Parts) -> _Found:
        """Read a head and find where its stream is to go on: as settings and PUT say now."""
        head, rest = opened(stream_id, parts)
        if error := id_error(stream_id):
            raise SnapshotError(error)
        model, options = self._directory.resolved(stream_id, head.own)
        hash(options)  # streams are grouped by them: one of an odd type must fail here
        model = model or self._directory.model(head.model)
        if head.metrics != sum_of_metrics(model.bank.spec):
            raise _OtherMetrics(f"the metrics of model '{model.name}' are not those it was sent")
        return _Found(stream_id, head, rest, model, options)

    async def _bring(self, members: list[_Found]) -> None:
        """Let streams of one model with the same options go on."""
        first = members[0]
        form = SnapshotFormat.of(first.model.bank)
        parts = [member.parts for member in members]
        try:
            if first.is_same:
                await self._go_on(members, await asyncio.to_thread(form.decode, parts))
            else:
                read = partial(_record_and_recent, form, parts)
                await self._wash_out(members, *await asyncio.to_thread(read))
        except SnapshotError as error:
            if len(members) == 1:
                self._refuse(first.stream_id, error)
                return
            for member in members:
                await self._bring([member])

    async def _go_on(self, members: list[_Found], block: SnapshotBlock) -> None:
        model, options = members[0].model, members[0].options
        slots = self._enter(members)
        scores, now = block.window["entered"], self._clock.monotonic()
        model.changes.stored(slots, scores, now)
        await self._batcher.run(lambda: model.bank.restore(slots, block, options), is_long=True)
        self._store.restored["restored"] += len(members)

    async def _wash_out(self, members: list[_Found], record: State, recent: RecentBlock) -> None:
        model, options = members[0].model, members[0].options
        slots = self._enter(members)
        model.changes.stored(slots, np.full(len(slots), WHOLE), self._clock.monotonic())
        model.changes.begin(slots, self._clock.monotonic())
        await self._batcher.run(
            lambda: model.bank.take_over(slots, record, recent, options), is_long=True
        )
        self._store.restored["washed-out"] += len(members)

    def _enter(self, members: list[_Found]) -> Int:
        """Enter streams into the directory, with what was remembered of their alerts."""
        slots = []
        for one in members:
            stream = self._directory.add(
                one.stream_id, one.model, one.options, one.head.created_at, one.head.own
            )
            self._directory.away.pop(one.stream_id, None)
            if one.head.watch is not None:
                self._alerts.watch(stream, one.head.watch)
            slots.append(stream.slot)
        return np.array(slots, np.int64)

    def _refuse(self, stream_id: str, error: Exception) -> None:
        """Count a snapshot that can't be used; it stays stored until its stream is saved again."""
        outcome = next(name for kind, name in _OUTCOME_OF_ERROR.items() if isinstance(error, kind))
        self._directory.away.pop(stream_id, None)
        self._store.restored[outcome] += 1
        if self._store.restored[outcome] <= _TOLD:
            _log.warning("snapshot refused", stream=stream_id, reason=outcome, detail=str(error))


def _record_and_recent(form: SnapshotFormat, parts: list[Parts]) -> tuple[State, RecentBlock]:
    return form.decode_record(parts), form.decode_recent(parts)
