"""Replacing a model's bank by that of a retrained checkpoint, while its streams are served."""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final

import numpy as np

from models.bank import StreamBank
from models.blocks import Int
from models.options import StreamOptions
from models.recent import RecentBlock
from service.engine.batcher import Batcher
from service.engine.clock import Clock
from service.engine.errors import BadCheckpoint
from service.engine.model import Model, Stream, slots_of

STREAMS_AT_A_TIME: Final = 250
FEW: Final = 500
"""So many observations are fed in the swap itself, which holds scoring up."""
MAX_PASSES: Final = 20


class Succession:
    """Lets another bank follow the streams of a model until it knows them, then swaps it in.

    The old bank judges all the while. The new one washes out on what the streams sent last, then
    is fed what came meanwhile, less each time; the last few go in with the swap, between two
    batches. So there is a verdict for every observation. If they come faster
    than they can be fed, the swap takes what is left after some passes, and scoring waits for it.

    Args:
        model: Whose bank is replaced.
        bank: The successor; nobody else touches it.
        batcher: Runs what touches the bank that serves.
        clock: Monotonic time.

    Raises:
        BadCheckpoint: If the successor takes other metrics: its streams could not go on.
    """

    def __init__(self, model: Model, bank: StreamBank, batcher: Batcher, clock: Clock) -> None:
        if bank.spec.metrics != model.metrics:
            raise BadCheckpoint(
                f"model '{model.name}' serves other metrics than the checkpoint that lies there; "
                "restore the old one, or train under another name and PUT streams on it"
            )
        self._model = model
        self._bank = bank
        self._batcher = batcher
        self._clock = clock
        self._known: list[Stream | None] = []
        self._begun: Int = np.empty(0, np.int64)
        self._pushed: Int = np.empty(0, np.int64)

    async def run(self) -> None:
        """Follow and swap."""
        for _ in range(MAX_PASSES):
            if await self._pass() <= FEW:
                break
        streams = self._streams()
        slots = slots_of(streams)
        swapping = partial(self._swap, streams, slots)
        await self._batcher.run(swapping, then=self._note, is_long=True)

    async def _pass(self) -> int:
        """Feed what came since the last pass; gives how many observations."""
        fed, streams = 0, self._streams()
        for begin in range(0, len(streams), STREAMS_AT_A_TIME):
            part = streams[begin : begin + STREAMS_AT_A_TIME]
            slots = slots_of(part)
            copying = partial(self._model.bank.recent, slots)
            recent = await self._batcher.run(copying, is_long=True)
            self._make_room()
            fed += await asyncio.to_thread(self._feed, part, slots, recent)
        return fed

    def _feed(self, streams: list[Stream], slots: Int, recent: RecentBlock) -> int:
        """Feed what the successor does not know yet of these streams."""
        fresh = recent.fresh(self._begun[slots], self._pushed[slots])
        is_new = np.array([self._known[stream.slot] is not stream for stream in streams], bool)
        fresh[is_new] = recent.held[is_new]
        # a run that has begun but holds nothing yet has to be washed out as well
        is_other = is_new | (recent.begun != self._begun[slots])
        rows = np.flatnonzero(is_other | (fresh > 0))
        self._bank.follow(slots[rows], recent.taken(rows), fresh[rows])
        for options, members in _by_options(streams, np.flatnonzero(is_new)):
            self._bank.prime(slots[members], options)
        for stream in streams:
            self._known[stream.slot] = stream
        self._begun[slots], self._pushed[slots] = recent.begun, recent.pushed
        return int(fresh.sum())

    def _swap(self, streams: list[Stream], slots: Int) -> None:
        """Feed the last few, hand over order and counts, and let the successor serve."""
        old, new = self._model.bank, self._bank
        self._make_room()
        begun, pushed = old.runs(slots)
        is_known = np.array([self._known[stream.slot] is stream for stream in streams], bool)
        is_same = (begun == self._begun[slots]) & (pushed == self._pushed[slots])
        behind = np.flatnonzero(~(is_known & is_same))
        self._feed([streams[at] for at in behind], slots[behind], old.recent(slots[behind]))
        for options, members in _by_options(streams, np.arange(len(streams))):
            new.adopt(slots[members], old.record(slots[members]), options)
        new.clear(np.setdiff1d(np.arange(len(self._known)), slots))
        self._model.bank = new

    def _note(self) -> None:
        """Nothing that is stored fits the new bank."""
        slots = slots_of(self._streams())
        self._model.changes.begin(slots, self._clock.monotonic())

    def _streams(self) -> list[Stream]:
        return [stream for stream in self._model.streams if stream is not None]

    def _make_room(self) -> None:
        used = self._model.used
        self._bank.grow(used)
        more = used - len(self._known)
        self._known += [None] * more
        self._begun = np.append(self._begun, np.zeros(more, np.int64))
        self._pushed = np.append(self._pushed, np.zeros(more, np.int64))


def _by_options(streams: list[Stream], rows: Int) -> Iterator[tuple[StreamOptions, Int]]:
    """Group rows by the options of their streams."""
    groups: dict[StreamOptions, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(streams[row].options, []).append(row)
    for options, members in groups.items():
        yield options, np.array(members, np.int64)
