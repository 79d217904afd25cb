"""Frames of a WebSocket as they may come: cut, together, in pieces, unread, and too many."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from websockets.frames import Frame, Opcode

from service.ingest.session import WINDOW
from tests.integration.running import (
    ANSWER_S,
    Running,
    observations,
    running_service,
    settings_of,
)
from tests.integration.test_websocket import ask, closed
from tests.integration.wire import get, wired

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: c3RlcHdhdGNoIGxvYWQgIQ==\r\n"
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for all: every test has streams of its own."""
    async with running_service(settings_of(tmp_path_factory.mktemp("service"))) as running:
        yield running


def framed(row: Any) -> bytes:
    """Write a frame as a client does."""
    return Frame(Opcode.TEXT, json.dumps(row).encode()).serialize(mask=True)


async def heard(reader: asyncio.StreamReader, count: int) -> list[Any]:
    """Read so many frames, none longer than 64 KiB."""
    found = []
    async with asyncio.timeout(ANSWER_S):
        for _ in range(count):
            _, size = await reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            found.append(json.loads(await reader.readexactly(size)))
    return found


@pytest.mark.parametrize("size", [1, 3, 50, 333, 5000])
async def test_frames_cut_anywhere(service: Running, size: int) -> None:
    """Packets that end amid frames, several in each or one in several."""
    rows = observations(f"cut-{size}", 3 * WINDOW if size > 100 else 8)
    data = b"".join(map(framed, rows))
    async with wired(service) as wire:
        wire.send(get("/v1/ingest", headers=UPGRADE))
        assert (await wire.answer(has_body=False)).status == 101
        for begin in range(0, len(data), size):
            wire.send(data[begin : begin + size])
            await asyncio.sleep(0)
        answers = await heard(wire.reader, len(rows))
    assert [row["seq"] for row in answers] == [row["seq"] for row in rows]


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_messages_in_pieces(service: Running, compression: str | None) -> None:
    """A message of several frames is one message, with pings between them or without."""
    rows = observations(f"pieces-{compression}", 4)
    texts = [json.dumps(row) for row in rows]
    async with service.websocket(compression=compression) as socket:

        async def pieces() -> AsyncIterator[str]:
            for begin in range(0, len(texts[1]), 20):
                yield texts[1][begin : begin + 20]
                await (await socket.ping())

        await socket.send(texts[0])
        await socket.send(pieces())
        await socket.send(json.dumps(rows[2:]))
        answers = [json.loads(await socket.recv()) for _ in range(3)]
    assert [answers[0]["seq"], answers[1]["seq"]] == [0, 1]
    assert [row["seq"] for row in answers[2]] == [2, 3]


async def test_frames_of_every_kind_keep_their_order(service: Running) -> None:
    """Known streams and new ones, one row and many, good and bad, all at once."""
    known, new = observations("known", 60), [observations(f"new-{at}", 1)[0] for at in range(20)]
    frames: list[Any] = []
    for at in range(20):
        frames += [known[3 * at], new[at], known[3 * at + 1 : 3 * at + 3], "{", new[at]]
    async with service.websocket() as socket:
        answers = await ask(socket, *frames)
    assert [one["seq"] for one in answers[::5]] == [row["seq"] for row in known[::3]]
    assert [one["stream_id"] for one in answers[1::5]] == [row["stream_id"] for row in new]
    assert [row["seq"] for one in answers[2::5] for row in one] == [
        row["seq"] for row in known if row["seq"] % 3
    ]
    assert {one["type"] for one in answers[3::5]} == {"malformed-json"}
    assert {one["error"]["type"] for one in answers[4::5]} == {"duplicate"}


async def test_frames_behind_an_overload_are_left(tmp_path: Path) -> None:
    """What came before is answered, what comes behind is neither taken nor answered."""
    rows = observations("b", 3)
    async with running_service(settings_of(tmp_path, max_waiting=1)) as service:
        async with service.websocket(max_size=None) as socket:
            frames = (observations("a", 1500), rows[0], rows[1], rows[2:], "{")
            for frame in frames:
                await socket.send(json.dumps(frame))
            assert len(json.loads(await socket.recv())) == 1500
            assert json.loads(await socket.recv())["type"] == "overloaded"
            assert await closed(socket) == 1013
        assert (await service.http.get("/v1/streams/b")).status_code == 404


async def test_who_reads_late_gets_everything(service: Running) -> None:
    """Answers that nobody read for a while are all there, in order, and frames went on."""
    bad, count = json.dumps([7] * 2000), 2 * WINDOW
    async with service.websocket(compression=None, max_queue=1, max_size=None) as socket:
        sending = asyncio.create_task(send_all(socket, [bad] * count))
        assert (await service.http.get("/healthz")).is_success
        async with asyncio.timeout(ANSWER_S):
            for _ in range(count):
                assert len(json.loads(await socket.recv())) == 2000
        await sending


async def send_all(socket: Any, frames: list[str]) -> None:
    """Send frames one after another."""
    for frame in frames:
        await socket.send(frame)


@pytest.mark.parametrize("frame", [{"stream_id": "a", "values": [1, 1]}, "[7]"])
async def test_a_bug_ends_the_socket_loudly(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    frame: Any,
) -> None:
    """Nobody waits for an answer that will not come, and the log says what happened."""

    def fails(*_: object) -> None:
        raise ValueError("told")

    async with running_service(settings_of(tmp_path)) as service:
        for name in ("take", "take_one"):
            monkeypatch.setattr(service.engine, name, fails)
        async with service.websocket() as socket:
            await socket.send(frame if isinstance(frame, str) else json.dumps(frame))
            assert await closed(socket) is None
    (told,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert told.exc_info is not None


async def test_a_client_that_leaves_amid_batches(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """What was taken is scored; nobody is told of it, and nothing is logged."""
    with capture_logs() as logs:
        async with service.websocket() as socket:
            await socket.send(json.dumps(observations("gone", 1500)))
            for row in observations("gone", 1505)[1500:]:
                await socket.send(json.dumps(row))
            socket.transport.abort()
        async with service.websocket() as socket:
            assert (await ask(socket, observations("stays", 1)[0]))[0]["seq"] == 0
    assert not [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
