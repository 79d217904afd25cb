from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from service.engine import departures
from service.engine.engine import Engine
from service.engine.errors import StoreError
from tests.fakes import FakeClock
from tests.kept import (
    keeping,
    kept,
    let_idlest_go,
    persistence,
    save,
    some,
    spoil,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

IDS = [f"s{at}" for at in range(9)]
IDLE_S = 100.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def refused(engine: Engine, store: MemoryStore, stream_id: str) -> None:
    """Let the store refuse one stream."""
    store.odd = {stream_id}


def not_encoded(engine: Engine, store: MemoryStore, stream_id: str) -> None:
    """Let encoding one stream raise what is no error of a store."""
    spoil(stream_of(engine, stream_id))


Odd = Callable[[Engine, MemoryStore, str], None]
ODD = pytest.mark.parametrize("odd", [refused, not_encoded])


async def let_go(engine: Engine, clock: FakeClock, ids: list[str]) -> None:
    """Send rows to streams and let these go, in this order."""
    for stream_id in ids:
        await taken(engine, stream_id, some(5))
        clock.advance(1)
    clock.advance(IDLE_S)
    for _ in ids:
        let_idlest_go(engine)
    await engine._batcher.drain()
    assert list(engine.directory.away) == ids


@ODD
@pytest.mark.parametrize("at", [0, 4, 8])
async def test_one_that_can_not_be_saved_keeps_no_other(
    store: MemoryStore, clock: FakeClock, odd: Odd, at: int
) -> None:
    """All the others are saved in the same round; it is told, waits and is saved later."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, IDS, some(9))
        odd(engine, store, IDS[at])
        with capture_logs() as logs:
            await save(engine, clock)
        assert set(store.held) == {*IDS} - {IDS[at]}
        told = [log for log in logs if log["event"] == "a stream can't be saved"]
        assert [log["stream"] for log in told] == [IDS[at]]
        assert persistence(engine).saver.age_s == 1.0
        store.odd = set()
        stream_of(engine, IDS[at]).own = {}
        await save(engine, clock)
        assert set(store.held) == {*IDS}
        assert persistence(engine).saver.age_s == 0.0


@ODD
async def test_one_that_can_not_be_saved_does_not_keep_the_stop_waiting(
    store: MemoryStore, clock: FakeClock, odd: Odd
) -> None:
    """All the others are saved then, and it is counted as left."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, IDS, some(9))
        odd(engine, store, "s3")
        calls = store.times("save")
        assert await persistence(engine).saver.save_all() == 1
        assert set(store.held) == {*IDS} - {"s3"}
        assert store.times("save") - calls < 30


@ODD
async def test_one_that_can_not_be_saved_loses_none_of_the_others_changes(
    store: MemoryStore, clock: FakeClock, odd: Odd
) -> None:
    """What was written beside it restores bit for bit, over several rounds."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, IDS, some(9))
        odd(engine, store, "s3")
        for size in (1, 130):
            for stream_id in IDS:
                await taken(engine, stream_id, some(size))
            await save(engine, clock)
        found = {one: await state(engine, one) for one in IDS if one != "s3"}
        again = MemoryStore(dict(store.held))
    async with kept(keeping(again, clock)) as restarted:
        assert {one: await state(restarted, one) for one in found} == found


async def test_a_store_that_is_down_is_not_asked_for_each_stream(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Only failures that may be those of one entry are looked for in halves."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, IDS, some(9))
        store.failing = {"save"}
        with pytest.raises(StoreError):
            await save(engine, clock)
        assert store.times("save") == 1
        store.failing = set()


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_copy_that_fails_keeps_no_other_from_leaving(
    store: MemoryStore, clock: FakeClock, at: int
) -> None:
    """Those that leave beside it and those that stay are saved in the same round."""
    async with kept(keeping(store, clock, evict_after_s=IDLE_S)) as engine:
        for stream_id in IDS[:3]:
            await taken(engine, stream_id, some(5))
        spoil(stream_of(engine, IDS[at]))
        await let_go(engine, clock, IDS[:3])
        await taken(engine, "here", some(5))
        with capture_logs() as logs:
            await save(engine, clock)
        assert set(store.held) == {*IDS[:3], "here"} - {IDS[at]}
        assert persistence(engine).store.errors == {"bug": 1}
        assert [log["stream"] for log in logs if "a stream is lost" in log["event"]] == [IDS[at]]
        assert len(persistence(engine).departures) == 0
        assert persistence(engine).saver.age_s == 0.0


async def test_a_copy_that_fails_does_not_fail_who_sends(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Its stream goes on as it was stored last, and the others of the request as ever."""
    async with kept(keeping(store, clock, evict_after_s=IDLE_S)) as engine:
        await taken(engine, "a", some(7))
        await save(engine, clock)
        await taken(engine, "a", some(2))
        spoil(stream_of(engine, "a"))
        clock.advance(IDLE_S)
        await taken(engine, "b", some(5))
        let_idlest_go(engine)
        await engine._batcher.drain()
        with capture_logs():
            rows = await taken(engine, ["a", "b"], some(2))
        assert all(isinstance(score, float) for score in rows)
        assert (await engine.streams.inspect(stream_of(engine, "a")))["seen"] == 8
        assert persistence(engine).store.errors == {"bug": 1}


@pytest.mark.parametrize("at_a_time", [1, 50])
async def test_one_that_is_refused_keeps_no_other_from_leaving(
    store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, at_a_time: int
) -> None:
    """It stays where it is, in memory, and comes back from there."""
    monkeypatch.setattr(departures, "AT_A_TIME", at_a_time)
    async with kept(keeping(store, clock, evict_after_s=IDLE_S)) as engine:
        await let_go(engine, clock, IDS[:4])
        store.odd = {"s1"}
        await taken(engine, "here", some(5))
        await save(engine, clock)
        assert set(store.held) == {"s0", "s2", "s3", "here"}
        assert len(persistence(engine).departures) == 1
        assert await persistence(engine).saver.save_all() == 1
        assert (await engine.streams.inspect(await engine.streams.find("s1")))["seen"] == 5
        store.odd = set()
    assert set(store.held) == {*IDS[:4], "here"}
