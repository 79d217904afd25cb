import asyncio
from contextlib import suppress
from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.errors import NotReady, UnknownStream
from tests.engines import columns, request, until
from tests.fakes import FakeClock
from tests.kept import SPIKE, keeping, kept, persistence, save, some, state, stream_of, taken
from tests.memory_store import MemoryStore

IDLE_S = 100.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def small(store: MemoryStore, clock: FakeClock, **others: Any) -> Engine:
    """Make an engine with room for two streams."""
    return keeping(store, clock, max_streams=2, evict_after_s=IDLE_S, **others)


async def left(engine: Engine, clock: FakeClock, *, is_stored: bool = True) -> dict[str, bytes]:
    """Let `a` go to make room for `c`, and give what was known of it."""
    await taken(engine, ["a", "b"] * 40, some(80))
    before = await state(engine, "a")
    clock.advance(IDLE_S)
    await taken(engine, ["b", "c"], some(2))
    assert list(engine.directory.away) == ["a"]
    if is_stored:
        await save(engine, clock)
    clock.advance(IDLE_S)
    return before


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_stream_comes_back_as_it_was(
    store: MemoryStore, clock: FakeClock, is_stored: bool
) -> None:
    """From the store, or on its way there; another idle one makes room for it."""
    async with kept(small(store, clock)) as engine:
        before = await left(engine, clock, is_stored=is_stored)
        await engine.streams.find("a")
        assert await state(engine, "a") == before
        assert not set(engine.directory.away) & {one.stream_id for one in engine.directory}
        assert persistence(engine).store.restored == {"restored": 1, "lost": 0}
        assert store.times("load") == is_stored


@pytest.mark.parametrize("is_stored", [True, False])
async def test_what_came_back_is_stored_as_it_goes_on(
    store: MemoryStore, clock: FakeClock, is_stored: bool
) -> None:
    """Nothing older is written over it."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock, is_stored=is_stored)
        await taken(engine, "a", some(3))
        after = await state(engine, "a")
    async with kept(small(store, clock)) as engine:
        assert await state(engine, "a") == after


async def test_an_alert_goes_with_its_stream(store: MemoryStore, clock: FakeClock) -> None:
    """In its cool-down a stream may go; what opens again then continues the same alert."""
    async with kept(small(store, clock)) as engine:
        await taken(engine, "a", [*some(5), SPIKE, SPIKE])
        (first,) = engine.open_alerts()
        await taken(engine, "a", some(3, 7))
        assert engine.open_alerts() == []
        clock.advance(IDLE_S)
        await taken(engine, ["b", "c"], some(2))
        assert "a" in engine.directory.away
        clock.advance(IDLE_S)
        await taken(engine, "a", [SPIKE, SPIKE])
        assert [alert.event_id for alert in engine.open_alerts()] == [first.event_id]


async def test_a_store_that_fails_keeps_the_stream_safe(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Rows are refused until it works again, and then it goes on as it was."""
    async with kept(small(store, clock)) as engine:
        before = await left(engine, clock)
        store.failing = {"load"}
        assert await taken(engine, ["a", "a"], some(2)) == ["snapshot-unavailable"] * 2
        with pytest.raises(NotReady):
            await engine.streams.find("a")
        with pytest.raises(NotReady):
            await engine.streams.put("a", {"z": 3.0})
        assert store.times("load") == 1  # it is left in peace for a moment
        store.failing = set()
        clock.advance(2)
        await engine.streams.find("a")
        assert await state(engine, "a") == before


async def test_a_store_that_fails_for_long_is_given_up(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Then the stream starts as new, which is counted."""
    async with kept(small(store, clock, wait_s=10.0)) as engine:
        await left(engine, clock)
        store.failing = {"load"}
        assert await taken(engine, "a", some(1)) == ["snapshot-unavailable"]
        clock.advance(10)
        assert isinstance((await taken(engine, "a", some(1)))[0], float)
        assert persistence(engine).store.restored["lost"] == 1
        assert (await engine.streams.inspect(stream_of(engine, "a")))["seen"] == 1


async def test_what_the_store_has_lost_starts_as_new(store: MemoryStore, clock: FakeClock) -> None:
    """Nobody waits for what is not there."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock)
        store.held.clear()
        with pytest.raises(UnknownStream):
            await engine.streams.find("a")
        assert isinstance((await taken(engine, "a", some(1)))[0], float)
        assert persistence(engine).store.restored["lost"] == 1


async def test_putting_what_the_store_has_lost_creates_it(
    store: MemoryStore, clock: FakeClock
) -> None:
    """As it would any stream nobody knows."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock)
        store.held["a"] = {"head": b"damaged"}
        stream, is_new = await engine.streams.put("a", {"z": 3.0})
        assert (is_new, stream.options.z) == (True, 3.0)


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_caller_that_goes_away_leaves_nothing_half_done(
    store: MemoryStore, clock: FakeClock, is_stored: bool
) -> None:
    """The stream comes back all the same, with all that was known of it."""
    async with kept(small(store, clock)) as engine:
        before = await left(engine, clock, is_stored=is_stored)
        gate = store.wait("load")
        finding = asyncio.create_task(engine.streams.find("a"))
        for _ in range(3):
            await asyncio.sleep(0)
        finding.cancel()
        with suppress(asyncio.CancelledError):
            await finding
        gate.set()
        await engine.streams.find("a")
        assert await state(engine, "a") == before


@pytest.mark.parametrize("turns", [1, 2, 3, 4])
async def test_stopping_while_a_stream_comes_back_loses_nothing(
    store: MemoryStore, clock: FakeClock, turns: int
) -> None:
    """What is neither here nor on its way to the store is waited for."""
    async with kept(small(store, clock)) as engine:
        before = await left(engine, clock, is_stored=False)
        finding = asyncio.create_task(engine.streams.find("a"))
        for _ in range(turns):
            await asyncio.sleep(0)
    with suppress(NotReady):
        await finding
    async with kept(small(store, clock)) as engine:
        assert await state(engine, "a") == before


async def test_many_callers_bring_a_stream_back_once(store: MemoryStore, clock: FakeClock) -> None:
    """All of them get answers, in the order they came."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock)
        found = await asyncio.gather(*(taken(engine, "a", some(2, at)) for at in range(5)))
        assert all(isinstance(score, float) for scores in found for score in scores)
        assert store.times("load") == 1
        assert (await engine.streams.inspect(stream_of(engine, "a")))["seen"] == 50


async def test_deleting_what_is_away(store: MemoryStore, clock: FakeClock) -> None:
    """It is brought back to be deleted, and does not return."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock)
        await engine.streams.delete(await engine.streams.find("a"))
        await save(engine, clock)
        assert "a" not in store.held
    async with kept(small(store, clock)) as engine:
        with pytest.raises(UnknownStream):
            await engine.streams.find("a")


async def test_rows_before_the_start_bring_nothing_back(
    store: MemoryStore, clock: FakeClock
) -> None:
    """While streams are restored a request is refused and touches none of them."""
    async with kept(small(store, clock)) as engine:
        await left(engine, clock)
    again = small(store, clock)
    gate = store.wait("load")
    starting = asyncio.create_task(again.start())
    loads = store.times("load")
    await until(lambda: store.times("load") > loads)
    again.directory.away["a"] = None
    with pytest.raises(NotReady):
        await again.take(request(columns("a", some(1))))
    assert store.times("load") == loads + 1
    gate.set()
    await starting
    await again.stop()
