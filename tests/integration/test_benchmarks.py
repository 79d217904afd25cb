"""How the measurements count what is in a real Redis, and what they ask of a real service."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from benchmarks import speed_redis
from benchmarks.load import Answers, Line, load
from benchmarks.load_rows import Message
from benchmarks.speed_cores import Cores
from benchmarks.speed_redis import EntryLedger, RowLedger, counting, redis_alone
from benchmarks.speed_site import PACKED_KEY
from service.engine.ports import Delivery
from service.keys import Keys
from service.sinks.redis import RedisSink, ScoresMode
from tests.deliveries import scored
from tests.programs import require_program

pytestmark = pytest.mark.integration

REQUEST = b"POST / HTTP/1.1\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nv"
IDS = [f"pump-{number}" for number in range(300)]


@pytest.fixture
async def place() -> AsyncIterator[tuple[str, Redis]]:
    """A server as the measurements start it, and a client."""
    require_program("redis-server")
    async with redis_alone(Cores.of_this_machine().redis) as (url, client, _):
        yield url, client


async def write(url: str, mode: ScoresMode, deliveries: int, maxlen: int = 1_000_000) -> None:
    sink = RedisSink(url, Keys(), scores=mode, maxlen=maxlen)
    for _ in range(deliveries):
        await sink.write_batch(Delivery([scored(IDS)]))
    await sink.close()


async def test_verdicts_in_packed_entries_are_counted(place: tuple[str, Redis]) -> None:
    """As many as the sink was given, whenever it is asked."""
    url, client = place
    ledger = RowLedger(client, PACKED_KEY)
    assert await ledger.written() == 0

    await write(url, "packed", 2)
    assert await ledger.written() == 2 * len(IDS)
    await write(url, "packed", 3)

    assert await ledger.written() == 5 * len(IDS)
    assert await ledger.written() == 5 * len(IDS)


async def test_an_entry_each_is_counted(place: tuple[str, Redis]) -> None:
    """By what was ever added: trimmed entries count, too."""
    url, client = place
    ledger = EntryLedger(client, Keys().scores)
    assert await ledger.written() == 0

    await write(url, "each", 2, maxlen=10)

    assert await ledger.written() == 2 * len(IDS)


async def test_more_entries_than_are_read_at_once_are_counted(place: tuple[str, Redis]) -> None:
    """None twice, none left out; one that does not say its rows is not counted."""
    _, client = place
    ledger = RowLedger(client, "here")
    for number in range(450):
        await client.xadd("here", {"rows": number, "score": b"\0\1"})
    await client.xadd("here", {"score": 7})

    assert await ledger.written() == sum(range(450))


async def test_entries_that_are_trimmed_soon_are_counted_under_load(
    place: tuple[str, Redis], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is trimmed has been counted before; counting ends with the load."""
    monkeypatch.setattr(speed_redis, "_LOOK_S", 0.001)
    _, client = place
    ledger = RowLedger(client, "here")

    async with counting(ledger):
        for _ in range(60):
            await client.xadd("here", {"rows": 5}, maxlen=20, approximate=False)
            await asyncio.sleep(0.002)

    assert await client.xlen("here") == 20
    assert await ledger.written() == 300


async def test_what_was_trimmed_uncounted_is_missing(place: tuple[str, Redis]) -> None:
    """Rather a verdict too few, which ends with status 1, than one that nobody saw."""
    _, client = place
    ledger = RowLedger(client, "here")
    for _ in range(60):
        await client.xadd("here", {"rows": 5}, maxlen=20, approximate=False)

    assert await ledger.written() == 100


class Answering(asyncio.Protocol):
    """Answers every request with one verdict."""

    def __init__(self, there: list["Answering"]) -> None:
        there.append(self)
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.asked += data.count(REQUEST)
        # anything else is asked to find out whether the connection is accepted
        self._transport.write(RESPONSE * max(data.count(REQUEST), 1))


@pytest.mark.parametrize("rate", [None, 500.0])
async def test_every_connection_is_used(rate: float | None) -> None:
    """At a rate, too: a service closes a connection that is idle for some seconds."""
    there: list[Answering] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(there), "127.0.0.1", 0)
    async with server:
        line = Line(port=server.sockets[0].getsockname()[1], connections=4, window=1, rate=rate)
        answers = Answers(wanted=40, count=lambda body: body.count(b"v"), keep=lambda _: False)
        await load(line, iter([Message(REQUEST, 0, 1, 0)] * 40), answers)

    assert (answers.rows, answers.errors) == (40, 0)
    assert sum(one.asked for one in there) == 40
    assert min(one.asked for one in there) >= 5
