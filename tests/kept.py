"""Engines whose streams are kept in a store, and what they hold."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from models.bank import StreamBank
from models.blocks import Float64
from models.checkpoint import Checkpoint
from models.numbers import RULES
from models.options import StreamOptions
from models.spec import REFERENCE_STEPS, ThresholdSpec
from service.engine.alerts import AlertPolicy
from service.engine.directory import Directory
from service.engine.engine import Engine, Limits
from service.engine.model import Model, Stream
from service.engine.persistence import Keep, Persistence
from service.engine.ports import SnapshotStore
from service.engine.saving import SaveLimits
from tests.engines import columns, outcomes, request
from tests.fakes import FakeClock, ListSink, make_checkpoint, normal_values

LIVE = StreamOptions(start="reference")
SPIKE = [50.0, -50.0, 50.0]
STOP_S = 5.0


@lru_cache
def saved_checkpoint(
    seed: int = 0, *, n_features: int = 3, window: int = 250, washout: int = 60
) -> Checkpoint:
    """Make a checkpoint that has a content hash, as those on disk have."""
    checkpoint = make_checkpoint(
        n_features,
        seed=seed,
        threshold=ThresholdSpec(window=window, false_alarms_per_day=None),
        washout=washout,
        validation_steps=120,
    )
    with TemporaryDirectory() as place:
        return checkpoint.save(Path(place) / "saved")


def let_idlest_go(engine: Engine) -> None:
    """Let the stream go that is idle longest."""
    kept_here = persistence(engine)
    idle = kept_here.idle()
    assert idle is not None
    kept_here.let_go(idle)


def keeping(
    store: SnapshotStore,
    clock: FakeClock,
    *,
    seeds: dict[str, int] | None = None,
    options: StreamOptions = LIVE,
    max_streams: int = 100,
    **kept: Any,
) -> Engine:
    """Make an engine that keeps its streams in a store; a round writes all that changed.

    Args:
        store: Where.
        clock: Stands still until it is turned.
        seeds: Of the checkpoint of each model; the first is the default.
        options: What streams get nobody said anything about.
        max_streams: Streams of all models together.
        kept: Fields of `Keep` and `SaveLimits` that are not as usual here.
    """
    models = seeds or {"pumps": 0}
    directory = Directory(
        {name: Model(name, StreamBank(saved_checkpoint(seed))) for name, seed in models.items()},
        default_model=next(iter(models)),
        options=options,
        max_streams=max_streams,
    )
    around = {name: kept.pop(name) for name in ("wait_s", "evict_after_s") if name in kept}
    save = SaveLimits(**{"every_s": 0.0, "recent_every_s": 0.0, "stop_s": STOP_S} | kept)
    return Engine(
        directory,
        policy=AlertPolicy(open_after=2, resolve_after=3, cooldown=4),
        sinks=[ListSink()],
        clock=clock,
        limits=Limits(flush_s=0.01),
        keep=Keep(store=store, save=save, **around),
    )


@asynccontextmanager
async def kept(engine: Engine) -> AsyncIterator[Engine]:
    """Run an engine; nothing is saved but by `save` and on stopping."""
    await engine.start()
    saving = persistence(engine)._saving
    assert saving is not None
    saving.cancel()
    try:
        yield engine
    finally:
        await engine.stop()


@asynccontextmanager
async def crashing(engine: Engine) -> AsyncIterator[Engine]:
    """Run an engine that ends without saving anything but what `save` did."""
    async with kept(engine):
        yield engine
        persistence(engine)._saving = None


def spoil(stream: Stream) -> None:
    """Let a stream hold what no snapshot can."""
    stream.own = {"z": object()}


def persistence(engine: Engine) -> Persistence:
    """Give an engine's persistence."""
    assert engine.persistence is not None
    return engine.persistence


async def save(engine: Engine, clock: FakeClock, seconds: float = 1.0) -> None:
    """Let some time go by and the saver do one round."""
    clock.advance(seconds)
    await persistence(engine).saver.round()


async def crash(engine: Engine) -> None:
    """End without saving anything."""
    persistence(engine)._saving = None
    await engine.stop()


async def taken(engine: Engine, ids: str | Sequence[str], values: Any) -> list[str | float]:
    """Send rows and give each one's score or error."""
    pending = await engine.take(request(columns(ids, values)))
    return outcomes(await pending.answer())


async def state(engine: Engine, stream_id: str) -> dict[str, bytes]:
    """Copy all that a bank keeps of one stream, bit for bit; rings as they would be written."""
    stream = await engine.streams.find(stream_id)
    await engine._batcher.drain()
    return bits(stream.model.bank, stream.slot)


def bits(bank: StreamBank, slot: int) -> dict[str, bytes]:
    """Copy all that a bank keeps in one slot, bit for bit."""
    slots = np.array([slot])
    block = bank.snapshot(slots)
    parts = {"record": block.record, "memory": block.memory, "window": block.window}
    parts["rules"] = {name: bank.slabs["record"][name][slots] for name in RULES}
    found = {
        f"{part} {name}": rows[0].tobytes()
        for part, columns in parts.items()
        for name, rows in columns.items()
    }
    held = int(block.recent.held[0])
    return found | {"recent": block.recent.shares[0, REFERENCE_STEPS - held :].tobytes()}


def stream_of(engine: Engine, stream_id: str) -> Stream:
    """Give a stream that is here."""
    return engine.directory.find(stream_id)


def some(steps: int, seed: int = 0) -> Float64:
    """Draw rows a stream finds normal."""
    return normal_values(steps, seed=seed)
