"""A Redis with services around it that a fleet of streams sends to, and what is read off them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final, cast

import httpx
import numpy as np
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from benchmarks.fleet import Fleet
from benchmarks.service import Service, metric, serving
from models.blocks import Float64
from service.keys import Keys

SETTLE_S: Final = 10.0
MEASURE_S: Final = 30.0
SCRAPE_S: Final = 2.0
SAMPLES: Final = 100
AGE: Final = "stepwatch_snapshot_age_seconds"


@dataclass(frozen=True, slots=True)
class Watched:
    """A service, what it is sent, and whether it keeps snapshots."""

    service: Service
    fleet: Fleet
    http: httpx.AsyncClient
    keeps: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What was measured in a stretch of the steady load.

    Attributes:
        took_ms: From when a frame was due to when its verdicts were read.
        ages_s: Ages of the snapshots that /metrics showed.
        written: Bytes of snapshots a second, as the service counts.
        taken_in: Bytes a second that came to Redis, protocol included.
    """

    took_ms: Float64
    ages_s: list[float]
    written: float
    taken_in: float


@dataclass(frozen=True, slots=True)
class Site:
    """What is measured: a Redis, and two services of one model."""

    data_dir: Path
    model: str
    streams: int
    redis: Redis
    settings: dict[str, str]

    @asynccontextmanager
    async def watched(self, **settings: str) -> AsyncIterator[Watched]:
        """Start a service with a fleet."""
        async with AsyncExitStack() as opened:
            started = serving(self.data_dir, **self.settings, **settings)
            service = await opened.enter_async_context(started)
            http = await opened.enter_async_context(client_of(service.url))
            socket = await opened.enter_async_context(connected(service))
            fleet = Fleet(socket, self.data_dir / "models" / self.model, self.streams)
            keeps = settings["STEPWATCH_STORE"] != "off"
            yield Watched(service, fleet, http, keeps)

    async def info(self, section: str, name: str) -> int:
        """Read a number from INFO."""
        told = cast("dict[str, int]", await self.redis.info(section))
        return told[name]

    async def stretch(self, at: Watched, sent: Callable[[], None]) -> Stretch:
        """Load a service steadily and measure all but the beginning."""
        await at.fleet.steadily(SETTLE_S, sent)
        ages: list[float] = []
        watching = asyncio.create_task(watch(at, ages))
        began, before = monotonic(), await self._written(at)
        took_ms = await at.fleet.steadily(MEASURE_S, sent)
        after, seconds = await self._written(at), monotonic() - began
        watching.cancel()
        written, taken_in = ((after - before) / seconds).tolist()
        return Stretch(took_ms=took_ms, ages_s=ages, written=written, taken_in=taken_in)

    async def _written(self, at: Watched) -> Float64:
        counted = await metric(at.http, "stepwatch_snapshot_bytes_total") if at.keeps else 0.0
        return np.array([counted, await self.info("stats", "total_net_input_bytes")], np.float64)

    async def sizes(self, empty: int) -> dict[str, str]:
        """Measure a stream in Redis: of all, of samples, and of the part that is saved rarely."""
        used = await self.info("memory", "used_memory") - empty
        chosen = np.linspace(0, self.streams - 1, SAMPLES, dtype=int).tolist()
        keys = [Keys().state(f"fleet/{number}") for number in chosen]
        whole = [cast("int", await self.redis.memory_usage(key, samples=0)) for key in keys]
        recent = [await self.redis.hstrlen(key, "recent") for key in keys]
        return {
            "a stream in Redis, growth of used_memory": f"{used / self.streams:,.0f} bytes",
            f"a stream in Redis, MEMORY USAGE of {SAMPLES}": f"{np.mean(whole):,.0f} bytes",
            "its last observations, saved less often": f"{np.mean(recent):,.0f} bytes",
        }


def client_of(url: str) -> httpx.AsyncClient:
    """Make a client that goes straight to a service of this machine."""
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60)


def connected(service: Service) -> connect:
    """Connect to the WebSocket for observations."""
    return connect(service.socket_url, proxy=None, compression=None, max_size=None)


async def watch(at: Watched, ages: list[float]) -> None:
    """Scrape again and again, whether or not there are ages to be noted."""
    while True:
        await asyncio.sleep(SCRAPE_S)
        ages.append(await metric(at.http, AGE if at.keeps else "stepwatch_ready"))
