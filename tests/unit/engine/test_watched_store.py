import asyncio
from collections.abc import Sequence

import pytest

from service.engine.errors import StoreError
from service.engine.ports import Entry
from service.engine.watched_store import WatchedStore
from tests.fakes import FakeClock
from tests.memory_store import MemoryStore
from tests.stored import part, whole


class BrokenStore(MemoryStore):
    """Raises what no store should."""

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        raise KeyError("a bug in a store")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def inner() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def store(inner: MemoryStore, clock: FakeClock) -> WatchedStore:
    return WatchedStore(inner, clock)


async def test_it_hands_on_and_counts(store: WatchedStore) -> None:
    """Snapshots and bytes that were written, not those the store did not know."""
    assert await store.save([whole("a", head=b"12", ring=b"345"), part("b", head=b"1")]) == {"b"}
    assert (store.saved, store.saved_bytes) == (1, 5)
    assert await store.load(["a", "b"]) == {"a": {"head": b"12", "ring": b"345"}}
    assert [page async for page in store.list()] == [["a"]]
    await store.delete(["a"])
    assert await store.load(["a"]) == {}
    assert (store.is_up, store.failing_s, store.name) == (True, 0.0, "memory")


async def test_a_failure_is_counted_and_timed(
    store: WatchedStore, inner: MemoryStore, clock: FakeClock
) -> None:
    """From the first failure until anything works again."""
    assert not store.is_up
    inner.failing = {"save", "load", "delete", "list"}
    with pytest.raises(StoreError):
        await store.save([whole("a", head=b"1")])
    clock.advance(3)
    with pytest.raises(StoreError):
        await store.load(["a"])
    with pytest.raises(StoreError):
        await store.delete(["a"])
    with pytest.raises(StoreError):
        _ = [page async for page in store.list()]
    assert (store.is_up, store.failing_s, store.errors["down"]) == (False, 3.0, 4)
    assert store.saved == 0
    inner.failing = set()
    await store.load([])
    assert (store.is_up, store.failing_s) == (True, 0.0)


async def test_a_bug_in_a_store_is_a_failure_too(clock: FakeClock) -> None:
    """Whoever uses it need not know of other exceptions."""
    store = WatchedStore(BrokenStore(), clock)
    with pytest.raises(StoreError, match="a bug in a store"):
        await store.save([])
    assert store.errors == {"bug": 1}


async def test_a_call_given_up_is_no_failure(store: WatchedStore, inner: MemoryStore) -> None:
    """The store did nothing wrong, and can be used on."""
    gate = inner.wait("save")
    saving = asyncio.create_task(store.save([whole("a", head=b"1")]))
    await asyncio.sleep(0)
    saving.cancel()
    await asyncio.wait([saving])
    gate.set()
    assert store.errors.total() == 0
    await store.save([whole("a", head=b"1")])
    assert store.is_up
