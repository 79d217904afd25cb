import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from service.gateway import connection
from service.gateway.connection import GatewayError, connected
from service.gateway.verdicts import Problem, Verdict
from service.gateway.waiting import wait_until

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def service(handler: Handler) -> AsyncIterator[str]:
    """Answer on a WebSocket; gives its URL."""
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/ingest"


def answering(text: str) -> Handler:
    """Answer every frame with the same."""

    async def handler(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send(text)

    return handler


def closing(code: int) -> Handler:
    """Close as soon as a frame comes."""

    async def handler(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(code)

    return handler


async def exchanged(handler: Handler) -> list[Verdict] | Problem | None:
    """Send a frame; gives the answer, None if the service said goodbye."""
    async with service(handler) as url, connected(url) as open_one:
        return await open_one.exchange(b"[]")
    return None


async def test_answers_are_read() -> None:
    """Verdicts of the rows, or why the whole frame was refused."""
    assert await exchanged(answering('[{"stream_id": "a", "phase": "live"}]')) == [
        Verdict(stream_id="a", phase="live")
    ]
    assert await exchanged(answering('{"type": "busy"}')) == Problem(type="busy")


@pytest.mark.parametrize("code", [1000, 1001, 1012])
async def test_a_goodbye_ends_it_quietly(code: int) -> None:
    """A service that stops or starts anew has done nothing wrong."""
    assert await exchanged(closing(code)) is None


@pytest.mark.parametrize(
    ("handler", "told"),
    [
        (closing(1011), "ended the connection"),
        (answering("what?"), "can't be read"),
    ],
)
async def test_what_goes_wrong_is_told(handler: Handler, told: str) -> None:
    """With one kind of error for all of it."""
    with pytest.raises(GatewayError, match=told):
        await exchanged(handler)


async def test_a_service_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.0)
    with pytest.raises(GatewayError, match="did not answer"):
        await exchanged(answering("[]"))


@pytest.mark.parametrize("error", [PermissionError("/proc"), TimeoutError("a sensor")])
async def test_an_error_of_the_block_is_not_the_service_s(error: OSError) -> None:
    """It is raised as it is: the service is there."""
    async with service(answering("[]")) as url:
        with pytest.raises(type(error), match=str(error)):
            async with connected(url):
                raise error


async def test_what_is_no_address() -> None:
    """A typing error is told like a service that is not there."""
    with pytest.raises(GatewayError, match="no service at nowhere"):
        async with connected("nowhere"):
            pass


async def test_waiting_ends_when_told_to_stop() -> None:
    """However late the moment that is waited for."""
    stop = asyncio.Event()
    waiting = asyncio.create_task(wait_until(asyncio.get_running_loop().time() + 3600, stop))
    await asyncio.sleep(0)
    assert not waiting.done()
    stop.set()
    await waiting


async def test_waiting_for_what_is_over_ends_at_once() -> None:
    """A moment of an hour ago is now."""
    async with asyncio.timeout(60):
        await wait_until(asyncio.get_running_loop().time() - 3600, asyncio.Event())
