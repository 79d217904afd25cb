"""Uvicorn's WebSocket protocol with a shorter way for frames of observations.

An ASGI application is handed one message at a time, through a queue, and reading stops while one
waits in it; an answer is awaited. Once the application has accepted a connection it may have its
frames handed over as they are read, and write answers as soon as they are there. Everything else,
from the handshake to the closing one, stays uvicorn's; docs/adr/0007 says what is leaned on.
"""

from typing import Any, Final, NamedTuple, Protocol, cast

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request
from websockets.protocol import State

from service.ingest.plain_frames import PlainFrames, framed

_EXTENSION: Final = "stepwatch.frames"


class Said(NamedTuple):
    """A frame that goes out."""

    data: bytes
    is_binary: bool


class Hearer(Protocol):
    """Who takes frames as they come."""

    def hear(self, data: bytes, *, is_binary: bool) -> None:
        """Take a frame; text is UTF-8."""
        ...

    def stall(self, *, is_stalled: bool) -> None:
        """Note that what was written is not read, or is read again."""
        ...


class FrameProtocol(WebSocketsSansIOProtocol):
    """Hands frames over to who asked for them, past the application's queue."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._hearer: Hearer | None = None
        self._is_held = False
        self._plain: PlainFrames | None = None
        self._is_early = False
        """Whether the parser may be amid a frame when frames are handed over."""

    @classmethod
    def of(cls, socket: WebSocket) -> "FrameProtocol":
        """Find the protocol of a connection."""
        found = socket.scope["extensions"].get(_EXTENSION)
        if not isinstance(found, cls):
            raise TypeError("this is a bug: the server does not speak through this protocol")
        return found

    def hand_over(self, hearer: Hearer) -> None:
        """Give frames to somebody from now on; only what ends the connection is still queued."""
        self._hearer = hearer
        if not self._is_early and not self.conn.extensions:
            self._plain = PlainFrames(self.config.ws_max_size)
        queued = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        for message in queued:
            if message["type"] != "websocket.receive":
                self.queue.put_nowait(message)
            elif (text := message.get("text")) is not None:
                hearer.hear(text.encode(), is_binary=False)
            else:
                hearer.hear(message["bytes"] or b"", is_binary=True)
        self.hold(is_held=self._is_held)

    def hold(self, *, is_held: bool) -> None:
        """Read no more, or read on; while answers are not read nothing is."""
        self._is_held = is_held
        is_paused = is_held or not self.writable.is_set()
        if is_paused == self.read_paused or self.transport.is_closing():
            return
        self.read_paused = is_paused
        if is_paused:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def say(self, answers: list[Said]) -> None:
        """Write frames; where the connection ends already, for nobody."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        if not self.conn.extensions and self.conn.state is State.OPEN:
            written = [framed(one.data, is_binary=one.is_binary) for one in answers]
            self.transport.write(written[0] if len(written) == 1 else b"".join(written))
            return
        try:
            for answer in answers:
                if answer.is_binary:
                    self.conn.send_binary(answer.data)
                else:
                    self.conn.send_text(answer.data)
        except InvalidState:  # the other side has begun to close
            return
        self.transport.write(b"".join(self.conn.data_to_send()))

    # what uvicorn does otherwise

    def data_received(self, data: bytes) -> None:
        """Take plain frames here, and leave the others to the parser."""
        plain, hearer = self._plain, self._hearer
        if plain is None or hearer is None:
            self._is_early |= self.handshake_initiated or not data.endswith(b"\r\n\r\n")
            super().data_received(data)
            return
        plain.feed(data)
        while self.conn.state is State.OPEN:
            found = plain.next()
            if found is None:
                return
            if isinstance(found, bytes):
                super().data_received(found)
            elif found.is_binary or is_text(found.data):
                hearer.hear(found.data, is_binary=found.is_binary)
            else:
                self.frames, self.curr_msg_data_type = [found.data], "text"
                super().send_receive_event_to_app()  # closes with 1007
        # one side closes: what still comes is between the parser and them
        self._plain = None
        if (rest := plain.rest()) and not self.transport.is_closing():
            super().data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of who was given frames, who holds this protocol."""
        super().connection_lost(exc)
        self._hearer = self._plain = None

    def handle_connect(self, event: Request) -> None:
        """Let the application find this protocol."""
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope["extensions"])[_EXTENSION] = self

    def send_receive_event_to_app(self) -> None:
        """Hand a message over."""
        if self._hearer is None:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        is_binary = self.curr_msg_data_type == "bytes"
        if not is_binary and not is_text(data):
            super().send_receive_event_to_app()  # closes with 1007
            return
        self.frames = []
        if not self.close_sent:
            self._hearer.hear(data, is_binary=is_binary)

    def pause_writing(self) -> None:
        """Note that the other side does not read."""
        super().pause_writing()
        if self._hearer is not None:
            self.hold(is_held=self._is_held)
            self._hearer.stall(is_stalled=True)

    def resume_writing(self) -> None:
        """Note that the other side reads again."""
        super().resume_writing()
        if self._hearer is not None:
            self.hold(is_held=self._is_held)
            self._hearer.stall(is_stalled=False)


def is_text(data: bytes) -> bool:
    """Tell whether bytes are UTF-8."""
    if data.isascii():  # most are, and this is quickly seen
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
