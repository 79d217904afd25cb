"""A real HTTP server that takes what sinks post, and answers as a test tells it."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass(frozen=True, slots=True)
class Received:
    """One request: where it went, its headers by lower-case name, and its body."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer; one that hangs comes only when the test is over."""

    status: int = 200
    text: str = ""
    headers: Mapping[str, str] | None = None
    hangs: bool = False


class Receiver:
    """Keeps what it gets.

    Attributes:
        received: Requests, in the order they came.
        answers: What it answers, one a request; 200 once there is none left.
        url: Its address, set while it runs.
        arrived: Set by each request.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: deque[Told] = deque()
        self.url = ""
        self.arrived = asyncio.Event()
        self._over = asyncio.Event()

    @property
    def bodies(self) -> list[Any]:
        """The bodies of all requests, read."""
        return [one.json for one in self.received]

    async def until(self, count: int) -> None:
        """Wait until so many requests have come."""
        while len(self.received) < count:
            self.arrived.clear()
            await self.arrived.wait()

    async def handle(self, request: web.Request) -> web.Response:
        """Take a request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path_qs, headers, await request.read()))
        self.arrived.set()
        told = self.answers.popleft() if self.answers else Told()
        if told.hangs:
            await self._over.wait()
        return web.Response(status=told.status, text=told.text, headers=told.headers)

    def end(self) -> None:
        """Let go of what hangs."""
        self._over.set()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of this machine."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    async with TestServer(app, host="127.0.0.1") as server:
        receiver.url = str(server.make_url("/")).rstrip("/")
        try:
            yield receiver
        finally:
            receiver.end()


async def free_url() -> str:
    """Give an address of this machine where nobody listens."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"http://127.0.0.1:{port}"
