import asyncio
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from service.ingest.frames import FrameProtocol
from service.ingest.plain_frames import Plain, PlainFrames, framed
from tests.unit.ingest.test_frames import UPGRADE, Heard, Line

MAX_SIZE = 300
TEXTS = st.text(max_size=80).map(str.encode)
SIZES = st.sampled_from([0, 1, 124, 125, 126, 127, MAX_SIZE, MAX_SIZE + 1, 70_000])
WHOLE = st.one_of(
    st.builds(Frame, st.just(Opcode.TEXT), TEXTS),
    st.builds(Frame, st.just(Opcode.BINARY), SIZES.map(bytes)),
)
PIECES = st.lists(st.binary(max_size=20), min_size=2, max_size=4).map(
    lambda parts: [
        Frame(Opcode.CONT if at else Opcode.BINARY, part, fin=at == len(parts) - 1)
        for at, part in enumerate(parts)
    ]
)
CONTROL = st.one_of(
    st.builds(Frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
    st.builds(Frame, st.just(Opcode.CLOSE), st.just(Close(1000, "").serialize())),
)
BROKEN = st.one_of(
    st.builds(Frame, st.just(Opcode.TEXT), st.just(b"\xff")),
    st.builds(Frame, st.just(Opcode.TEXT), TEXTS, fin=st.just(False)),
    st.builds(Frame, st.just(Opcode.CONT), TEXTS),
)
RESERVED = st.sampled_from([b"\xc1\x80\0\0\0\0", b"\x83\x80\0\0\0\0", b"\x81\xfe\0\x01\0\0\0\0a"])
"""A bit or an opcode that means nothing, a length longer than it need be."""


def written(frame: Frame, mask: bool = True) -> bytes:
    """Write a frame, however wrong it is."""
    return Frame(frame.opcode, frame.data, frame.fin).serialize(mask=mask)


SENT = st.lists(
    st.one_of(
        WHOLE.map(written),
        PIECES.map(lambda frames: b"".join(map(written, frames))),
        st.tuples(PIECES, CONTROL).map(
            lambda both: b"".join(map(written, [both[0][0], both[1], *both[0][1:]]))
        ),
        CONTROL.map(written),
        BROKEN.map(written),
        RESERVED,
        WHOLE.map(lambda frame: written(frame, False)),
        st.binary(max_size=10),
    ),
    max_size=6,
).map(b"".join)


async def through(chunks: Sequence[bytes], *, is_plain: bool) -> tuple[Any, ...]:
    """Give what is heard, what is written, and what the application is told, after all of it."""
    is_taken, line, heard = asyncio.Event(), Line(), Heard()
    told: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        is_taken.set()
        while not told or told[-1]["type"] != "websocket.disconnect":
            told.append(await receive())

    config = Config(app, ws=FrameProtocol, log_config=None, ws_max_size=MAX_SIZE)
    protocol = FrameProtocol(config, ServerState(), {})
    protocol.connection_made(line)
    protocol.data_received(UPGRADE)
    await is_taken.wait()
    protocol.hand_over(heard)
    if not is_plain:
        protocol._plain = None
    assert (protocol._plain is not None) == is_plain
    line.written = b""
    for chunk in chunks:
        if not line.is_closed:
            protocol.data_received(chunk)
    (task,) = protocol.tasks
    protocol.connection_lost(None)
    await task
    return heard.frames, line.written, told


@settings(deadline=None, max_examples=500)
@given(data=SENT, cuts=st.lists(st.integers(0, 1000), max_size=6))
def test_they_are_what_the_parser_makes_of_them(data: bytes, cuts: list[int]) -> None:
    """Messages, answers to pings and the end, of whatever is sent and however it is cut."""
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    chunks = [data[begin:end] for begin, end in itertools.pairwise(places)]
    ours = asyncio.run(through(chunks, is_plain=True))
    # uvicorn drops what stands in one packet before a frame that is broken: byte by byte
    each = [data[at : at + 1] for at in range(len(data))]
    assert ours == asyncio.run(through(each, is_plain=False))


KINDS = {
    "text": written(Frame(Opcode.TEXT, b"a")),
    "binary": written(Frame(Opcode.BINARY, bytes(200))),
    "unmasked": written(Frame(Opcode.TEXT, b"a"), mask=False),
    "too large": written(Frame(Opcode.TEXT, bytes(MAX_SIZE + 1))),
    "no text": written(Frame(Opcode.TEXT, b"\xff")),
    "begun": written(Frame(Opcode.TEXT, b"a", fin=False)),
    "gone on": written(Frame(Opcode.CONT, b"b", fin=False)),
    "ended": written(Frame(Opcode.CONT, b"c")),
    "ping": written(Frame(Opcode.PING, b"p")),
    "pong": written(Frame(Opcode.PONG, b"p")),
    "close": written(Frame(Opcode.CLOSE, Close(1000, "").serialize())),
    "reserved": b"\xc1\x80\0\0\0\0",
}


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_frames_after_frames(first: str, second: str) -> None:
    """Every kind after every other, and a plain one and the end of another behind them."""
    for behind in (KINDS["ended"] + KINDS["text"], KINDS["text"] + KINDS["ended"]):
        data = KINDS[first] + KINDS[second] + behind
        each = [data[at : at + 1] for at in range(len(data))]
        wanted = asyncio.run(through(each, is_plain=False))
        assert asyncio.run(through([data], is_plain=True)) == wanted
        assert asyncio.run(through(each, is_plain=True)) == wanted


def test_frames_byte_by_byte() -> None:
    """Nothing is taken before it is whole, and then all of it."""
    frames = PlainFrames(1000)
    data = b"".join(
        Frame(Opcode.TEXT, text).serialize(mask=True) for text in (b"", b"a", b"b" * 200)
    )
    found = []
    for byte in data:
        frames.feed(bytes([byte]))
        while (one := frames.next()) is not None:
            found.append(one)
    assert found == [Plain(text, is_binary=False) for text in (b"", b"a", b"b" * 200)]
    assert frames.rest() == b""


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 100_000])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_frames_are_written_as_by_the_library(size: int, opcode: Opcode) -> None:
    """To the last byte, whatever the length."""
    data = b"x" * size
    wanted = Frame(opcode, data).serialize(mask=False)
    assert framed(data, is_binary=opcode is Opcode.BINARY) == wanted
