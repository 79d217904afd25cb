"""Reading a request's body within its limits."""

from dataclasses import dataclass
from typing import Final

from fastapi import Request

from service.engine.engine import Engine
from service.ingest.decode import JSONDecoder
from service.ingest.errors import BodyTooLarge, UnsupportedMediaType

JSON: Final = "application/json"


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


def decoder_of(request: Request) -> JSONDecoder:
    """Find the decoder for bodies."""
    limits: DoorLimits = request.app.state.limits
    return JSONDecoder(door="http-json", max_rows=limits.max_rows)


async def read_body(request: Request) -> bytes:
    """Read a JSON body, giving up as soon as it is too large.

    Raises:
        UnsupportedMediaType: If it is declared to be something else than JSON.
        BodyTooLarge: If it has more bytes than allowed.
    """
    declared = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if declared != JSON:
        raise UnsupportedMediaType(f"'{declared}' is not taken here; send {JSON}")
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
