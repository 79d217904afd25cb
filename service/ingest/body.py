"""Reading a request's body within its limits."""

from collections.abc import Callable
from dataclasses import dataclass
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


_DECODERS: Final[dict[str, Callable[[DoorLimits], Decoder]]] = {
    JSON: lambda limits: JSONDecoder(door="http-json", max_rows=limits.max_rows),
    NDJSON: lambda limits: NDJSONDecoder(door="http-ndjson", max_rows=limits.max_rows),
    ARROW: lambda limits: ArrowDecoder(
        door="http-arrow", max_rows=limits.max_rows, max_bytes=limits.max_body_bytes
    ),
}
OBSERVATIONS: Final = tuple(_DECODERS)
"""Media types of observations; everything else is JSON only."""


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


def decoder_of(request: Request) -> Decoder:
    """Find the decoder for a body of its media type."""
    return _DECODERS[media_type_of(request)](request.app.state.limits)


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
