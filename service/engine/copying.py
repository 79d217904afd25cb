"""Copies of streams as they stand at one moment: state from the slabs, and what is remembered."""

from collections.abc import Awaitable
from copy import copy
from typing import Final

from models.bank import StreamBank
from models.snapshot_block import SnapshotBlock
from service.engine.alerts import Alerts
from service.engine.batcher import Batcher
from service.engine.model import Stream, slots_of
from service.engine.snapshots import Copied
from service.engine.watch import Watch


class Copier:
    """Copies streams between two batches.

    Args:
        batcher: Runs what touches the slabs.
        alerts: What is remembered of alerts goes along.
    """

    def __init__(self, batcher: Batcher, alerts: Alerts) -> None:
        self._batcher: Final = batcher
        self._alerts: Final = alerts

    def copied(self, streams: list[Stream], *, leave: bool = False) -> Awaitable[Copied]:
        """Copy streams of one model as they stand after everything taken in before this call.

        The job is asked for here and not when the result is awaited: whoever notes changes of
        these streams as new does so right after the call.

        Args:
            streams: At least one.
            leave: Whether they leave: their slots are zeroed and given back.
        """
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

        async def result() -> Copied:
            bank, block = await job
            return Copied(bank, streams, block, watches)

        return result()
