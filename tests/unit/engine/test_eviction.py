import asyncio

import numpy as np
import pytest

from service.engine.engine import Engine
from service.engine.errors import NotAdmitted
from tests.engines import make_directory, make_engine, running
from tests.fakes import FakeClock
from tests.kept import (
    SPIKE,
    keeping,
    kept,
    let_idlest_go,
    persistence,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

IDLE_S = 100.0
FULL = "too-many-streams"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def engine(clock: FakeClock) -> Engine:
    """An engine with room for two streams."""
    return keeping(MemoryStore(), clock, max_streams=2, evict_after_s=IDLE_S)


def here(engine: Engine) -> set[str]:
    return {stream.stream_id for stream in engine.directory}


async def test_nobody_goes_before_the_time(engine: Engine, clock: FakeClock) -> None:
    """A new stream is refused until another was idle long enough."""
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        clock.advance(IDLE_S - 1)
        assert await taken(engine, "c", some(1)) == [FULL]
        with pytest.raises(NotAdmitted):
            await engine.streams.put("c", {})
        await taken(engine, "a", some(1))
        clock.advance(1)
        assert isinstance((await taken(engine, "c", some(1)))[0], float)
        assert (here(engine), list(engine.directory.away)) == ({"a", "c"}, ["b"])
        assert persistence(engine).evicted == 1


async def test_the_idlest_goes_first(engine: Engine, clock: FakeClock) -> None:
    """Not the one that is here longest."""
    async with kept(engine):
        for stream_id in ("a", "b", "a"):
            await taken(engine, stream_id, some(1))
            clock.advance(1)
        clock.advance(IDLE_S)
        await engine.streams.put("c", {})
        assert here(engine) == {"a", "c"}


async def test_an_open_alert_stays(engine: Engine, clock: FakeClock) -> None:
    """It is for people to see; once it is closed by a reset the stream is as any other."""
    async with kept(engine):
        await taken(engine, "a", [*some(5), SPIKE, SPIKE])
        clock.advance(1)
        await taken(engine, "b", [*some(5), SPIKE, SPIKE])
        clock.advance(IDLE_S)
        assert await taken(engine, "c", some(1)) == [FULL]
        await engine.streams.reset(stream_of(engine, "a"))
        assert await taken(engine, "c", some(1)) == [FULL]
        clock.advance(IDLE_S)
        assert isinstance((await taken(engine, "c", some(1)))[0], float)
        assert here(engine) == {"b", "c"}


async def test_no_stream_of_the_request_goes(engine: Engine, clock: FakeClock) -> None:
    """Wherever it stands in it."""
    async with kept(engine):
        await taken(engine, ["a", "b"], some(2))
        clock.advance(IDLE_S)
        found = await taken(engine, ["c", "b", "d", "a"], some(4))
        assert [one if one == FULL else "scored" for one in found] == [
            FULL,
            "scored",
            FULL,
            "scored",
        ]
        clock.advance(IDLE_S)
        found = await taken(engine, ["c", "d", "e", "b"], some(4))
        assert (found[1:3], here(engine)) == ([FULL, FULL], {"b", "c"})


async def test_those_asked_for_first_come_back_first(engine: Engine, clock: FakeClock) -> None:
    """Where there is room for one of two, it is that of the first row."""
    async with kept(engine):
        for ids in (["a", "b"], ["c", "d"]):
            await taken(engine, ids, some(2))
            clock.advance(IDLE_S)
        assert set(engine.directory.away) == {"a", "b"}
        found = await taken(engine, ["c", "b", "a"], some(3))
        assert (found[2], here(engine)) == (FULL, {"b", "c"})


async def test_a_slot_left_is_zero_and_used_again(engine: Engine, clock: FakeClock) -> None:
    """Nothing of the stream that left is in it, nor of its alert."""
    async with kept(engine):
        await taken(engine, "a", [*some(5), SPIKE])
        await taken(engine, "b", some(1))
        slot = stream_of(engine, "a").slot
        clock.advance(IDLE_S)
        await taken(engine, "b", some(1))
        let_idlest_go(engine)
        await engine._batcher.drain()
        bank = stream_of(engine, "b").model.bank
        zeros = [slab.gather(np.array([slot])) for slab in bank.slabs.values()]
        assert not any(rows.any() for columns in zeros for rows in columns.values())
        await taken(engine, "c", some(1))
        assert stream_of(engine, "c").slot == slot


async def test_rows_that_wait_go_along(engine: Engine, clock: FakeClock) -> None:
    """A stream is copied after all it was sent, answered or not."""
    async with kept(engine):
        waiting = asyncio.gather(taken(engine, "a", some(9)), taken(engine, "b", some(2)))
        await asyncio.sleep(0)
        clock.advance(IDLE_S)
        let_idlest_go(engine)
        await waiting
        (gone,) = engine.directory.away
        assert await state(engine, gone)
        seen = (await engine.streams.inspect(stream_of(engine, gone)))["seen"]
        assert seen == {"a": 9, "b": 2}[gone]


async def test_without_a_store_nobody_is_let_go(clock: FakeClock) -> None:
    """However idle: its state would be lost."""
    engine = make_engine(make_directory(max_streams=1), clock=clock)
    async with running(engine):
        await taken(engine, "a", some(1))
        clock.advance(1e9)
        assert await taken(engine, "b", some(1)) == [FULL]
