"""The Redis store against real servers: what lies there, and what failure leaves."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from redis import Redis

from service.engine.errors import StoreError
from service.keys import Keys
from service.redis_connection import RETRY
from service.stores.redis import BYTES_PER_SCRIPT, ENTRIES_PER_SCRIPT, RedisStore
from tests.integration.cutting import CuttingWire, Fate, cutting_wire
from tests.integration.servers import Server, process_id
from tests.stored import listed, part, whole

pytestmark = pytest.mark.integration

KEYS = Keys()
TRIES = RETRY.get_retries() + 1
TIMEOUT_S = 0.2
MANY = [whole(f"pump-{number}", head=b"1", ring=b"r" * 100) for number in range(450)]
IDS = [entry.stream_id for entry in MANY]


@pytest.fixture
async def store(url: str) -> AsyncIterator[RedisStore]:
    """A store with the usual settings."""
    made = RedisStore(url, KEYS)
    yield made
    await made.close()


@pytest.fixture
async def wired(url: str) -> AsyncIterator[tuple[CuttingWire, RedisStore]]:
    """A store, and the wire it hangs on."""
    with TemporaryDirectory(prefix="sw-") as directory:
        server = Path(url.removeprefix("unix://"))
        async with cutting_wire(server, Path(directory)) as (wire, near_url):
            made = RedisStore(near_url, KEYS, socket_timeout_s=TIMEOUT_S)
            yield wire, made
            await made.close()


async def failure_of(store: RedisStore) -> StoreError:
    """Try to save, load, delete and list; gives the error all of them raise."""
    errors = []
    for work in (
        store.save(MANY),
        store.load(IDS),
        store.delete(["nobody"]),
        listed(store),
    ):
        with pytest.raises(StoreError) as failed:
            await work
        errors.append(failed.value)
    assert len({error.kind for error in errors}) == 1
    assert all(str(error) for error in errors)
    return errors[0]


async def test_a_hash_a_stream_and_an_index(store: RedisStore, reader: Redis) -> None:
    """A person finds each stream under its name, its parts as fields, and all in the index."""
    await store.save([whole("plant/a", head=b"1", ring=b"rr"), whole("b", head=b"1")])
    await store.save([part("b", head=b"2")])
    assert reader.hmget("sw:{0}:state:plant/a", "head", "ring") == ["1", "rr"]
    assert reader.hlen("sw:{0}:state:plant/a") == 2 + 1  # and whose it is
    assert reader.zrevrange("sw:{0}:states", 0, -1) == ["b", "plant/a"]
    await store.delete(["b", "plant/a"])
    assert not reader.exists("sw:{0}:state:plant/a", "sw:{0}:state:b", "sw:{0}:states")


@pytest.mark.parametrize(
    "sizes",
    [
        [10] * (2 * ENTRIES_PER_SCRIPT + 1),
        [BYTES_PER_SCRIPT // 3] * 7,
        [2 * BYTES_PER_SCRIPT, 2 * BYTES_PER_SCRIPT, 1],
    ],
    ids=["many", "large", "larger than a script"],
)
async def test_scripts_are_bounded(store: RedisStore, reader: Redis, sizes: list[int]) -> None:
    """What exceeds one script, in number or in bytes, goes in several and arrives whole."""
    entries = [whole(f"pump-{at}", ring=b"x" * size) for at, size in enumerate(sizes)]
    await store.save(entries)
    info = reader.info("commandstats")
    assert isinstance(info, dict)
    assert info["cmdstat_eval"]["calls"] == 3
    assert await store.load(IDS) == {entry.stream_id: entry.parts for entry in entries}


async def test_thousands_of_parts_are_fine(store: RedisStore) -> None:
    """A stream may have more parts than a script's stack holds values."""
    parts = {f"part-{number}": b"%d" % number for number in range(9000)}
    await store.save([whole("a", **parts)])
    assert await store.load(["a"]) == {"a": parts}


async def test_the_order_survives_a_clock_set_back(store: RedisStore, reader: Redis) -> None:
    """What is saved now is listed first even if the clock once showed a later time."""
    await store.save([whole("a", head=b"1"), whole("b", head=b"1")])
    reader.zadd(KEYS.states, {"a": 2e15})
    await store.save([part("b", head=b"2")])
    assert await listed(store) == ["b", "a"]


async def test_a_lost_hash_is_unknown(store: RedisStore, reader: Redis) -> None:
    """Where the server lost or evicted a hash its parts are refused and nothing is loaded."""
    await store.save([whole("a", head=b"1", ring=b"r")])
    reader.delete(KEYS.state("a"))
    assert await store.save([part("a", head=b"2")]) == {"a"}
    assert await store.load(["a"]) == {}


