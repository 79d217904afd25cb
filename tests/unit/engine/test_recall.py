import asyncio

import pytest

from service.engine import persistence as persistence_module
from service.engine.engine import Engine
from service.engine.errors import NotReady
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

IDLE_S = 100.0
WAIT_S = 30.0
GONE = "snapshot-unavailable"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def engine(store: MemoryStore, clock: FakeClock) -> Engine:
    return keeping(store, clock, evict_after_s=IDLE_S, wait_s=WAIT_S)


async def left(engine: Engine, clock: FakeClock, *ids: str) -> dict[str, dict[str, bytes]]:
    """Let these go to the store while `here` stays, and give what was known of them."""
    known = {}
    for stream_id in ids:
        await taken(engine, stream_id, some(70))
        known[stream_id] = await state(engine, stream_id)
    clock.advance(IDLE_S)
    await taken(engine, "here", some(5))
    for _ in ids:
        let_idlest_go(engine)
    await save(engine, clock)
    assert set(engine.directory.away) == {*ids}
    return known


async def refused(engine: Engine, store: MemoryStore, *ids: str) -> None:
    """Make sure that these are refused, for one load that fails."""
    store.failing, loads = {"load"}, store.times("load")
    assert await taken(engine, [*ids], some(len(ids))) == [GONE] * len(ids)
    assert store.times("load") == loads + 1
    store.failing = set()


async def test_loads_that_fail_far_apart_are_not_added_up(
    engine: Engine, store: MemoryStore, clock: FakeClock
) -> None:
    """A store that works in between is waited for anew: the stream is not lost."""
    async with kept(engine):
        before = (await left(engine, clock, "a"))["a"]
        await refused(engine, store, "a")
        for minute in range(50):
            await taken(engine, "here", some(1, minute))
            await save(engine, clock, 60.0)
        await refused(engine, store, "a")
        assert (list(engine.directory.away), engine.directory.get("a")) == (["a"], None)
        clock.advance(2)
        await engine.streams.find("a")
        assert await state(engine, "a") == before
        assert persistence(engine).store.restored == {"restored": 1, "lost": 0}


async def test_a_store_that_fails_without_a_break_is_given_up(
    engine: Engine, store: MemoryStore, clock: FakeClock
) -> None:
    """After the time for it: those asked for start as new and are counted, others stay away."""
    async with kept(engine):
        await left(engine, clock, "a", "b", "c")
        for _ in range(10):
            await refused(engine, store, "a", "b")
            clock.advance(WAIT_S / 10)
        store.failing = {"load"}
        assert all(isinstance(one, float) for one in await taken(engine, ["a", "b"], some(2)))
        assert persistence(engine).store.restored["lost"] == 2
        assert (await engine.streams.inspect(stream_of(engine, "a")))["seen"] == 1
        assert list(engine.directory.away) == ["c"]


async def test_live_streams_do_not_wait_for_those_that_are_away(
    engine: Engine, store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store hangs their rows get verdicts; the others come back when it answers."""
    monkeypatch.setattr(persistence_module, "RECALL_S", 0.01)
    async with kept(engine), asyncio.timeout(10):
        before = (await left(engine, clock, "a"))["a"]
        gate = store.wait("load")
        for at in range(3):
            found = await taken(engine, ["here", "a", "here"], some(3, at))
            assert found[1] == GONE
            assert all(isinstance(found[row], float) for row in (0, 2))
        with pytest.raises(NotReady):
            await engine.streams.find("a")
        assert (await engine.streams.inspect(stream_of(engine, "here")))["seen"] == 11
        gate.set()
        await until(lambda: "a" not in engine.directory.away)
        assert await state(engine, "a") == before
        assert store.times("load") == 1
        assert isinstance((await taken(engine, "a", some(1)))[0], float)


async def test_a_copy_that_waits_to_be_written_does_not_wait_for_others(
    engine: Engine, store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is back although the store, asked for another one, says nothing."""
    monkeypatch.setattr(persistence_module, "RECALL_S", 0.01)
    async with kept(engine), asyncio.timeout(10):
        await left(engine, clock, "a")
        await taken(engine, "b", some(70))
        before = await state(engine, "b")
        clock.advance(IDLE_S)
        await taken(engine, "here", some(1))
        let_idlest_go(engine)
        assert persistence(engine).departures.since == clock.monotonic() - IDLE_S
        gate = store.wait("load")
        recalling = asyncio.create_task(persistence(engine).recall(["a", "b"]))
        await until(lambda: store.times("load"))
        assert await state(engine, "b") == before
        assert list(engine.directory.away) == ["a"]
        gate.set()
        await recalling
        await until(lambda: not engine.directory.away)
