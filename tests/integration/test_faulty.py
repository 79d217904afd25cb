"""The proxy that misbehaves as it is told: each fault comes, and goes again."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from time import perf_counter

import pytest

from tests.integration.faulty import FaultProxy
from tests.integration.running import ANSWER_S

pytestmark = pytest.mark.integration

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while (line := await reader.readline()) not in {b"", b"bye\n"}:
            writer.write(line)
    except ConnectionResetError:  # it may come to that here
        writer.transport.abort()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[FaultProxy]:
    """A proxy before a server that gives back every line."""
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy("127.0.0.1", port) as running:
            yield running


async def connect(proxy: FaultProxy) -> Connection:
    """Connect through the proxy."""
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoed(connection: Connection, line: bytes = b"hello\n") -> float:
    """Send a line and wait until it is back; gives the seconds that took."""
    reader, writer = connection
    began = perf_counter()
    writer.write(line)
    async with asyncio.timeout(ANSWER_S):
        assert await reader.readexactly(len(line)) == line
    return perf_counter() - began


async def ending(reading: Awaitable[bytes]) -> bytes:
    """Wait for what comes before the end of a connection."""
    async with asyncio.timeout(ANSWER_S):
        return await reading


async def test_it_passes_everything_on(proxy: FaultProxy) -> None:
    """Without a fault what is sent arrives whole, on each connection, up to its end."""
    connections = [await connect(proxy) for _ in range(3)]
    for connection in connections:
        await echoed(connection, 50_000 * b"x" + b"\n")
    for reader, writer in connections:
        writer.write(b"bye\n")
        assert await ending(reader.read()) == b""
        writer.close()
    assert proxy.accepted == 3


async def test_latency_is_that_of_the_round_trip(proxy: FaultProxy) -> None:
    """Half of it is added each way, also to connections that are there."""
    connection = await connect(proxy)
    await echoed(connection)
    proxy.latency_s = 0.2
    assert await echoed(connection) >= 0.19
    connection[1].close()


async def test_a_narrow_link_takes_its_time(proxy: FaultProxy) -> None:
    """20,000 bytes take a tenth of a second each way at 200,000 a second."""
    connection = await connect(proxy)
    proxy.bytes_per_s = 200_000
    assert await echoed(connection, 19_999 * b"x" + b"\n") >= 0.1
    connection[1].close()


async def test_a_reset_ends_every_connection(proxy: FaultProxy) -> None:
    """Both connections end with RST at once; a new one works."""
    connections = [await connect(proxy), await connect(proxy)]
    for connection in connections:
        await echoed(connection)
    proxy.reset()
    for reader, writer in connections:
        with pytest.raises(ConnectionResetError):
            await ending(reader.read())
        writer.close()
    again = await connect(proxy)
    await echoed(again)
    again[1].close()


async def test_a_black_hole_holds_back(proxy: FaultProxy) -> None:
    """Old and new connections hear nothing until it has gone; then what was sent arrives."""
    old = await connect(proxy)
    await echoed(old)
    proxy.black_hole = True
    new = await connect(proxy)
    waiting = [asyncio.create_task(echoed(one)) for one in (old, new)]
    done, _ = await asyncio.wait(waiting, timeout=0.2)
    assert not done
    proxy.black_hole = False
    assert min(await asyncio.gather(*waiting)) >= 0.19
    for _, writer in (old, new):
        writer.close()


async def test_a_refusal_closes_at_once(proxy: FaultProxy) -> None:
    """A connection that is refused ends without a byte; those before it go on."""
    old = await connect(proxy)
    await echoed(old)
    proxy.refuse = True
    reader, writer = await connect(proxy)
    assert await ending(reader.read()) == b""
    await echoed(old)
    for one in (writer, old[1]):
        one.close()


async def test_a_server_that_is_away_is_a_closed_connection() -> None:
    """Where nobody listens the client's connection ends."""
    async with await asyncio.start_server(_echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    async with FaultProxy("127.0.0.1", port) as proxy:
        reader, writer = await connect(proxy)
        with pytest.raises(ConnectionResetError):
            await ending(reader.read())
        writer.close()