async def test_a_stopped_server_is_an_error_until_it_is_back(
    server: Server, store: RedisStore
) -> None:
    """Without the server everything fails with `connection`; with it again the same succeeds."""
    await store.save([whole("before", head=b"1")])
    server.stop()
    assert (await failure_of(store)).kind == "connection"
    server.start()
    assert await store.save([*MANY, part("before", head=b"2")]) == set()
    assert len(await store.load([*IDS, "before"])) == len(MANY) + 1


async def test_a_server_that_hangs_is_a_timeout(url: str, reader: Redis) -> None:
    """While the server hangs everything fails with `timeout`; when it goes on it succeeds."""
    store = RedisStore(url, KEYS, socket_timeout_s=TIMEOUT_S)
    await store.save([whole("before", head=b"1")])
    process = process_id(reader)
    os.kill(process, signal.SIGSTOP)
    try:
        error = await failure_of(store)
    finally:
        os.kill(process, signal.SIGCONT)
    assert error.kind == "timeout"
    assert await store.save(MANY) == set()
    assert len(await listed(store)) == len(MANY) + 1
    await store.close()


async def test_a_wrong_password_is_an_error_that_hides_it(url: str, reader: Redis) -> None:
    """A wrong or missing password fails with `auth`, and no text holds it."""
    reader.config_set("requirepass", "right-secret")
    for wrong in (url, url.replace("unix://", "unix://:wrong-secret@")):
        store = RedisStore(wrong, KEYS)
        error = await failure_of(store)
        assert error.kind == "auth"
        assert "secret" not in f"{error} {error.__cause__!r} {store!r}"
        await store.close()
    store = RedisStore(url.replace("unix://", "unix://:right-secret@"), KEYS)
    assert await store.save(MANY) == set()
    await store.close()
    reader.config_set("requirepass", "")


async def test_a_full_server_changes_nothing(store: RedisStore, reader: Redis) -> None:
    """Beyond `maxmemory` saving fails with `full`, what was stays, and deleting still works."""
    old = [whole("a", head=b"1", ring=b"r"), whole("b", head=b"1")]
    await store.save(old)
    reader.config_set("maxmemory", "1")
    new = [whole("a", head=b"2"), part("b", tail=b"2"), whole("c", head=b"2")]
    for entries in (new, new[:1], new[1:2], new[2:]):
        with pytest.raises(StoreError) as failed:
            await store.save(entries)
        assert failed.value.kind == "full"
    assert await store.load(["a", "b", "c"]) == {entry.stream_id: entry.parts for entry in old}
    assert sorted(await listed(store)) == ["a", "b"]
    await store.delete(["nobody", "b"])
    reader.config_set("maxmemory", "0")
    assert await store.save(new) == {"b"}
    assert await store.load(["a", "b", "c"]) == {"a": {"head": b"2"}, "c": {"head": b"2"}}


@pytest.mark.parametrize("fate", ["request lost", "half a request", "reply lost", "late"])
@pytest.mark.parametrize("before", [0, 2], ids=["first", "last"])
async def test_a_cut_wire_is_mended_by_repeating(
    wired: tuple[CuttingWire, RedisStore], fate: Fate, before: int
) -> None:
    """Wherever saving is cut, it raises, and repeating it stores all and tells the unknown."""
    wire, store = wired
    wire.fates.extend(["passes"] * before)
    wire.fates.extend([fate] * TRIES)
    entries = [*MANY, part("ghost", head=b"1")]
    with pytest.raises(StoreError) as failed:
        await store.save(entries)
    assert failed.value.kind in {"connection", "timeout"}
    assert await store.save(entries) == {"ghost"}
    assert len(await store.load(IDS)) == len(MANY)


async def test_the_client_tries_once_more_by_itself(
    wired: tuple[CuttingWire, RedisStore],
) -> None:
    """A single lost reply is no error at all, and the second one still tells the unknown."""
    wire, store = wired
    wire.fates.append("reply lost")
    assert await store.save([part("ghost", head=b"1"), whole("a", head=b"1")]) == {"ghost"}
    assert await listed(store) == ["a"]


async def test_what_arrives_late_is_ignored(wired: tuple[CuttingWire, RedisStore]) -> None:
    """A save that reaches the server after later ones brings back neither parts nor streams."""
    wire, store = wired
    wire.fates.extend(["late"] * TRIES)
    with pytest.raises(StoreError):
        await store.save([whole("a", head=b"old", ring=b"old"), whole("gone", head=b"old")])
    await store.save([whole("a", head=b"new"), whole("gone", head=b"new")])
    await store.delete(["gone"])
    assert await wire.deliver_late() == [b"*0\r\n"] * TRIES
    assert await store.load(["a", "gone"]) == {"a": {"head": b"new"}}
    assert await listed(store) == ["a"]
