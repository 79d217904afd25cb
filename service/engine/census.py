"""A census: what the banks know of all streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np

from models.base import State
from models.blocks import Int
from service.engine.batcher import Batcher
from service.engine.directory import Directory
from service.engine.model import Model, Stream

_COLUMNS: Final = (
    "score", "threshold", "anomalies", "phase", "seen", "step_us", "pace_us", "last_arrival",
)  # fmt: skip
"""Of the record: what a census is asked for; the whole would take several times as long."""

_AT_A_TIME: Final = 8192
"""Streams that are read in a quarter of a millisecond."""


@dataclass(frozen=True, slots=True)
class Census:
    """Streams of one model and what the bank knows of each, `[B]` a column.

    Attributes:
        model: Whose streams they are.
        held: The streams by slot when the census began; None where a slot was free.
        slots: The slots of those that are still there, ascending, `[B]`.
        record: Columns of the record.
    """

    model: Model
    held: Sequence[Stream | None]
    slots: Int
    record: State

    @property
    def streams(self) -> list[Stream]:
        """The streams, in the order of the columns."""
        found = (self.held[slot] for slot in self.slots.tolist())
        return [stream for stream in found if stream is not None]


class _Held:
    """The streams of a model by slot, copied."""

    def __init__(self, streams: list[Stream | None]) -> None:
        self.streams: Final = streams

    @cached_property
    def slots(self) -> Int:
        """The slots that are not free, ascending."""
        if all(self.streams):  # a stream is true; ten times faster than comparing each with None
            return np.arange(len(self.streams))
        is_there = np.fromiter(map(bool, self.streams), np.bool_, len(self.streams))
        return np.flatnonzero(is_there)


_held: WeakKeyDictionary[Directory, dict[Model, _Held]] = WeakKeyDictionary()
"""What was copied last. Kept by directory, for a stream knows its model, which would never go."""


async def take_census(directory: Directory, batcher: Batcher) -> list[Census]:
    """Read what the banks know of all streams, some at a time: observations go in between."""
    # copied here, because the loop changes it
    before = _held.get(directory, {})
    held = {model: _copy(model, before.get(model)) for model in directory.models.values()}
    _held[directory] = held
    return [await _read(model, one, batcher) for model, one in held.items()]


def _copy(model: Model, before: _Held | None) -> _Held:
    """Copy the streams of a model, unless they are those that were copied last.

    To copy them all touches each of them, out of all caches; to compare them does not.
    """
    if before is not None and before.streams == model.streams:
        return before
    return _Held(model.streams.copy())


async def _read(model: Model, held: _Held, batcher: Batcher) -> Census:
    """Read the streams of a model that have a slot."""
    size = len(held.streams)
    record = await batcher.run(partial(_room, model, size))
    for first in range(0, size, _AT_A_TIME):
        part = slice(first, min(first + _AT_A_TIME, size))
        await batcher.run(partial(_fill, model, record, part))
    # the slot of one that went meanwhile may be another's
    slots = np.setdiff1d(held.slots, gone) if (gone := _gone(model, held)) else held.slots
    if len(slots) < size:
        record = {name: column[slots] for name, column in record.items()}
    return Census(model, held.streams, slots, record)


def _gone(model: Model, held: _Held) -> list[int]:
    """Find the slots whose stream is no longer there."""
    then, size = held.streams, len(held.streams)
    now = model.streams if len(model.streams) == size else model.streams[:size]
    if now == then:
        return []
    return [
        slot
        for first in range(0, size, _AT_A_TIME)
        if now[first : first + _AT_A_TIME] != then[first : first + _AT_A_TIME]
        for slot in range(first, min(first + _AT_A_TIME, size))
        if now[slot] is not then[slot]
    ]


def _room(model: Model, size: int) -> State:
    record = model.bank.slabs["record"]
    return {name: np.empty(size, record[name].dtype) for name in _COLUMNS}


def _fill(model: Model, copied: State, part: slice) -> None:
    """Copy some rows: the columns of each lie side by side in memory."""
    record = model.bank.slabs["record"]
    for name, column in copied.items():
        column[part] = record[name][part]
