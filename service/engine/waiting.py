"""What waits to be scored: the rows of requests, and rows by themselves that become columns."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from models.blocks import ObservationBlock, VerdictBlock
from service.engine.columns import Judged, Single
from service.engine.model import Model, Stream
from service.engine.routing import Batch, Routed

Tell = Callable[[Judged | Exception], None]
"""Is told what became of a row."""


class Rows(NamedTuple):
    """Rows of one request that wait to be scored."""

    routed: Routed
    received_at: float
    future: asyncio.Future[Judged]

    @property
    def model(self) -> Model:
        """Whose bank scores them."""
        return self.routed.model

    @property
    def streams(self) -> Sequence[Stream]:
        """One a row."""
        return self.routed.streams

    @property
    def stream_ids(self) -> tuple[str, ...]:
        """Theirs."""
        return self.routed.stream_ids

    @property
    def is_spread(self) -> bool:
        """Whether each row is surely of another stream."""
        return self.routed.is_spread


class One(NamedTuple):
    """A row by itself that waits to be scored; it becomes columns together with others."""

    model: Model
    streams: tuple[Stream]
    single: Single
    tell: Tell
    arrival: int
    received_at: float

    @property
    def stream_ids(self) -> tuple[str, ...]:
        """The one id."""
        return (self.single.stream_id,)

    @property
    def is_spread(self) -> bool:
        """There is but one row."""
        return True


Waiting = Rows | One


def joined(items: Sequence[Waiting]) -> ObservationBlock:
    """Make one block of rows for the same bank, in the order given."""
    blocks: list[ObservationBlock] = []
    for is_one, run in groupby(items, lambda item: isinstance(item, One)):
        if is_one:
            blocks.append(_block_of([item for item in run if isinstance(item, One)]))
        else:
            blocks += [item.routed.block for item in run if isinstance(item, Rows)]
    return ObservationBlock.joined(blocks)


def batch_of(items: Sequence[Waiting], verdicts: VerdictBlock) -> Batch:
    """Say what rows were scored together."""
    streams: Sequence[Stream]
    if len(items) == 1:
        streams, ids = items[0].streams, items[0].stream_ids
    else:
        streams = [stream for item in items for stream in item.streams]
        ids = tuple([stream_id for item in items for stream_id in item.stream_ids])
    return Batch(
        model=items[0].model,
        streams=streams,
        stream_ids=ids,
        verdicts=verdicts,
        received_at=[(item.received_at, len(item.streams)) for item in items],
    )


def _block_of(ones: list[One]) -> ObservationBlock:
    """Make columns of rows that came one by one."""
    singles = [one.single for one in ones]
    return ObservationBlock(
        slots=np.array([one.streams[0].slot for one in ones], np.int64),
        times=np.array([single.time for single in singles], np.int64),
        seqs=np.array([single.seq for single in singles], np.int64),
        values=np.array([single.values for single in singles], np.float64),  # None becomes NaN
        explain=np.array([single.explain for single in singles], np.bool_),
        arrival=max(one.arrival for one in ones),
    )
