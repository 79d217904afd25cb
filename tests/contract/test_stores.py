"""What every store promises, tried on each row of the table."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.engine.ports import Entry, SnapshotStore
from service.keys import Keys
from service.stores.table import STORES, StorePlace
from tests.integration.servers import SERVERS
from tests.stored import listed, pages, part, remember, whole

ANY_BYTES = bytes(range(256)) * 50 + b"\r\n$5\r\n\x00"
LONGEST_ID = "plant-a/line:3@hall+2/" + "x" * 178
IDS = ["a", "plant-a/pump-7", "plant:a", "sensor@hall+2", "state:a", "7", LONGEST_ID]
PARTS = {"head": b"1", "ring": ANY_BYTES, "none": b"", "": b"no name"}


@dataclass(frozen=True, slots=True)
class Rig:
    """A row of the table and a place; every store it makes looks at that same place."""

    row: str
    place: StorePlace

    def store(self) -> SnapshotStore:
        """Make one more instance."""
        return STORES[self.row](self.place)


def cases() -> Iterator[object]:
    """Give each row of the table; that of Redis with each server it may lie on."""
    for row in STORES:
        if row != "redis":
            yield pytest.param((row, None), id=row)
            continue
        for server in SERVERS:
            yield pytest.param(
                (row, server), id=f"{row}-on-{server}", marks=pytest.mark.integration
            )


@pytest.fixture(params=cases())
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """Each case in turn, its place empty."""
    row, server_name = request.param
    place = StorePlace("redis://127.0.0.1:1", Keys(), tmp_path / "made" / "when needed")
    if server_name is None:
        yield Rig(row, place)
        return
    with SERVERS[server_name]() as server:
        yield Rig(row, replace(place, redis_url=server.start()))


@pytest.fixture
async def store(rig: Rig) -> AsyncIterator[SnapshotStore]:
    """Each store in turn, empty."""
    made = rig.store()
    yield made
    await made.close()


async def test_what_is_saved_is_loaded(store: SnapshotStore) -> None:
    """Any bytes, none at all and any names come back as they were, whatever the id."""
    entries = [whole(stream_id, **PARTS, own=stream_id.encode()) for stream_id in IDS]
    assert await store.save(entries) == set()
    assert await store.load(IDS) == {entry.stream_id: entry.parts for entry in entries}
    assert await store.load(["a", "nobody"]) == {"a": entries[0].parts}


async def test_an_empty_store_is_fine(store: SnapshotStore) -> None:
    """Where nothing was saved nothing is listed or loaded, and nothing asked is answered so."""
    assert await listed(store) == []
    assert await store.load(["a"]) == {}
    assert await store.load([]) == {}
    assert await store.save([]) == set()
    await store.delete([])
    await store.delete(["a"])


async def test_a_part_takes_the_place_of_its_name(store: SnapshotStore) -> None:
    """An entry that is not whole replaces and adds what it names and keeps the rest."""
    await store.save([whole("a", head=b"1", ring=b"long")])
    assert await store.save([part("a", head=b"2", tail=b"new")]) == set()
    assert await store.load(["a"]) == {"a": {"head": b"2", "ring": b"long", "tail": b"new"}}
    assert await store.save([part("a")]) == set()
    assert len((await store.load(["a"]))["a"]) == 3


async def test_a_whole_entry_drops_other_parts(store: SnapshotStore) -> None:
    """After a whole entry there is nothing but what it names."""
    await store.save([whole("a", head=b"1", ring=b"long")])
    await store.save([whole("a", head=b"2")])
    assert await store.load(["a"]) == {"a": {"head": b"2"}}


async def test_a_stream_is_there_while_it_has_parts(store: SnapshotStore) -> None:
    """A whole entry without parts forgets the stream."""
    await store.save([whole("a", head=b"1"), whole("b", head=b"1")])
    assert await store.save([whole("a"), whole("c")]) == set()
    assert await store.load(["a", "b", "c"]) == {"b": {"head": b"1"}}
    assert await listed(store) == ["b"]


async def test_parts_of_unknown_streams_are_given_back(store: SnapshotStore) -> None:
    """In a mixture only what is not whole and not stored is refused, and leaves nothing."""
    await store.save([whole("old", head=b"1", ring=b"r"), whole("other", head=b"1")])
    entries = [
        part("ghost", head=b"2"),
        part("old", head=b"2"),
        whole("new", head=b"2"),
        part("shade"),
        whole("other", ring=b"2"),
    ]
    for _ in range(2):  # repeated it does the same
        assert await store.save(entries) == {"ghost", "shade"}
    assert await store.load(["ghost", "old", "new", "shade", "other"]) == {
        "old": {"head": b"2", "ring": b"r"},
        "new": {"head": b"2"},
        "other": {"ring": b"2"},
    }
    assert sorted(await listed(store)) == ["new", "old", "other"]


async def test_those_saved_last_are_listed_first(store: SnapshotStore) -> None:
    """The listing is in the order of saving, backward; parts count as saving."""
    for stream_id in IDS:
        await store.save([whole(stream_id, head=b"1")])
    await store.save([part(IDS[2], head=b"2")])
    assert await listed(store) == [IDS[2], *reversed([*IDS[:2], *IDS[3:]])]


async def test_many_streams_in_one_call(store: SnapshotStore) -> None:
    """2,500 streams are saved, listed, loaded, changed and deleted at once."""
    ids = [f"plant/pump-{number}" for number in range(2500)]
    large = {"ring": ANY_BYTES}
    assert await store.save([whole(one, head=one.encode(), **large) for one in ids]) == set()
    assert await store.save([part(one, head=b"2") for one in [*ids, "ghost"]]) == {"ghost"}
    found = await pages(store)
    assert len(found) > 1
    assert sorted(one for page in found for one in page) == sorted(ids)
    assert await store.load(ids) == {one: {"head": b"2", **large} for one in ids}
    await store.delete([*ids[1:], "ghost"])
    assert await listed(store) == ids[:1]
    assert list(await store.load(ids)) == ids[:1]


async def test_what_changes_meanwhile_hides_nothing(store: SnapshotStore) -> None:
    """Streams saved and deleted during a listing make it skip no other, nor tell any twice."""
    ids = [f"pump-{number}" for number in range(1700)]
    await store.save([whole(one, head=b"1") for one in ids])
    found = []
    async for page in store.list():
        found += page
        await store.save([part(ids[0], head=b"2"), part(ids[-1], head=b"2")])
        await store.delete(page[:10])
    assert sorted(found) == sorted(ids)


async def test_what_is_deleted_is_unknown(store: SnapshotStore) -> None:
    """After deleting a stream its parts are refused, and whole it begins with nothing old."""
    await store.save([whole(one, head=b"1", ring=b"r") for one in IDS])
    await store.delete([IDS[1], LONGEST_ID])
    assert await store.save([part(LONGEST_ID, head=b"2")]) == {LONGEST_ID}
    await store.save([whole(IDS[1], head=b"2")])
    assert (await store.load(IDS))[IDS[1]] == {"head": b"2"}
    assert set(await listed(store)) == set(IDS) - {LONGEST_ID}


async def test_it_outlives_its_instance(rig: Rig) -> None:
    """A new instance finds what an earlier one saved, in the same order, and goes on from it."""
    first = rig.store()
    for stream_id in IDS:
        await first.save([whole(stream_id, **PARTS)])
    await first.close()
    second = rig.store()
    assert await listed(second) == IDS[::-1]
    assert await second.load(IDS) == dict.fromkeys(IDS, PARTS)
    assert await second.save([part("a", head=b"2")]) == set()
    assert (await listed(second))[0] == "a"
    await second.close()


async def test_closing_twice_and_unused_is_fine(rig: Rig) -> None:
    """A store can be closed twice, whether it was used or not."""
    for is_used in (False, True):
        store = rig.store()
        if is_used:
            await store.save([whole("a", head=b"1")])
        await store.close()
        await store.close()


def test_the_name_is_that_of_the_row(rig: Rig) -> None:
    """A store's name is the short word it is chosen by."""
    name = rig.store().name
    assert name == rig.row
    assert name.isalpha()


