import asyncio

import pytest

from service.engine.engine import Engine
from service.engine.errors import NotAdmitted, UnknownStream
from tests.engines import make_engine, running, until
from tests.fakes import FakeClock
from tests.kept import keeping, kept, let_idlest_go, persistence, save, some, stream_of, taken
from tests.memory_store import MemoryStore

IDLE_S = 100.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def small(store: MemoryStore, clock: FakeClock) -> Engine:
    """Make an engine with room for two streams."""
    return keeping(store, clock, max_streams=2, evict_after_s=IDLE_S)


async def left(engine: Engine, store: MemoryStore, clock: FakeClock, *, is_stored: bool) -> None:
    """Let `a` go; then the service is full and nobody is idle."""
    await taken(engine, "a", some(5))
    if is_stored:
        await save(engine, clock)
    clock.advance(IDLE_S)
    await taken(engine, "b", some(1))
    let_idlest_go(engine)
    await taken(engine, "c", some(1))
    if is_stored:
        await save(engine, clock)
        assert "a" in store.held
    assert list(engine.directory.away) == ["a"]
    assert (len(engine.directory), persistence(engine).idle()) == (2, None)


async def gone(engine: Engine, stream_id: str) -> bool:
    """Tell whether a stream is nowhere to be found."""
    try:
        await engine.streams.find(stream_id)
    except UnknownStream:
        return True
    return False


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_is_away_is_forgotten_though_there_is_no_room(
    store: MemoryStore, clock: FakeClock, is_stored: bool
) -> None:
    """Gone here at once, in the store after a round, and still after a restart."""
    async with kept(small(store, clock)) as engine:
        await left(engine, store, clock, is_stored=is_stored)
        with pytest.raises(NotAdmitted) as refused:
            await engine.streams.find("a")
        assert refused.value.slug == "too-many-streams"
        await engine.streams.forget("a")
        assert await gone(engine, "a")
        with pytest.raises(UnknownStream):
            await engine.streams.forget("a")
        await save(engine, clock)
        assert set(store.held) == {"b", "c"}
        assert store.times("load") == 0
        assert persistence(engine).saver.age_s == 0.0
    async with kept(small(store, clock)) as again:
        assert {stream.stream_id for stream in again.directory} == {"b", "c"}
        assert await gone(again, "a")


async def test_one_forgotten_while_it_is_written_is_deleted(
    store: MemoryStore, clock: FakeClock
) -> None:
    """What the save that is under way still writes is taken out again."""
    async with kept(small(store, clock)) as engine:
        await left(engine, store, clock, is_stored=False)
        gate = store.wait("save")
        saving = asyncio.create_task(save(engine, clock))
        await until(lambda: store.times("save"))
        await engine.streams.forget("a")
        gate.set()
        await saving
        await save(engine, clock)
        assert set(store.held) == {"b", "c"}


async def test_one_forgotten_on_its_way_back_is_forgotten(
    store: MemoryStore, clock: FakeClock
) -> None:
    """It is waited for, and then it is here to be deleted."""
    async with kept(small(store, clock)) as engine:
        await left(engine, store, clock, is_stored=True)
        clock.advance(IDLE_S)
        gate = store.wait("load")
        recalling = asyncio.create_task(persistence(engine).recall(["a"]))
        await until(lambda: store.times("load"))
        forgetting = asyncio.create_task(engine.streams.forget("a"))
        await asyncio.sleep(0)
        gate.set()
        await recalling
        await forgetting
        assert await gone(engine, "a")
        await save(engine, clock)
        assert "a" not in store.held


async def test_one_that_is_here_is_forgotten(clock: FakeClock) -> None:
    """With a store or without."""
    async with running(make_engine(clock=clock)) as engine:
        await taken(engine, "a", some(1))
        await engine.streams.forget("a")
        assert await gone(engine, "a")
        with pytest.raises(UnknownStream):
            await engine.streams.forget("a")


@pytest.mark.parametrize("is_reused", [True, False])
async def test_what_was_deleted_is_neither_looked_at_nor_reset(
    store: MemoryStore, clock: FakeClock, is_reused: bool
) -> None:
    """Whoever still holds it is told, although its slot may serve another stream by now."""
    async with kept(small(store, clock)) as engine:
        await taken(engine, "a", some(5))
        stream = stream_of(engine, "a")
        await engine.streams.delete(stream)
        if is_reused:
            await taken(engine, "b", some(7))
            assert stream_of(engine, "b").slot == stream.slot
        with pytest.raises(UnknownStream):
            await engine.streams.inspect(stream)
        with pytest.raises(UnknownStream):
            await engine.streams.reset(stream)
        if is_reused:
            assert (await engine.streams.inspect(stream_of(engine, "b")))["seen"] == 7
