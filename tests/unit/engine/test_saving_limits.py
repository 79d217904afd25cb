import asyncio
import threading
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from service.engine.errors import StoreError
from tests.engines import until
from tests.fakes import FakeClock
from tests.kept import (
    keeping,
    kept,
    let_idlest_go,
    persistence,
    save,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def n_bytes(store: MemoryStore) -> int:
    """Count what was written so far."""
    return sum(
        len(part) for entries in store.saves for entry in entries for part in entry.parts.values()
    )


async def test_the_budget_of_bytes_is_kept_over_many_rounds(
    store: MemoryStore, clock: FakeClock
) -> None:
    """However much changes: on average no more than allowed, a second's worth and a write over."""
    engine = keeping(store, clock, bytes_per_s=20_000.0)
    async with kept(engine):
        for second in range(1, 30):
            ids = [f"s{at}" for at in range(20)]
            await taken(engine, ids, some(20, second))
            await save(engine, clock)
            largest = max((sum(map(len, one.parts.values())) for one in store.saves[-1]), default=0)
            assert n_bytes(store) <= 20_000 * (second + 1) + 20 * largest
        assert n_bytes(store) > 20_000 * 10


async def test_a_quiet_time_is_not_followed_by_a_flood(
    store: MemoryStore, clock: FakeClock
) -> None:
    """No more than a second's worth is saved up."""
    engine = keeping(store, clock, bytes_per_s=10.0)
    async with kept(engine):
        clock.advance(1e6)
        await taken(engine, "a", some(1))
        await save(engine, clock)
        await taken(engine, "b", some(1))
        await save(engine, clock)
        assert set(store.held) == {"a"}


async def test_everything_is_saved_on_stopping(store: MemoryStore, clock: FakeClock) -> None:
    """Whatever the budget and the times, in as many writes as it takes."""
    engine = keeping(store, clock, bytes_per_s=1.0, every_s=1e6, recent_every_s=1e6)
    async with kept(engine):
        for first in range(0, 600, 100):
            ids = [f"s{at}" for at in range(first, first + 50)]
            await taken(engine, ids, some(50))
        found = await state(engine, "s7")
    assert len(store.held) == 100
    assert store.is_closed
    async with kept(keeping(store, clock)) as again:
        assert await state(again, "s7") == found


async def test_a_store_that_hangs_does_not_hold_the_stop_up(
    store: MemoryStore, clock: FakeClock
) -> None:
    """The time for it is bounded, and what is left is counted."""
    engine = keeping(store, clock, stop_s=0.01)
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        store.wait("save")
        assert await persistence(engine).saver.save_all() == 2
    assert store.held == {}


async def test_a_store_that_fails_is_not_tried_forever(
    store: MemoryStore, clock: FakeClock
) -> None:
    """On stopping it is tried again, but only within the time there is."""
    engine = keeping(store, clock, stop_s=0.2)
    async with kept(engine):
        await taken(engine, "a", some(1))
        store.failing = {"save"}
    assert store.held == {}


async def test_stopping_in_the_middle_of_a_save_loses_nothing(
    store: MemoryStore, clock: FakeClock
) -> None:
    """What was under way is written again."""
    engine = keeping(store, clock)
    await engine.start()
    await taken(engine, "a", some(5))
    found = await state(engine, "a")
    saving = asyncio.create_task(save(engine, clock))
    gate = store.wait("save")
    await until(lambda: store.times("save"))
    saving.cancel()
    with suppress(asyncio.CancelledError):
        await saving
    gate.set()
    await engine.stop()
    async with kept(keeping(store, clock)) as again:
        assert await state(again, "a") == found


async def test_giving_up_a_round_keeps_those_that_leave(
    store: MemoryStore, clock: FakeClock
) -> None:
    """A saver cancelled while it waits for the copy of a stream does not take the copy along."""
    engine = keeping(store, clock, max_streams=1, evict_after_s=10.0)
    async with kept(engine):
        await taken(engine, "a", some(5))
        found = await state(engine, "a")
        clock.advance(20)
        gate = threading.Event()
        busy = engine._batcher.run(partial(gate.wait, 10), is_long=True)
        let_idlest_go(engine)
        saving = asyncio.create_task(persistence(engine).saver.round())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        saving.cancel()
        with suppress(asyncio.CancelledError):
            await saving
        gate.set()
        await busy
    async with kept(keeping(store, clock)) as again:
        assert await state(again, "a") == found


async def test_a_slot_without_a_stream_does_not_keep_the_stop_waiting(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Whoever notes a change of a stream that has just gone: there is nothing to save."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, "a", some(1))
        stream = stream_of(engine, "a")
        await engine.streams.delete(stream)
        stream.model.changes.touch(np.array([stream.slot]), clock.monotonic())
        async with asyncio.timeout(5):
            assert await persistence(engine).saver.save_all() == 0


async def test_a_failure_to_delete_is_made_up_for(store: MemoryStore, clock: FakeClock) -> None:
    """A deleted stream goes when the store works again, before anything is written."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        await save(engine, clock)
        await engine.streams.delete(stream_of(engine, "a"))
        await taken(engine, "b", some(1))
        store.failing = {"delete"}
        written = len(store.saves)
        with pytest.raises(StoreError):
            await save(engine, clock)
        assert len(store.saves) == written
        store.failing = set()
        await save(engine, clock)
        assert set(store.held) == {"b"}
