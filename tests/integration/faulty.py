"""A TCP proxy that misbehaves as it is told, between the service and its Redis."""

import asyncio
import socket
import struct
from typing import Final, Self

LINGER_0: Final = struct.pack("ii", 1, 0)
"""Makes closing a socket send RST and forget what was not yet sent."""
CHUNK_BYTES: Final = 4096
CHUNKS_ON_THE_WAY: Final = 64
_Way = asyncio.Queue[tuple[float, bytes]]


class FaultProxy:
    """Passes bytes on between clients and one server; every fault may come and go at any time.

    Args:
        target_host: Where the server listens.
        target_port: Its port.

    Attributes:
        latency_s: Added to every round trip, half of it each way, in seconds.
        bytes_per_s: What all connections together may carry each way; None: no limit.
        refuse: New connections are closed at once.
        accepted: How many connections came in, refused ones included.
    """

    def __init__(self, target_host: str, target_port: int) -> None:
        self.latency_s = 0.0
        self.bytes_per_s: float | None = None
        self.refuse = False
        self.accepted = 0
        self._target = target_host, target_port
        self._passable = asyncio.Event()
        self._passable.set()
        self._there, self._back = asyncio.Lock(), asyncio.Lock()
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        ending = list(self._connections)
        self.reset()
        await asyncio.gather(*ending, return_exceptions=True)

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def black_hole(self) -> bool:
        """Whether connections are accepted and nothing passes; what comes in is held back."""
        return not self._passable.is_set()

    @black_hole.setter
    def black_hole(self, is_wanted: bool) -> None:
        if is_wanted:
            self._passable.clear()
        else:
            self._passable.set()

    def reset(self) -> None:
        """End every connection now, with RST to both sides; what is on the way is lost."""
        for task, writers in self._connections.items():
            for writer in writers:
                _abort(writer)
            task.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuse:
            writer.close()
            return
        writers = [writer]
        task = asyncio.create_task(self._connect(reader, writers))
        self._connections[task] = writers
        task.add_done_callback(self._connections.pop)

    async def _connect(
        self, reader: asyncio.StreamReader, writers: list[asyncio.StreamWriter]
    ) -> None:
        try:
            await self._passable.wait()
            answers, requests = await asyncio.open_connection(*self._target)
            writers.append(requests)
            there, back = _Way(CHUNKS_ON_THE_WAY), _Way(CHUNKS_ON_THE_WAY)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._take(reader, there))
                ways.create_task(self._give(there, requests, self._there))
                ways.create_task(self._take(answers, back))
                ways.create_task(self._give(back, writers[0], self._back))
        except* OSError:  # one side has gone: so has the connection
            for writer in writers:
                _abort(writer)
        finally:
            for writer in writers:
                writer.close()

    async def _take(self, source: asyncio.StreamReader, way: _Way) -> None:
        loop = asyncio.get_running_loop()
        while data := await source.read(CHUNK_BYTES):
            await way.put((loop.time() + self.latency_s / 2, data))
        await way.put((loop.time() + self.latency_s / 2, b""))

    async def _give(self, way: _Way, sink: asyncio.StreamWriter, link: asyncio.Lock) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            async with link:  # a narrow link carries one chunk after another
                await asyncio.sleep(len(data) / self.bytes_per_s if self.bytes_per_s else 0)
            await self._passable.wait()
            if not data:
                sink.close()
                return
            sink.write(data)
            await sink.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    near = writer.get_extra_info("socket")
    if near is not None and not writer.is_closing():
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
    writer.transport.abort()
