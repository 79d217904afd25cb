"""The service as it really runs: uvicorn in the test's own loop, with small models."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
from websockets.asyncio.client import connect

from models.checkpoint import Checkpoint
from models.slab import Slab
from service.app import build_server
from service.engine.engine import Engine
from service.server import Server
from service.settings import Settings
from tests.fakes import make_checkpoint, normal_values

METRICS = ["flow", "pressure"]
T0 = 1_763_762_400.0
ANSWER_S = 60.0
"""Longest wait for anything: beyond it something hangs, however busy the machine is."""
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
    def engine(self) -> Engine:
        """The engine inside."""
        engine: Engine = self.server.app.state.engine
        return engine

    def websocket(self, path: str = "/v1/ingest", **options: Any) -> connect:
        """Connect to a WebSocket, past any proxy."""
        return connect(self.url.replace("http", "ws", 1) + path, proxy=None, **options)


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


def client_of(url: str) -> httpx.AsyncClient:
    """Make a client that goes straight to a server of this machine, whatever the environment."""
    return httpx.AsyncClient(base_url=url, timeout=ANSWER_S, trust_env=False)


@asynccontextmanager
async def running_service(settings: Settings, *, is_ready: bool = True) -> AsyncIterator[Running]:
    """Serve in this loop until the end of the block, which begins when it is ready or listens."""
    server = build_server(settings)
    serving = asyncio.create_task(server.serve())
    if is_ready:
        await server.until_started(serving)
    else:
        up = asyncio.create_task(server._is_up.wait())
        await asyncio.wait({serving, up}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
    try:
        if serving.done():
            await serving
        async with client_of(server.url) as client:
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
        slabs |= {f"{name} {part}": slab for part, slab in model.bank.slabs.items()}
    state = {
        f"{name} {array}": slab[array].tobytes()
        for name, slab in slabs.items()
        for array in slab.layout
    }
    streams = [f"{stream.stream_id} {stream.slot}" for stream in engine.directory]
    return state | {"streams": "\n".join(streams).encode()}


async def eventually(check: Callable[[], Awaitable[bool]], within_s: float = ANSWER_S) -> None:
    """Ask again and again until the answer is yes, for what tells nobody when it happens."""
    async with asyncio.timeout(within_s):
        while not await check():  # noqa: ASYNC110 - nothing would set an event
            await asyncio.sleep(0.02)


async def metrics_of(service: Running) -> dict[str, float]:
    """Read the metrics page: `name{label="value"}`, labels sorted by name, to its number."""
    page = await service.http.get("/metrics")
    assert page.status_code == httpx.codes.OK, page.text
    samples = (line.rpartition(" ") for line in page.text.splitlines() if line[:1] != "#")
    return {name: float(value) for name, _, value in samples if name}


async def until_ready(client: httpx.AsyncClient) -> None:
    """Wait until observations are taken."""

    async def is_so() -> bool:
        return (await client.get("/readyz")).is_success

    await eventually(is_so)
