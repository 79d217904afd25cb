"""Reading a request's body within its limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from fastapi import Request

from service.engine.engine import Engine
from service.ingest.arrow import ArrowDecoder
from service.ingest.decode import Decoder, JSONDecoder
from service.ingest.errors import BodyTooLarge, UnsupportedMediaType
from service.ingest.ndjson import NDJSONDecoder

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
ARROW: Final = "application/vnd.apache.arrow.stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLimits:
    """What one request or frame may hold, and how long a WebSocket may take to read an answer."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_rows: int = 10_000
    send_timeout_s: float = 10.0


OBSERVATIONS: Final = (JSON, NDJSON, ARROW)
"""Media types of observations; everything else is JSON only."""


@cache
def decoders_of(limits: DoorLimits) -> Mapping[str, Decoder]:
    """Make the decoder of every media type of observations."""
    rows, size = limits.max_rows, limits.max_body_bytes
    return {
        JSON: JSONDecoder(door="http-json", max_rows=rows),
        NDJSON: NDJSONDecoder(door="http-ndjson", max_rows=rows),
        ARROW: ArrowDecoder(door="http-arrow", max_rows=rows, max_bytes=size),
    }


def engine_of(request: Request) -> Engine:
    """Find the engine of the running app."""
    engine: Engine = request.app.state.engine
    return engine


def essence(content_type: str) -> str:
    """Take the media type out of a Content-Type, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def media_type_of(request: Request, taken: tuple[str, ...] = OBSERVATIONS) -> str:
    """Find what a body is declared to be; undeclared it is taken for JSON.

    Raises:
        UnsupportedMediaType: If it is none that is taken.
    """
    declared = essence(request.headers.get("content-type", JSON))
    if declared not in taken:
        raise UnsupportedMediaType(f"'{declared}' is not taken here; send {' or '.join(taken)}")
    return declared


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
