"""Observations over a WebSocket, and the live tail: frames in, frames of the same kind out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from service.engine.columns import Pending
from service.engine.engine import Engine
from service.engine.errors import Overloaded, RequestError
from service.engine.ports import Delivery
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_writing import encode_stream
from service.ingest.body import DoorLimits
from service.ingest.decode import Decoded, JSONDecoder
from service.ingest.encode import alert_view, answer_rows, encode, scored_verdicts
from service.ingest.errors import problem

router = APIRouter(prefix="/v1")
_log = structlog.get_logger("stepwatch.websocket")

WINDOW: Final = 64
"""Frames that may wait for their answer; beyond that the socket is not read on."""
TRY_AGAIN_LATER: Final = 1013
TOO_SLOW: Final = 1008
CLOSE_S: Final = 1.0


class _TooSlow(Exception):  # noqa: N818 - never leaves this file
    """The other side does not read its answers."""


@dataclass(frozen=True, slots=True)
class _Decoders:
    """Text frames are JSON, binary frames Arrow."""

    text: JSONDecoder
    binary: ArrowDecoder

    def decoded(self, message: Any) -> tuple[Decoded, bool]:
        """Decode a frame; gives also whether it was binary."""
        text: str | None = message.get("text")
        if text is not None:
            return self.text.frame(text.encode("utf-8", "replace")), False
        return self.binary.body(message["bytes"]), True


Outgoing = tuple[Pending, Decoded, bool] | RequestError | None
"""A request and whether its frame was binary, a problem for the frame's place, or the end."""


@router.websocket("/ingest")
async def ingest(socket: WebSocket) -> None:
    """Take frames and answer each in kind and in order.

    A text frame is one JSON observation or an array of them, a binary frame one Arrow IPC stream.
    """
    engine: Engine = socket.app.state.engine
    limits: DoorLimits = socket.app.state.limits
    await socket.accept()
    rows, size = limits.max_rows, limits.max_body_bytes
    decoders = _Decoders(
        JSONDecoder(door="websocket-json", max_rows=rows),
        ArrowDecoder(door="websocket-arrow", max_rows=rows, max_bytes=size),
    )
    answers: asyncio.Queue[Outgoing] = asyncio.Queue(WINDOW)
    async with _closing(socket), asyncio.TaskGroup() as tasks:
        writer = tasks.create_task(_write(socket, answers, limits.send_timeout_s))
        reader = tasks.create_task(_read(socket, engine, decoders, answers))
        writer.add_done_callback(lambda _: reader.cancel())


async def _read(
    socket: WebSocket, engine: Engine, decoders: _Decoders, answers: asyncio.Queue[Outgoing]
) -> None:
    """Decode and submit frames as they come, until the other side leaves."""
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            await answers.put(None)
            return
        try:
            decoded, is_binary = decoders.decoded(message)
            outgoing: Outgoing = (await engine.take(decoded.request), decoded, is_binary)
        except RequestError as error:
            engine.counters.problems[error.slug] += 1
            outgoing = error
        await answers.put(outgoing)
        if isinstance(outgoing, Overloaded):
            return


async def _write(socket: WebSocket, answers: asyncio.Queue[Outgoing], timeout_s: float) -> None:
    """Send answers in the order of the frames; a problem stands in its frame's place."""
    while (outgoing := await answers.get()) is not None:
        if isinstance(outgoing, RequestError):
            await _send(socket, encode(problem(outgoing)), timeout_s)
        else:
            pending, decoded, is_binary = outgoing
            answer = await pending.answer()
            if is_binary:
                await _send(socket, encode_stream(decoded.request, answer), timeout_s, binary=True)
                continue
            rows = answer_rows(answer)
            await _send(socket, encode(rows[0] if decoded.is_single else rows), timeout_s)
        if isinstance(outgoing, Overloaded):
            await socket.close(TRY_AGAIN_LATER, "too much waits; connect again in a moment")
            return


async def _send(socket: WebSocket, data: bytes, timeout_s: float, *, binary: bool = False) -> None:
    """Send a frame, giving up on who does not read."""
    sending = socket.send_bytes(data) if binary else socket.send_text(data.decode())
    try:
        await asyncio.wait_for(sending, timeout_s)
    except TimeoutError as error:
        raise _TooSlow from error


@asynccontextmanager
async def _closing(socket: WebSocket) -> AsyncIterator[None]:
    """End quietly when the other side has gone, and close on who is too slow."""
    try:
        yield
    except* WebSocketDisconnect:
        _log.debug("websocket gone", path=socket.url.path)
    except* _TooSlow:
        # where the buffer is full, not even the close gets out: there is no waiting for it
        with suppress(TimeoutError, WebSocketDisconnect):
            await asyncio.wait_for(socket.close(TOO_SLOW, "answers are not read"), CLOSE_S)


@router.websocket("/live")
async def live(
    socket: WebSocket,
    streams: Annotated[str, Query()] = "*",
    only: Annotated[str, Query(pattern="^(all|anomalies|alerts)$")] = "all",
) -> None:
    """Send verdicts and alerts of chosen streams as they come.

    `streams` is a comma-separated list of patterns such as `plant-a/*`. A frame is
    `{"verdicts": [...], "alerts": [...], "missed": n}`, `missed` counting
    verdicts and alerts lost because this reader was too slow.
    """
    engine: Engine = socket.app.state.engine
    limits: DoorLimits = socket.app.state.limits
    await socket.accept()
    patterns = [pattern for pattern in streams.split(",") if pattern]
    with engine.live.listen() as listener:
        async with _closing(socket), asyncio.TaskGroup() as tasks:
            gone = tasks.create_task(_until_gone(socket))
            while not gone.done():
                waiting = tasks.create_task(listener.get())
                await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                delivery, missed = waiting.result()
                frame = _live_frame(delivery, patterns, only)
                if missed or any(frame.values()):
                    data = encode({**frame, "missed": missed})
                    await _send(socket, data, limits.send_timeout_s)


async def _until_gone(socket: WebSocket) -> None:
    """Read and ignore whatever a listener sends, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        continue


def _live_frame(delivery: Delivery, patterns: list[str], only: str) -> dict[str, list[Any]]:
    def is_chosen(stream_id: str) -> bool:
        return any(fnmatchcase(stream_id, pattern) for pattern in patterns)

    verdicts: list[Any] = []
    for scored in delivery.scored if only != "alerts" else ():
        wanted = [
            row
            for row, stream_id in enumerate(scored.stream_ids)
            if is_chosen(stream_id) and (only == "all" or scored.verdicts.is_anomaly[row] > 0)
        ]
        verdicts += scored_verdicts(scored, wanted) if wanted else []
    alerts = [alert_view(alert) for alert in delivery.alerts if is_chosen(alert.stream_id)]
    return {"verdicts": verdicts, "alerts": alerts}
