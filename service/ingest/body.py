"""Reading a request's body within its limits."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from service.engine.engine import Engine
from service.ingest.arrow import ArrowDecoder
from service.ingest.decode import JSONDecoder
from service.ingest.errors import BodyTooLarge, UnsupportedMediaType
from service.ingest.ndjson import NDJSONDecoder

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
ARROW: Final = "application/vnd.apache.arrow.stream"
OBSERVATIONS: Final = (JSON, NDJSON, ARROW)
"""Media types of observations; everything else is JSON only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What one request or frame may hold, and how long a WebSocket may take to read an answer."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 10_000
    send_timeout_s: float = 10.0


def engine_of(request: Request) -> Engine:
    """Find the engine of the running app."""
    engine: Engine = request.app.state.engine
    return engine


def media_type_of(request: Request, taken: tuple[str, ...] = OBSERVATIONS) -> str:
    """Find what a body is declared to be; undeclared it is taken for JSON.

    Raises:
        UnsupportedMediaType: If it is none that is taken.
    """
    declared = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if declared not in taken:
        raise UnsupportedMediaType(f"'{declared}' is not taken here; send {' or '.join(taken)}")
    return declared


def decoder_of(request: Request) -> JSONDecoder | ArrowDecoder:
    """Find the decoder for a body of its media type."""
    limits: DoorLimits = request.app.state.limits
    media_type = media_type_of(request)
    if media_type == ARROW:
        return ArrowDecoder(
            door="http-arrow", max_rows=limits.max_rows, max_bytes=limits.max_body_bytes
        )
    if media_type == NDJSON:
        return NDJSONDecoder(door="http-ndjson", max_rows=limits.max_rows)
    return JSONDecoder(door="http-json", max_rows=limits.max_rows)


async def read_body(request: Request, taken: tuple[str, ...] = (JSON,)) -> bytes:
    """Read a body, giving up as soon as it is too large.

    Raises:
        UnsupportedMediaType: If it is declared to be none that is taken.
        BodyTooLarge: If it has more bytes than allowed.
    """
    media_type_of(request, taken)
    limits: DoorLimits = request.app.state.limits
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > limits.max_body_bytes:
        raise _too_large(limits)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limits.max_body_bytes:
            raise _too_large(limits)
        parts.append(part)
    return b"".join(parts)


def _too_large(limits: DoorLimits) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has more than {limits.max_body_bytes} bytes; send fewer observations at a "
        "time (STEPWATCH_MAX_BODY_BYTES)"
    )
