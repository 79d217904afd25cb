"""Observations over a WebSocket, and the live tail: frames in, frames of the same kind out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Query, WebSocket
from starlette.websockets import WebSocketDisconnect

from service.engine.engine import Engine
from service.engine.ports import Delivery
from service.ingest.body import DoorLimits
from service.ingest.encode import alert_view, encode, scored_verdicts
from service.ingest.frames import FrameProtocol
from service.ingest.session import TOO_SLOW, Session

router = APIRouter(prefix="/v1")
_log = structlog.get_logger("stepwatch.websocket")

CLOSE_S: Final = 1.0


class _TooSlow(Exception):  # noqa: N818 - never leaves this file
    """The other side does not read its answers."""


@router.websocket("/ingest")
async def ingest(socket: WebSocket) -> None:
    """Take frames and answer each in kind and in order.

    A text frame is one JSON observation or an array of them, a binary frame one Arrow IPC stream.
    """
    engine: Engine = socket.app.state.engine
    limits: DoorLimits = socket.app.state.limits
    await socket.accept()
    protocol = FrameProtocol.of(socket)
    async with _closing(socket), asyncio.TaskGroup() as tasks:
        session = Session(engine, limits, protocol, tasks)
        gone = tasks.create_task(_until_gone(socket))
        try:
            protocol.hand_over(session)
            either: tuple[asyncio.Future[Any], ...] = (gone, session.ending)
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.close()
            gone.cancel()
        if not session.ending.cancelled():
            code, reason = session.ending.result()
            await _close(socket, code, reason)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    """Close from this side; where the buffer is full not even that gets out: don't wait for it."""
    with suppress(TimeoutError, WebSocketDisconnect):
        await asyncio.wait_for(socket.close(code, reason), CLOSE_S)


async def _send(socket: WebSocket, data: bytes, timeout_s: float) -> None:
    """Send a frame, giving up on who does not read."""
    try:
        await asyncio.wait_for(socket.send_text(data.decode()), timeout_s)
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
        await _close(socket, TOO_SLOW, "answers are not read")


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
