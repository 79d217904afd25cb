from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Phase
from models.options import StreamOptions
from service.engine.engine import Engine
from tests.fakes import FakeClock
from tests.kept import (
    crashing,
    keeping,
    kept,
    persistence,
    save,
    saved_checkpoint,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

RARELY = 1e6
OTHER = {"pumps": 1}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def crashed(store: MemoryStore, clock: FakeClock, first: int, then: int) -> Any:
    """End without stopping, the last observations stored before `then` more came."""
    async with crashing(keeping(store, clock, recent_every_s=RARELY)) as engine:
        await taken(engine, "a", some(first, 1))
        await save(engine, clock)
        await taken(engine, "a", some(then, 2))
        await save(engine, clock)
        assert "recent" not in store.saves[-1][0].parts
        return await state(engine, "a")


async def reloaded(engine: Engine) -> None:
    await engine.streams.reload("pumps", lambda: StreamBank(saved_checkpoint(1)))


async def known(engine: Engine) -> dict[str, Any]:
    return await engine.streams.inspect(stream_of(engine, "a"))


async def test_the_same_checkpoint_goes_on_exactly(store: MemoryStore, clock: FakeClock) -> None:
    """What is judged does not depend on the last observations, which are older."""
    before = await crashed(store, clock, 100, 20)
    async with kept(keeping(store, clock)) as engine:
        after = await state(engine, "a")
        assert {one for one in before if before[one] != after[one]} == {"recent"}
        scores = await taken(engine, "a", some(30, 3))
    async with kept(keeping(MemoryStore(), clock)) as whole:
        for steps, seed in ((100, 1), (20, 2)):
            await taken(whole, "a", some(steps, seed))
        assert await taken(whole, "a", some(30, 3)) == scores


@pytest.mark.parametrize("since", [0, 10, 59, 60, 90])
async def test_a_later_reload_washes_out_what_is_lacking(
    store: MemoryStore, clock: FakeClock, since: int
) -> None:
    """What was held before the hole does not count: only what came after the restart."""
    await crashed(store, clock, 100, 20)
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, "a", some(since, 3))
        assert (await known(engine))["washout_left"] == 0
        await reloaded(engine)
        left = (await known(engine))["washout_left"]
        assert left == max(60 - since, 0)
        scores = np.array(await taken(engine, "a", some(left + 1, 4)))
        assert np.isnan(scores).tolist() == [True] * left + [False]


async def test_another_stop_keeps_the_hole_in_mind(store: MemoryStore, clock: FakeClock) -> None:
    """Stored again and restored again: the observations held still begin after the hole."""
    await crashed(store, clock, 100, 20)
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, "a", some(10, 3))
    async with kept(keeping(store, clock, seeds=OTHER)) as engine:
        assert persistence(engine).store.restored == {"washed-out": 1}
        assert (await known(engine))["washout_left"] == 50


@pytest.mark.parametrize(("missing", "left"), [(1, 1), (20, 20), (60, 60), (200, 60)])
async def test_another_checkpoint_washes_out_what_is_missing(
    store: MemoryStore, clock: FakeClock, missing: int, left: int
) -> None:
    """As many observations as came after those that are stored, at most a whole washout."""
    await crashed(store, clock, 100, missing)
    async with kept(keeping(store, clock, seeds=OTHER)) as engine:
        found = await known(engine)
        assert (found["washout_left"], found["seen"]) == (left, 100 + missing)
        assert found["phase"] == Phase.WASHOUT
        scores = np.array(await taken(engine, "a", some(left + 1, 4)))
        assert np.isnan(scores).tolist() == [True] * left + [False]


@pytest.mark.parametrize("seeds", [{"pumps": 0}, OTHER])
async def test_nothing_is_missing_after_a_stop(
    store: MemoryStore, clock: FakeClock, seeds: dict[str, int]
) -> None:
    """All was stored then: whatever checkpoint serves, the next row is judged."""
    async with kept(keeping(store, clock, recent_every_s=RARELY)) as engine:
        await taken(engine, "a", some(100))
        await save(engine, clock)
        await taken(engine, "a", some(20))
    async with kept(keeping(store, clock, seeds=seeds)) as engine:
        assert (await known(engine))["washout_left"] == 0
        await reloaded(engine)
        assert (await known(engine))["washout_left"] == 0


@pytest.mark.parametrize("steps", [0, 1, 30, 59])
@pytest.mark.parametrize("is_restored", [True, False])
async def test_a_young_stream_of_the_reference_stays_live(
    store: MemoryStore, clock: FakeClock, steps: int, is_restored: bool
) -> None:
    """It never was in washout: all it has had is held, and a reload keeps judging it."""
    engine = keeping(store, clock, options=StreamOptions(start="reference"))
    async with kept(engine):
        await engine.streams.put("a", {})
        await taken(engine, "a", some(steps))
        if not is_restored:
            await reloaded(engine)
            assert (await known(engine))["washout_left"] == 0
    if is_restored:
        async with kept(keeping(store, clock)) as again:
            await reloaded(again)
            assert (await known(again))["phase"] == Phase.LIVE
            assert not np.isnan((await taken(again, "a", some(1)))[0])
