import asyncio
from typing import Any

import pytest
from starlette.websockets import WebSocket
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from service.ingest.frames import FrameProtocol, is_text

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c3RlcHdhdGNoIGxvYWQgIQ==\r\n\r\n"
)


class Line(asyncio.Transport):
    """Notes what is written and whether anything is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_read = True
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


class Heard:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, bool]] = []

    def hear(self, data: bytes, *, is_binary: bool) -> None:
        self.frames.append((data, is_binary))

    def stall(self, *, is_stalled: bool) -> None:
        pass


async def test_frames_that_came_before_are_handed_over_too() -> None:
    """A client that did not wait to be accepted loses nothing, and is read on."""
    line, heard, is_taken = Line(), Heard(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        FrameProtocol.of(socket).hand_over(heard)
        is_taken.set()
        assert (await socket.receive())["type"] == "websocket.disconnect"

    config = Config(app, ws=FrameProtocol, log_config=None)
    protocol = FrameProtocol(config, ServerState(), {})
    protocol.connection_made(line)
    text, data = Frame(Opcode.TEXT, "é".encode()), Frame(Opcode.BINARY, b"\xff")
    protocol.data_received(UPGRADE + text.serialize(mask=True) + data.serialize(mask=True))
    assert not line.is_read
    await is_taken.wait()
    assert line.is_read
    protocol.data_received(text.serialize(mask=True))
    assert heard.frames == [("é".encode(), False), (b"\xff", True), ("é".encode(), False)]
    (task,) = protocol.tasks
    protocol.connection_lost(None)
    await task


async def test_another_server_has_no_such_protocol() -> None:
    """It is told, rather than half of it working."""

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    scope = {"type": "websocket", "extensions": {}}
    with pytest.raises(TypeError, match="bug"):
        FrameProtocol.of(WebSocket(scope, nothing, nothing))


@pytest.mark.parametrize(
    ("data", "is_so"),
    [(b"", True), (b"abc", True), ("é".encode(), True), (b"\xff", False), (b"\xed\xa0\x80", False)],
)
def test_text_is_utf_8(data: bytes, is_so: bool) -> None:
    """Half a surrogate pair is none."""
    assert is_text(data) == is_so
