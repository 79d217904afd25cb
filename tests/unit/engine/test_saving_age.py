from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from models.bank import StreamBank
from service.engine import persistence as persistence_module
from service.engine.engine import Engine
from service.engine.errors import StoreError
from tests.fakes import FakeClock
from tests.kept import (
    keeping,
    kept,
    let_idlest_go,
    persistence,
    save,
    saved_checkpoint,
    some,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

IDLE_S = 10.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def age(engine: Engine) -> float:
    return persistence(engine).saver.age_s


def n_bytes(store: MemoryStore, first: int = 0) -> int:
    """Count what the saves wrote, from one on."""
    written = (entry for entries in store.saves[first:] for entry in entries)
    return sum(len(part) for entry in written for part in entry.parts.values())


async def test_evictions_keep_within_the_budget(
    store: MemoryStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of new streams takes no more than allowed, and one that goes on is still saved."""
    monkeypatch.setattr(persistence_module, "MAX_LEAVING", 30)
    rate, seconds, saved_at = 20_000.0, 150, [0]
    engine = keeping(store, clock, max_streams=30, evict_after_s=2.0, bytes_per_s=rate)
    async with kept(engine):
        waiting = 0
        for second in range(1, seconds):
            await taken(engine, "busy", some(1, second))
            await taken(engine, [f"s{second}-{at}" for at in range(25)], some(25))
            saves = len(store.saves)
            await save(engine, clock)
            if any(entry.stream_id == "busy" for one in store.saves[saves:] for entry in one):
                saved_at.append(second)
            waiting += len(persistence(engine).departures) > 0
            assert n_bytes(store) <= rate * (second + 1) + 2 * 30 * 2500
        gaps = [after - before for before, after in pairwise([*saved_at, seconds])]
        assert persistence(engine).evicted > 200
        assert n_bytes(store) > rate * seconds / 2
        assert waiting > seconds / 2
        assert max(gaps) <= 20


async def test_the_age_tells_of_those_on_their_way(store: MemoryStore, clock: FakeClock) -> None:
    """Since their oldest change that is not stored, and no longer than that."""
    engine = keeping(store, clock, evict_after_s=IDLE_S)
    async with kept(engine):
        await taken(engine, "a", some(1))
        clock.advance(IDLE_S)
        await taken(engine, "b", some(1))
        clock.advance(IDLE_S)
        let_idlest_go(engine)
        assert age(engine) == 2 * IDLE_S
        let_idlest_go(engine)
        store.odd = {"b"}
        await save(engine, clock)
        assert set(store.held) == {"a"}
        assert age(engine) == IDLE_S + 1
        store.odd = set()
        await save(engine, clock)
        assert age(engine) == 0.0


async def test_one_that_leaves_with_nothing_to_save_is_as_old_as_its_leaving(
    store: MemoryStore, clock: FakeClock
) -> None:
    """What is stored of it is no older than it is."""
    async with kept(keeping(store, clock, evict_after_s=IDLE_S)) as engine:
        await taken(engine, "a", some(1))
        await save(engine, clock)
        clock.advance(IDLE_S)
        let_idlest_go(engine)
        clock.advance(3)
        assert age(engine) == 3.0


async def reset(engine: Engine) -> None:
    await engine.streams.reset(stream_of(engine, "a"))


async def reloaded(engine: Engine) -> None:
    await engine.streams.reload("pumps", lambda: StreamBank(saved_checkpoint(1)))


async def let_go(engine: Engine) -> None:
    let_idlest_go(engine)


async def let_go_and_found(engine: Engine) -> None:
    let_idlest_go(engine)
    await engine.streams.find("a")


@pytest.mark.parametrize("happens", [reset, reloaded, let_go, let_go_and_found])
async def test_the_age_does_not_fall_while_the_store_fails(
    store: MemoryStore, clock: FakeClock, happens: Callable[[Engine], Awaitable[None]]
) -> None:
    """What is stored of the stream stays as old as it was, whatever happens to it."""
    async with kept(keeping(store, clock, evict_after_s=IDLE_S)) as engine:
        await taken(engine, "a", some(5))
        await save(engine, clock)
        await taken(engine, "a", some(5))
        store.failing = {"save"}
        for seconds in (IDLE_S + 1, 2 * IDLE_S + 2):
            with pytest.raises(StoreError):
                await save(engine, clock, IDLE_S + 1)
            assert age(engine) == seconds
        await happens(engine)
        assert age(engine) == 2 * IDLE_S + 2
        with pytest.raises(StoreError):
            await save(engine, clock)
        assert age(engine) == 2 * IDLE_S + 3
        store.failing = set()
        await save(engine, clock)
        assert age(engine) == 0.0