some_ids = st.lists(st.sampled_from(IDS[:4]), unique=True)
some_parts = st.dictionaries(
    st.sampled_from(["head", "ring", "größe", ""]), st.binary(max_size=40), max_size=3
)
one_save = some_ids.flatmap(
    lambda ids: st.tuples(*(st.builds(Entry, st.just(i), some_parts, st.booleans()) for i in ids))
)
deeds = st.lists(one_save | some_ids | st.just("open again"), max_size=8)
numbers = count()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(deeds)
def test_it_does_what_a_dict_does(
    rig: Rig, deeds: list[tuple[Entry, ...] | list[str] | str]
) -> None:
    """After any saving, deleting and opening again it holds what a plain dict would."""
    number = next(numbers)
    here = StorePlace(rig.place.redis_url, Keys(f"sw{number}"), rig.place.data_dir / f"{number}")
    asyncio.run(play(Rig(rig.row, here), deeds))


async def play(rig: Rig, deeds: list[tuple[Entry, ...] | list[str] | str]) -> None:
    """Do the same with a store and with a dict, and compare them after each deed."""
    store = rig.store()
    held: dict[str, dict[str, bytes]] = {}
    saved: dict[str, int] = {}
    for now, deed in enumerate(deeds):
        if isinstance(deed, tuple):
            assert await store.save(deed) == remember(held, deed)
            saved |= {entry.stream_id: now for entry in deed}
        elif isinstance(deed, list):
            await store.delete(deed)
            held = {one: parts for one, parts in held.items() if one not in deed}
        else:
            await store.close()
            store = rig.store()
        assert await store.load(IDS) == held
        order = await listed(store)
        assert sorted(order) == sorted(held)
        assert all(saved[first] >= saved[second] for first, second in pairwise(order))
    await store.close()
