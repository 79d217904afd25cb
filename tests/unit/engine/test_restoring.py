from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from models.bank import StreamBank
from models.options import StreamOptions
from service.engine.snapshots import HEAD, opened, sealed
from tests.engines import columns, request
from tests.fakes import FakeClock
from tests.kept import (
    SPIKE,
    keeping,
    kept,
    persistence,
    saved_checkpoint,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

Parts = dict[str, bytes]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def filled(store: MemoryStore, clock: FakeClock, **others: Any) -> dict[str, Any]:
    """Store three streams, and give what was known of them."""
    async with kept(keeping(store, clock, **others)) as engine:
        await taken(engine, ["a", "b", "c"] * 50, some(150))
        return {stream_id: await state(engine, stream_id) for stream_id in ("a", "b", "c")}


async def outcomes(store: MemoryStore, clock: FakeClock, **others: Any) -> dict[str, int]:
    """Start once more, and tell what became of the snapshots."""
    async with kept(keeping(store, clock, **others)) as engine:
        return {name: n for name, n in persistence(engine).store.restored.items() if n}


async def test_the_same_checkpoint_restores_all_of_it(store: MemoryStore, clock: FakeClock) -> None:
    """Bit for bit, and the stream is still the one it was."""
    before = await filled(store, clock)
    created = clock.now()
    clock.advance(100)
    async with kept(keeping(store, clock)) as engine:
        assert {one: await state(engine, one) for one in before} == before
        assert stream_of(engine, "a").created_at == created
        assert persistence(engine).store.restored == {"restored": 3}
        assert persistence(engine).saver.age_s == 0


async def test_another_checkpoint_washes_out(store: MemoryStore, clock: FakeClock) -> None:
    """The next row is judged by a window that begins anew, and counts go on."""
    await filled(store, clock)
    async with kept(keeping(store, clock, seeds={"pumps": 1})) as engine:
        known = await engine.streams.inspect(stream_of(engine, "a"))
        assert (known["seen"], known["scores_held"]) == (50, 120)
        assert isinstance((await taken(engine, "a", some(1)))[0], float)
        assert persistence(engine).store.restored == {"washed-out": 3}
    assert await outcomes(store, clock, seeds={"pumps": 1}) == {"restored": 3}


async def test_another_window_washes_out(store: MemoryStore, clock: FakeClock) -> None:
    """Settings can change its length although the checkpoint is the same."""
    await filled(store, clock)
    again = keeping(store, clock)
    model = again.directory.models["pumps"]
    model.bank = StreamBank(saved_checkpoint().with_threshold(window=251))
    async with kept(again):
        assert persistence(again).store.restored == {"washed-out": 3}


def flipped(parts: Parts, name: str) -> Parts:
    return parts | {name: bytes([parts[name][0] ^ 1]) + parts[name][1:]}


def without(parts: Parts, name: str) -> Parts:
    return {one: data for one, data in parts.items() if one != name}


@pytest.mark.parametrize("spoil", [flipped, without])
@pytest.mark.parametrize("part", [HEAD, "record", "memory", "window", "scores/2", "recent"])
async def test_a_bad_part_costs_its_stream_alone(
    store: MemoryStore, clock: FakeClock, spoil: Callable[[Parts, str], Parts], part: str
) -> None:
    """It is counted, starts as new and is stored anew; others are as they were."""
    before = await filled(store, clock)
    store.held["b"] = spoil(store.held["b"], part)
    async with kept(keeping(store, clock)) as engine:
        assert persistence(engine).store.restored == {"restored": 2, "damaged": 1}
        assert {one: await state(engine, one) for one in "ac"} == {one: before[one] for one in "ac"}
        await taken(engine, "b", some(1))
        assert (await engine.streams.inspect(stream_of(engine, "b")))["seen"] == 1
    assert await outcomes(store, clock) == {"restored": 3}


async def test_another_streams_snapshot_is_damage(store: MemoryStore, clock: FakeClock) -> None:
    """Whole, or one part of it."""
    await filled(store, clock)
    store.held["a"] = store.held["b"]
    store.held["c"] = store.held["c"] | {"memory": store.held["b"]["memory"]}
    assert await outcomes(store, clock) == {"restored": 1, "damaged": 2}


async def test_what_can_not_be_served_is_told_apart(store: MemoryStore, clock: FakeClock) -> None:
    """Another format, a model that is not there, other metrics, an id of nobody."""
    await filled(store, clock, seeds={"pumps": 0, "fans": 1})
    changes: dict[str, dict[str, Any]] = {
        "a": {"version": 99},
        "b": {"own": {"model": "gone"}},
        "c": {"metrics": 1},
    }
    for stream_id, change in changes.items():
        store.held[stream_id] = rewritten(stream_id, store.held[stream_id], change)
    store.held["bad//id"] = sealed("bad//id", *opened("a", await one_stored(clock)))
    assert await outcomes(store, clock) == {
        "foreign": 1,
        "no-model": 1,
        "other-metrics": 1,
        "damaged": 1,
    }


async def one_stored(clock: FakeClock) -> Parts:
    store = MemoryStore()
    await filled(store, clock)
    return store.held["a"]


def rewritten(stream_id: str, parts: Parts, change: dict[str, Any]) -> Parts:
    """Seal a snapshot whose head says something else."""
    head, rest = opened(stream_id, parts)
    return sealed(stream_id, msgspec.structs.replace(head, **change), rest)


async def test_what_was_put_survives_and_settings_count(
    store: MemoryStore, clock: FakeClock
) -> None:
    """PUT goes above the settings, which may have changed underneath."""
    async with kept(keeping(store, clock)) as engine:
        await engine.streams.put("own", {"z": 2.5})
        await engine.streams.put("plain", {})
    settings = StreamOptions(z=7.0, policy="all", start="reference")
    async with kept(keeping(store, clock, options=settings)) as engine:
        own, plain = stream_of(engine, "own"), stream_of(engine, "plain")
        assert (own.own, own.options.z, own.options.policy) == ({"z": 2.5}, 2.5, "all")
        assert (plain.own, plain.options) == ({}, settings)
        rules = own.model.bank.slabs["record"]
        assert [rules["z"][one.slot] for one in (own, plain)] == [2.5, 7.0]
        assert rules["policy"][own.slot] == rules["policy"][plain.slot] == 1


async def test_a_model_that_was_put_is_kept(store: MemoryStore, clock: FakeClock) -> None:
    """Whatever the default is by now; the others go to it."""
    async with kept(keeping(store, clock, seeds={"pumps": 0, "fans": 1})) as engine:
        await engine.streams.put("a", {"model": "pumps"})
        await engine.streams.put("b", {})
    async with kept(keeping(store, clock, seeds={"fans": 1, "pumps": 0})) as engine:
        assert stream_of(engine, "a").model.name == "pumps"
        assert stream_of(engine, "b").model.name == "fans"
        assert persistence(engine).store.restored == {"restored": 1, "washed-out": 1}


@pytest.mark.parametrize("seed", [0, 1])
async def test_an_open_alert_goes_on(store: MemoryStore, clock: FakeClock, seed: int) -> None:
    """Under the same name, whatever checkpoint serves now, and resolves as it would have."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, "a", [*some(5), SPIKE, SPIKE])
        (before,) = engine.open_alerts()
    async with kept(keeping(store, clock, seeds={"pumps": seed})) as engine:
        (alert,) = engine.open_alerts()
        assert alert == before
        pending = await engine.take(request(columns("a", [*some(3, seed=5)])))
        ((_, judged),) = (await pending.answer()).parts
        assert {mark.event_id for mark in judged.scored.marks.values()} == {before.event_id}
        assert judged.scored.marks[2].status == "resolved"


async def test_more_streams_than_places_are_away(store: MemoryStore, clock: FakeClock) -> None:
    """Those saved last are here, the others come back when there is room."""
    await filled(store, clock)
    order = [*reversed(store.held)]
    async with kept(keeping(store, clock, max_streams=2)) as engine:
        assert [one.stream_id for one in engine.directory] == order[:2]
        assert list(engine.directory.away) == order[2:]
        await engine.streams.delete(stream_of(engine, order[0]))
        assert (await engine.streams.find(order[2])).stream_id == order[2]


async def test_a_store_that_can_not_be_read_is_waited_for(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Not longer than said: then it is started without, and nothing stored is lost by that."""
    await filled(store, clock)
    for call in ("list", "load"):
        store.failing = {call}
        async with kept(keeping(store, clock, wait_s=0.0)) as engine:
            assert (engine.is_ready, len(engine.directory)) == (True, 0)
            store.failing = set()
        assert set(store.held) == {"a", "b", "c"}
