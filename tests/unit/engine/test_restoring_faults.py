from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from service.engine import restoring
from service.engine.errors import StoreError
from service.engine.snapshots import opened, sealed
from tests.fakes import FakeClock
from tests.kept import keeping, kept, persistence, some, state, stream_of, taken
from tests.memory_store import MemoryStore

IDS = [f"s{at}" for at in range(9)]
Known = dict[str, dict[str, bytes]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def before(store: MemoryStore, clock: FakeClock) -> Known:
    """What was known of nine streams that are stored."""
    async with kept(keeping(store, clock)) as engine:
        for at, stream_id in enumerate(IDS):
            await taken(engine, stream_id, some(70 + at, at))
        return {stream_id: await state(engine, stream_id) for stream_id in IDS}


@pytest.mark.parametrize(
    "own",
    [
        {"z": "x"},
        {"z": [1]},
        {"sigma_floor": {}},
        {"policy": []},
        {"start": []},
        {"prime": {}},
        {"model": ["pumps"]},
        {"no such": 1},
    ],
)
@pytest.mark.parametrize("at", [0, 4, 8])
async def test_a_head_with_odd_options_costs_its_stream_alone(
    store: MemoryStore, clock: FakeClock, before: Known, own: dict[str, Any], at: int
) -> None:
    """However right its sums are: it is counted, and the eight others come back."""
    odd = IDS[at]
    head, rest = opened(odd, store.held[odd])
    store.held[odd] = sealed(odd, msgspec.structs.replace(head, own=own), rest)
    async with kept(keeping(store, clock)) as engine:
        assert persistence(engine).store.restored == {"restored": 8, "damaged": 1}
        others = {one: known for one, known in before.items() if one != odd}
        assert {one: await state(engine, one) for one in others} == others
        await taken(engine, odd, some(1))
        assert (await engine.streams.inspect(stream_of(engine, odd)))["seen"] == 1


@pytest.mark.parametrize("pages", [0, 1, 2])
async def test_those_not_read_when_the_store_fails_are_away(
    store: MemoryStore,
    clock: FakeClock,
    before: Known,
    monkeypatch: pytest.MonkeyPatch,
    pages: int,
) -> None:
    """What was read is served, and the rest comes back when the store works again."""
    monkeypatch.setattr(restoring, "STREAMS_AT_A_TIME", 3)
    store.works = {"load": pages}
    async with kept(keeping(store, clock, wait_s=0.0)) as engine:
        assert engine.is_ready
        here = {stream.stream_id for stream in engine.directory}
        assert len(here) == 3 * pages
        assert set(engine.directory.away) == {*IDS} - here
        store.works = {}
        for stream_id in IDS:
            await engine.streams.find(stream_id)
        assert {one: await state(engine, one) for one in IDS} == before
        assert persistence(engine).store.restored == {"restored": 9, "lost": 0}


async def test_those_not_read_because_of_a_bug_are_away(
    store: MemoryStore, clock: FakeClock, before: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong with some, what was read is served and the rest comes back."""
    monkeypatch.setattr(restoring, "STREAMS_AT_A_TIME", 3)
    engine = keeping(store, clock)
    restorer = persistence(engine)._restorer
    restore, calls = restorer.restore, []

    async def failing(stored: Known) -> None:
        calls.append([*stored])
        if len(calls) == 2:
            raise RuntimeError
        await restore(stored)

    monkeypatch.setattr(restorer, "restore", failing)
    async with kept(engine):
        assert [stream.stream_id for stream in engine.directory] == calls[0]
        assert set(engine.directory.away) == {*IDS} - {*calls[0], *calls[1]}
        for stream_id in {*IDS} - {*calls[1]}:
            await engine.streams.find(stream_id)
            assert await state(engine, stream_id) == before[stream_id]


class HalfListed(MemoryStore):
    """Fails in the middle of its list, as often as it is told to."""

    def __init__(self, held: dict[str, dict[str, bytes]], failures: int) -> None:
        super().__init__(held)
        self.failures = failures

    async def list(self) -> AsyncIterator[list[str]]:
        async for page in super().list():
            yield page
            if self.failures:
                self.failures -= 1
                raise StoreError("down", "this store was told to fail in the middle")


@pytest.mark.parametrize("failures", [1, 3])
async def test_a_list_that_breaks_off_is_read_again(
    store: MemoryStore,
    clock: FakeClock,
    before: Known,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
) -> None:
    """Else those on its other pages would start as new."""
    monkeypatch.setattr(restoring, "RETRY_S", 0.0)
    async with kept(keeping(HalfListed(store.held, failures), clock)) as engine:
        assert {stream.stream_id for stream in engine.directory} == {*IDS}
        assert {one: await state(engine, one) for one in IDS} == before


async def test_what_was_listed_when_the_store_failed_is_away(
    store: MemoryStore, clock: FakeClock, before: Known
) -> None:
    """As far as the list was read: those come back."""
    async with kept(keeping(HalfListed(store.held, 1), clock, wait_s=0.0)) as engine:
        assert (len(engine.directory), len(engine.directory.away)) == (0, 3)
        for stream_id in [*engine.directory.away]:
            await engine.streams.find(stream_id)
            assert await state(engine, stream_id) == before[stream_id]
