"""Health, readiness and metrics, for those who run the service."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from service.engine.errors import NotReady
from service.ingest import openapi
from service.ingest.body import engine_of

router = APIRouter(tags=["operations"])
_PIECE: Final = 64 * 1024
Exposition = Callable[[], Awaitable[tuple[bytes, str]]]


class Readiness(BaseModel):
    """Observations are taken; what is down keeps verdicts or snapshots waiting."""

    status: Literal["ready"]
    sinks: dict[str, Literal["up", "down"]]
    store: Literal["up", "down", "off"]


@router.get("/healthz", summary="Is the process alive", responses=openapi.answer("health"))
async def health() -> dict[str, str]:
    """Answer as long as the event loop turns."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Are observations taken",
    responses={**openapi.answer("readiness"), **openapi.problems(503)},
)
async def readiness(request: Request) -> Readiness:
    """Answer 200 once observations are taken, with the state of sinks and store."""
    engine = engine_of(request)
    if not engine.is_ready:
        n_streams = len(engine.directory)
        raise NotReady(f"the service is starting or stopping; {n_streams} streams are there")
    sinks: dict[str, Literal["up", "down"]] = {
        outlet.sink.name: "up" if outlet.is_up else "down" for outlet in engine.outlets
    }
    kept = engine.persistence
    store: Literal["up", "down", "off"] = "off"
    if kept is not None:
        store = "up" if kept.store.is_up else "down"
    return Readiness(status="ready", sinks=sinks, store=store)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=openapi.answer("metrics", {"type": "string"}, media_type="text/plain"),
)
async def metrics(request: Request) -> Response:
    """Give the Prometheus text format."""
    exposition: Exposition = request.app.state.exposition
    content, media_type = await exposition()
    length = str(len(content))
    return StreamingResponse(
        _pieces(content), headers={"Content-Type": media_type, "Content-Length": length}
    )


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Give the loop a turn between pieces: a hundred thousand streams make 23 MB."""
    for begin in range(0, len(content), _PIECE):
        yield content[begin : begin + _PIECE]
        await asyncio.sleep(0)
