"""The service as it really runs: uvicorn in the test's own loop, with small models."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec

from models.checkpoint import Checkpoint
from models.slab import Slab
from service.app import build_server
from service.engine.engine import Engine
from service.server import Server
from service.settings import Settings
from tests.fakes import make_checkpoint, normal_values

METRICS = ["flow", "pressure"]
T0 = 1_763_762_400.0
ANSWER_S = 20.0
SPIKE = [60.0, -60.0]
"""Far outside what the small models find normal."""


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers.

    Attributes:
        server: What serves.
        http: A client for it.
    """

    server: Server
    http: httpx.AsyncClient

    @property
    def url(self) -> str:
        """Base of HTTP."""
        return self.server.url

    @property
    def websocket_url(self) -> str:
        """Base of WebSocket."""
        return self.server.url.replace("http", "ws", 1)

    @property
    def engine(self) -> Engine:
        """The engine inside."""
        engine: Engine = self.server.app.state.engine
        return engine

    @property
    def redis_url(self) -> str:
        """Where its Redis answers."""
        url: str = self.server.app.state.redis_url
        return url


def pumps() -> Checkpoint:
    """Make a model of `METRICS`."""
    checkpoint = make_checkpoint(len(METRICS))
    return replace(checkpoint, spec=msgspec.structs.replace(checkpoint.spec, metrics=METRICS))


def settings_of(data_dir: Path, **changes: Any) -> Settings:
    """Give settings for a free port and the embedded store, with the models pumps and fans."""
    pumps().save(data_dir / "models" / "pumps")
    make_checkpoint(3).save(data_dir / "models" / "fans")
    given = {"default_model": "pumps", "start": "reference", "redis_url": None, **changes}
    return Settings(data_dir=data_dir, port=0, **given)


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Running]:
    """Serve in this loop until the end of the block."""
    server = build_server(settings)
    serving = asyncio.create_task(server.serve())
    await server.until_started(serving)
    try:
        if serving.done():
            await serving
        async with httpx.AsyncClient(base_url=server.url, timeout=ANSWER_S) as client:
            yield Running(server, client)
    finally:
        server.should_exit = True
        await serving


def observations(stream_id: str, count: int, *, first: int = 0) -> list[dict[str, Any]]:
    """Make normal observations of a stream, a minute apart; the first is number `first`."""
    values = normal_values(first + count, len(METRICS))[first:].tolist()
    return [
        {"stream_id": stream_id, "timestamp": T0 + 60 * at, "seq": at, "values": row}
        for at, row in enumerate(values, first)
    ]


def state_of(engine: Engine) -> dict[str, bytes]:
    """Copy every stream's state, bit by bit."""
    slabs: dict[str, Slab] = {}
    for name, model in engine.directory.models.items():
        bank = model.bank
        parts = (bank._memory, bank._record, bank._thresholds._slab)
        slabs |= {f"{name} {at}": slab for at, slab in enumerate(parts)}
    state = {
        f"{name} {array}": slab[array].tobytes()
        for name, slab in slabs.items()
        for array in slab._arrays
    }
    streams = [f"{stream.stream_id} {stream.slot}" for stream in engine.directory]
    return state | {"streams": "\n".join(streams).encode()}
