"""Two Redis stores on the same keys, as in a blue/green upgrade: no two save parts side by side."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from service.engine.errors import StoreError
from service.keys import Keys
from service.redis_connection import RETRY
from service.stores.redis import RedisStore
from service.stores.redis_scripts import WRITER
from tests.integration.cutting import cutting_wire
from tests.stored import part, whole

pytestmark = pytest.mark.integration

KEYS = Keys()
TRIES = RETRY.get_retries() + 1
IDS = [f"pump-{number}" for number in range(45)]  # more than are read at a time


@pytest.fixture
async def old(url: str) -> AsyncIterator[RedisStore]:
    """The store of the service that is to go; it saved a few streams."""
    async with store_at(url) as store:
        await store.save([whole(one, head=b"old", ring=b"old") for one in IDS])
        yield store


@pytest.fixture
async def new(url: str) -> AsyncIterator[RedisStore]:
    """The store of the service that takes over."""
    async with store_at(url) as store:
        yield store


@asynccontextmanager
async def store_at(url: str) -> AsyncIterator[RedisStore]:
    """Lend a store."""
    store = RedisStore(url, KEYS, socket_timeout_s=0.2)
    yield store
    await store.close()


async def test_who_loads_goes_on_by_parts(old: RedisStore, new: RedisStore) -> None:
    """After one loaded streams, the other's parts are given back and change nothing."""
    loaded = await new.load(IDS)
    assert loaded == {one: {"head": b"old", "ring": b"old"} for one in IDS}
    late = [part(one, head=b"late") for one in IDS]
    assert await old.save([*late, whole("other", head=b"1")]) == set(IDS)
    assert await new.load([*IDS, "other"]) == loaded | {"other": {"head": b"1"}}
    assert await new.save([part(one, head=b"new") for one in IDS]) == set()
    assert await new.load(IDS) == {one: {"head": b"new", "ring": b"old"} for one in IDS}


async def test_whole_it_is_the_other_s_again(old: RedisStore, new: RedisStore) -> None:
    """A whole entry is taken from both, and after it parts of whom it came from alone."""
    for mine, others in ((new, old), (old, new), (new, old)):
        assert await mine.save([part("pump-0", head=b"2")]) == {"pump-0"}
        assert await mine.save([whole("pump-0", head=b"2", ring=b"2")]) == set()
        assert await others.save([part("pump-0", head=b"3")]) == {"pump-0"}
        assert await mine.save([part("pump-0", ring=b"4")]) == set()
    assert await new.load(["pump-0"]) == {"pump-0": {"head": b"2", "ring": b"4"}}


async def test_what_was_not_loaded_is_unknown(
    old: RedisStore, new: RedisStore, reader: Redis
) -> None:
    """Parts of streams nobody loaded here, or of a hash nobody signed, are given back."""
    assert await new.save([part("pump-0", head=b"2")]) == {"pump-0"}
    reader.hset(KEYS.state("a"), "head", "1")
    assert await new.load(["a"]) == {"a": {"head": b"1"}}
    assert await new.save([part("a", head=b"2")]) == {"a"}
    assert await old.save([part("pump-0", head=b"2")]) == set()


async def test_loading_makes_no_keys(old: RedisStore, new: RedisStore, reader: Redis) -> None:
    """What is not there, or was deleted between reading and claiming, is not brought back."""
    read = new._hashes

    async def overtaken(stream_ids: list[str]) -> object:
        found = await read(stream_ids)
        await old.delete(["pump-0"])
        return found

    new._hashes = overtaken  # type: ignore[method-assign, assignment]
    assert set(await new.load(["pump-0", "pump-1", "nobody"])) == {"pump-0", "pump-1"}
    assert not reader.exists(KEYS.state("pump-0"), KEYS.state("nobody"))
    assert await new.save([part("pump-0"), part("pump-1")]) == {"pump-0"}


async def test_a_late_claim_takes_nothing(url: str, old: RedisStore) -> None:
    """What was saved between reading and claiming stays the other's: it is not what was read."""
    with TemporaryDirectory(prefix="sw-") as directory:
        far = Path(url.removeprefix("unix://"))
        async with (
            cutting_wire(far, Path(directory)) as (wire, near_url),
            store_at(near_url) as new,
        ):
            wire.fates.extend(["late"] * TRIES)
            with pytest.raises(StoreError):
                await new.load(["pump-0", "pump-1"])
            assert await old.save([part("pump-0", head=b"2")]) == set()
            assert await wire.deliver_late() == [b"$-1\r\n"] * TRIES
            assert await new.save([part("pump-0"), part("pump-1")]) == {"pump-0"}
            assert await old.save([part("pump-0"), part("pump-1")]) == {"pump-1"}


async def test_a_full_server_can_be_read(old: RedisStore, new: RedisStore, reader: Redis) -> None:
    """Beyond `maxmemory` loading works; what could not be claimed is then saved whole."""
    reader.config_set("maxmemory", "1")
    assert len(await new.load(IDS)) == len(IDS)
    reader.config_set("maxmemory", "0")
    assert await new.save([part("pump-0", head=b"2")]) == {"pump-0"}
    assert await old.save([part("pump-0", head=b"2")]) == set()


async def test_a_key_that_is_no_hash_is_unknown(old: RedisStore, reader: Redis) -> None:
    """Parts over a key of another type are given back, the rest is saved; whole it is replaced."""
    reader.set(KEYS.state("a"), "somebody else's")
    assert await old.save([part("a", head=b"1"), part("pump-0", head=b"2")]) == {"a"}
    assert reader.get(KEYS.state("a")) == "somebody else's"
    assert (await old.load(["a", "pump-0"])) == {"pump-0": {"head": b"2", "ring": b"old"}}
    assert await old.save([whole("a", head=b"1")]) == set()
    assert await old.save([part("a", ring=b"2")]) == set()
    assert await old.load(["a"]) == {"a": {"head": b"1", "ring": b"2"}}


async def test_the_signature_is_no_part(old: RedisStore, url: str) -> None:
    """The hash says which script of whom wrote it last, under a name that no part can have."""
    with Redis.from_url(url) as client:
        before = client.hget(KEYS.state("pump-0"), WRITER)
        assert isinstance(before, bytes)
        await old.save([part("pump-0", head=b"2")])
        after = client.hget(KEYS.state("pump-0"), WRITER)
    assert isinstance(after, bytes)
    assert before.split(b":")[0] == after.split(b":")[0]
    assert before != after
    with pytest.raises(UnicodeDecodeError):
        WRITER.decode()
