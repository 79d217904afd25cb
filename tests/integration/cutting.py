"""A wire between a sink and its server that is cut where a test wants it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

Fate = Literal["passes", "request lost", "half a request", "reply lost", "late"]


class CuttingWire:
    """Passes bytes on, and deals with each transaction that begins as the next fate says.

    Attributes:
        fates: What happens to the transactions to come; those beyond them pass.
        late: Requests that were held back and never answered, whole.
    """

    def __init__(self, server: Path) -> None:
        self.fates: deque[Fate] = deque()
        self.late: list[bytes] = []
        self._server = server

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of the sink until one side or fate ends it."""
        answers, requests = await asyncio.open_unix_connection(str(self._server))
        fate: list[Fate] = ["passes"]
        back = asyncio.create_task(self._pass_back(answers, writer, fate))
        try:
            await self._pass_on(reader, requests, fate)
            if fate[0] == "reply lost":
                await back
        finally:
            back.cancel()
            requests.close()
            writer.close()

    async def deliver_late(self) -> list[bytes]:
        """Send each request that was held back; gives the server's replies."""
        replies = []
        for request in self.late:
            reader, writer = await asyncio.open_unix_connection(str(self._server))
            writer.write(request)
            replies.append(await reader.readline())
            writer.close()
        return replies

    async def _pass_on(
        self, reader: asyncio.StreamReader, requests: asyncio.StreamWriter, fate: list[Fate]
    ) -> None:
        while request := await reader.read(65536):
            begins = b"\r\nEVAL\r\n" in request[:32]
            if begins:
                fate[0] = self.fates.popleft() if self.fates else "passes"
            if fate[0] == "request lost":
                return
            if fate[0] == "late":
                self._hold(request, begins=begins)
                continue
            requests.write(request if fate[0] != "half a request" else request[: len(request) // 2])
            if fate[0] == "half a request":
                await requests.drain()
                return

    def _hold(self, request: bytes, *, begins: bool) -> None:
        if begins:
            self.late.append(b"")
        self.late[-1] += request

    async def _pass_back(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: list[Fate]
    ) -> None:
        while answer := await answers.read(65536):
            if fate[0] == "reply lost":
                writer.close()
                return
            writer.write(answer)


@asynccontextmanager
async def cutting_wire(server: Path, directory: Path) -> AsyncIterator[tuple[CuttingWire, str]]:
    """Lay a wire to a server's socket; gives it and the URL of its near end."""
    wire = CuttingWire(server)
    near = directory / "wire.sock"
    async with await asyncio.start_unix_server(wire.connect, str(near)):
        yield wire, f"unix://{near}"
