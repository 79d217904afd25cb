import asyncio
from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.errors import StoreError
from tests.engines import until
from tests.fakes import FakeClock
from tests.kept import (
    SPIKE,
    crash,
    keeping,
    kept,
    persistence,
    save,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

SMALL = {"head", "memory", "record", "window"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def restored(store: MemoryStore, clock: FakeClock, **others: Any) -> dict[str, Any]:
    """Start another engine on what is stored, and copy all its streams."""
    async with kept(keeping(MemoryStore(dict(store.held)), clock, **others)) as engine:
        ids = [stream.stream_id for stream in engine.directory]
        return {stream_id: await state(engine, stream_id) for stream_id in ids}


def parts(store: MemoryStore) -> dict[str, set[str]]:
    """Name what the last save wrote, by stream."""
    return {entry.stream_id: set(entry.parts) for entry in store.saves[-1]}


def age(engine: Engine) -> float:
    return persistence(engine).saver.age_s


async def test_only_what_changed_is_written(store: MemoryStore, clock: FakeClock) -> None:
    """First everything, then of those that sent something the small parts and one piece."""
    engine = keeping(store, clock, recent_every_s=300.0)
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        await save(engine, clock)
        assert {len(names) for names in parts(store).values()} == {8}
        await taken(engine, "a", some(3))
        await save(engine, clock)
        assert parts(store) == {"a": SMALL | {"scores/1"}}
        written = len(store.saves)
        await save(engine, clock)
        assert len(store.saves) == written
        await save(engine, clock, 300.0)
        assert parts(store) == {"a": SMALL | {"recent"}}


async def test_changes_wait_their_time(store: MemoryStore, clock: FakeClock) -> None:
    """Many observations go out as one, and the age tells of the first."""
    engine = keeping(store, clock, every_s=5.0, recent_every_s=300.0)
    async with kept(engine):
        await taken(engine, "a", some(1))
        await save(engine, clock, 3.0)
        await taken(engine, "a", some(1))
        assert (store.saves, age(engine)) == ([], 3.0)
        await save(engine, clock, 2.0)
        assert (len(store.saves), age(engine)) == (1, 0.0)


async def test_increments_restore_bit_for_bit(store: MemoryStore, clock: FakeClock) -> None:
    """Over several times round the window, with rounds of any size between."""
    engine = keeping(store, clock)
    async with kept(engine):
        for size in (1, 99, 130, 251, 3):
            await taken(engine, ["a"] * size + ["b"], some(size + 1, size))
            await save(engine, clock)
            found = {stream_id: await state(engine, stream_id) for stream_id in ("a", "b")}
            assert await restored(store, clock) == found


async def test_a_store_that_fails_loses_nothing(store: MemoryStore, clock: FakeClock) -> None:
    """The changes wait, the age grows, and all is written when it works again."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, "a", some(30))
        await save(engine, clock)
        store.failing = {"save"}
        for size in (20, 120):
            await taken(engine, ["a"] * size + ["b"], some(size + 1))
            with pytest.raises(StoreError):
                await save(engine, clock)
        assert age(engine) == 2.0
        store.failing = set()
        await save(engine, clock)
        assert age(engine) == 0.0
        assert await restored(store, clock) == {one: await state(engine, one) for one in "ab"}


async def test_a_store_that_forgets_gets_all_again(store: MemoryStore, clock: FakeClock) -> None:
    """As soon as a change finds out; streams that change meanwhile too."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        await save(engine, clock)
        store.held.clear()
        await taken(engine, "a", some(1))
        await save(engine, clock)
        assert store.held == {}
        await taken(engine, "a", some(1))
        await save(engine, clock)
        assert await restored(store, clock) == {"a": await state(engine, "a")}


async def test_a_deleted_stream_stays_deleted(store: MemoryStore, clock: FakeClock) -> None:
    """Even if it came back and was deleted again before anything was written."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        await save(engine, clock)
        for _ in range(2):
            await engine.streams.delete(stream_of(engine, "a"))
            await taken(engine, "a", some(1))
        await engine.streams.delete(stream_of(engine, "a"))
        await save(engine, clock)
    assert set(await restored(store, clock)) == {"b"}


async def test_a_stream_created_again_is_the_new_one(store: MemoryStore, clock: FakeClock) -> None:
    """Nothing of the deleted one comes back with it."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, "a", some(140))
        await save(engine, clock)
        await engine.streams.delete(stream_of(engine, "a"))
        await taken(engine, "a", some(3))
        await save(engine, clock)
        assert await restored(store, clock) == {"a": await state(engine, "a")}


@pytest.mark.parametrize("comes_back", [True, False])
async def test_deleting_while_a_save_is_under_way(
    store: MemoryStore, clock: FakeClock, comes_back: bool
) -> None:
    """What the save still writes is taken out again, the stream that came back is not."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, "a", some(5))
        gate = store.wait("save")
        saving = asyncio.create_task(save(engine, clock))
        await until(lambda: store.times("save"))
        await engine.streams.delete(stream_of(engine, "a"))
        if comes_back:
            await taken(engine, "a", some(2))
        gate.set()
        await saving
        await save(engine, clock)
        found = {"a": await state(engine, "a")} if comes_back else {}
        assert await restored(store, clock) == found


async def test_deleting_while_others_are_deleted(store: MemoryStore, clock: FakeClock) -> None:
    """A stream that was deleted and came back then is not deleted after it was saved."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, ["a", "b", "c"], some(3))
        await save(engine, clock)
        await engine.streams.delete(stream_of(engine, "b"))
        first = store.wait("delete")
        saving = asyncio.create_task(save(engine, clock))
        await until(lambda: store.times("delete") == 1)
        await taken(engine, "a", some(1))
        await engine.streams.delete(stream_of(engine, "c"))
        second = store.wait("delete")
        first.set()
        await until(lambda: store.times("delete") == 2)
        await engine.streams.delete(stream_of(engine, "a"))
        await taken(engine, "a", some(2))
        second.set()
        await saving
        await save(engine, clock)
        assert await restored(store, clock) == {"a": await state(engine, "a")}


async def test_a_stream_reset_while_saving_is_whole(store: MemoryStore, clock: FakeClock) -> None:
    """The next round writes all of it, and that is what comes back."""
    engine = keeping(store, clock)
    async with kept(engine):
        await taken(engine, "a", some(140))
        gate = store.wait("save")
        saving = asyncio.create_task(save(engine, clock))
        await until(lambda: store.times("save"))
        await engine.streams.reset(stream_of(engine, "a"))
        gate.set()
        await saving
        await save(engine, clock)
        assert len(parts(store)["a"]) == 8
        assert await restored(store, clock) == {"a": await state(engine, "a")}


async def test_nothing_saved_means_nothing_back(store: MemoryStore, clock: FakeClock) -> None:
    """A crash loses what came since the last round and no more."""
    engine = keeping(store, clock)
    await engine.start()
    await taken(engine, "a", some(4))
    await save(engine, clock)
    before = await state(engine, "a")
    await taken(engine, ["a", "b"], [SPIKE, SPIKE])
    await crash(engine)
    assert await restored(store, clock) == {"a": before}


async def test_a_busy_model_does_not_keep_others_waiting(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Where the allowance is short the model whose changes wait longest comes first."""
    engine = keeping(store, clock, seeds={"pumps": 0, "fans": 1}, bytes_per_s=100.0)
    async with kept(engine):
        await engine.streams.put("z", {"model": "fans"})
        for at in range(200):
            await taken(engine, f"a{at % 5}", some(1, at))
            await save(engine, clock)
        assert "z" in store.held
