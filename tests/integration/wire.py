"""HTTP as bytes on a socket, for what no client library would send."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from tests.integration.running import ANSWER_S, Running, observations

LONG = 1500
"""Rows of one stream: as many rounds, away from the loop."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        headers: By name in small letters.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *requests: bytes) -> None:
        """Send in one go."""
        self.writer.write(b"".join(requests))

    async def answer(self, *, has_body: bool = True) -> Answer:
        """Read the next answer."""
        async with asyncio.timeout(ANSWER_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *lines = head.strip().split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (one.partition(":") for one in lines)
            }
            length = int(headers.get("content-length", 0)) if has_body else 0
            body = await self.reader.readexactly(length)
        return Answer(int(line.split()[1]), headers, body)

    async def answers(self, count: int) -> list[Answer]:
        """Read so many answers."""
        return [await self.answer() for _ in range(count)]

    async def rest(self) -> bytes:
        """Read until the other side closes."""
        async with asyncio.timeout(ANSWER_S):
            return await self.reader.read()


@asynccontextmanager
async def wired(service: Running) -> AsyncIterator[Wire]:
    """Open a connection to the service."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def post(
    body: Any, path: str = "/v1/observations", headers: str = "", method: str = "POST"
) -> bytes:
    """Write a request with a JSON body; further headers end with a line end each."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def get(path: str, method: str = "GET", headers: str = "") -> bytes:
    """Write a request without a body."""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


async def known(service: Running, stream_id: str, count: int) -> list[dict[str, Any]]:
    """Let the service know a stream; gives what comes next."""
    first, *rows = observations(stream_id, count + 1)
    assert (await service.http.post("/v1/observations", json=first)).is_success
    return rows
