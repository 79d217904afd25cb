"""A load client that costs little: raw sockets, what is sent is written beforehand.

It keeps a number of connections busy, each with so many requests or frames under way, or sends at
a rate whether or not there are answers. Every answer is counted; some are kept to be looked at.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Final, NamedTuple

from benchmarks.load_rows import Message

TIMEOUT_S: Final = 120.0
KEPT_AT_MOST: Final = 200
_UPGRADE: Final = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: c3RlcHdhdGNoIGxvYWQgIQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_HELLO: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


class Answer(NamedTuple):
    """The body of an answer, the bytes it took, and whether it is one that is hoped for."""

    body: bytes
    size: int
    is_good: bool


Reader = Callable[[bytearray], Answer | None]
Due = tuple[Message, float]
"""What is to be sent, and since when."""


def read_response(data: bytearray) -> Answer | None:
    """Take the first HTTP response, if all of it is there."""
    end = data.find(_END)
    if end < 0:
        return None
    at = data.find(_LENGTH, 0, end)
    length = int(data[at + len(_LENGTH) : data.find(b"\r", at)]) if at >= 0 else 0
    size = end + len(_END) + length
    if len(data) < size:
        return None
    return Answer(bytes(data[size - length : size]), size, data[9:12] == b"200")


def read_frame(data: bytearray) -> Answer | None:
    """Take the first WebSocket frame of a server, if all of it is there."""
    if len(data) < 2:  # noqa: PLR2004 - RFC 6455, 5.2, as what follows
        return None
    wide = {126: 2, 127: 8}.get(data[1], 0)
    begin = 2 + wide
    size = begin + (int.from_bytes(data[2:begin], "big") if wide else data[1])
    if len(data) < size:
        return None
    return Answer(bytes(data[begin:size]), size, data[0] in {0x81, 0x82})


@dataclass(slots=True)
class Answers:
    """What came back.

    Attributes:
        wanted: Rows that were sent, or will be.
        count: Counts the verdicts in a body.
        rows: Verdicts.
        errors: Rows that got none.
        took_s: Seconds of each request or frame.
        kept: Some of them whole, to be looked at.
    """

    wanted: int
    count: Callable[[bytes], int]
    keep: Callable[[Message], bool]
    rows: int = 0
    errors: int = 0
    took_s: list[float] = field(default_factory=list)
    kept: list[tuple[Message, bytes]] = field(default_factory=list)
    trouble: str = ""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, due: Due, answer: Answer) -> None:
        """Take one answer."""
        message, since = due
        self.took_s.append(perf_counter() - since)
        good = self.count(answer.body) if answer.is_good else 0
        self.rows += good
        if good != message.rows:
            self.errors += max(1, message.rows - good)
            self.trouble = answer.body[:300].decode(errors="replace")
        elif len(self.kept) < KEPT_AT_MOST and self.keep(message):
            self.kept.append((message, answer.body))
        if self.rows + self.errors >= self.wanted:
            self.done.set()

    def lost(self) -> None:
        """Give up, as a connection ended."""
        if not self.done.is_set():
            self.trouble = "a connection ended"
            self.errors += self.wanted - self.rows - self.errors
            self.done.set()


class Connection(asyncio.Protocol):
    """Sends what is due, at most `window` at a time, and reads the answers in their order."""

    def __init__(
        self, supply: Callable[[], Due | None], window: int, answers: Answers, path: str | None
    ) -> None:
        self._supply = supply
        self._window = window
        self._answers = answers
        self._path = path
        self._under_way: deque[Due] = deque()
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self._read: Reader = read_response
        self.opened = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a WebSocket where one is wanted, else for anything.

        The kernel takes connections that the service has not accepted yet: rows sent on one of
        those would come behind later rows of the same stream.
        """
        self._transport = transport  # type: ignore[assignment]
        self._write(_HELLO if self._path is None else _UPGRADE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        """Take every answer that is complete, and send on."""
        self._data += data
        while (answer := self._read(self._data)) is not None:
            del self._data[: answer.size]
            if not self.opened.is_set():
                self._read = read_response if self._path is None else read_frame
                self.opened.set()
                continue
            self._answers.take(self._under_way.popleft(), answer)
            self.fill()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell that no more answers come."""
        self.opened.set()
        self._answers.lost()

    def fill(self) -> None:
        """Send as much as may be under way."""
        while len(self._under_way) < self._window and (due := self._supply()) is not None:
            self._under_way.append(due)
            self._write(due[0].data)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a service is spoken to.

    Attributes:
        port: Of this machine.
        connections: That are open.
        window: Requests or frames under way on each.
        path: Of the WebSocket; None: HTTP.
        rate: Messages a second; None: the next as soon as there is room.
    """

    port: int
    connections: int
    window: int
    path: str | None = None
    rate: float | None = None


async def load(line: Line, messages: Iterator[Message], answers: Answers) -> float:
    """Send everything and wait for the last answer; gives the seconds that took.

    Raises:
        TimeoutError: If it does not come.
    """
    loop, queue = asyncio.get_running_loop(), deque[Due]()
    supply = partial(_next_of, messages) if line.rate is None else partial(_popped, queue)
    made = partial(Connection, supply, line.window, answers, line.path)
    opened: list[Connection] = []
    async with asyncio.timeout(TIMEOUT_S):
        for _ in range(line.connections):
            _, connection = await loop.create_connection(made, "127.0.0.1", line.port)
            opened.append(connection)
            await connection.opened.wait()
        began = perf_counter()
        if line.rate is not None:
            await _pace(line.rate, messages, queue, opened)
        for connection in opened:
            connection.fill()
        await answers.done.wait()
    seconds = perf_counter() - began
    for connection in opened:
        connection.close()
    return seconds


def _next_of(messages: Iterator[Message]) -> Due | None:
    message = next(messages, None)
    return None if message is None else (message, perf_counter())


def _popped(queue: deque[Due]) -> Due | None:
    return queue.popleft() if queue else None


async def _pace(
    rate: float, messages: Iterator[Message], queue: deque[Due], opened: list[Connection]
) -> None:
    """Let messages become due at a rate; what finds no idle connection waits, and that counts.

    Connections take turns: one that is idle for some seconds is closed by the service.
    """
    turns, began = deque(opened), perf_counter()
    for number, message in enumerate(messages):
        await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
        # from when the timer fired: being late by part of a millisecond is not the service's doing
        queue.append((message, perf_counter()))
        for _ in range(len(turns)):
            turns.rotate(-1)
            if turns[-1].is_idle:
                turns[-1].fill()
                break
