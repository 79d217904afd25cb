"""A service under a steady load, its Redis, and what can ail that Redis or the way to it."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from redis.asyncio import Redis

from benchmarks.outage import redis_server
from benchmarks.service import free_port, metric, serving
from benchmarks.steady import SteadyLoad, steady_load
from tests.integration.faulty import FaultProxy

RECOVERY_TIMEOUT_S: Final = 120.0
RESET_EVERY_S: Final = 0.5
PASSWORD: Final = "what-the-service-was-given"
REDIS: Final = '{sink="redis"}'


@dataclass(frozen=True, slots=True)
class Site:
    """A service under load, its Redis, and the proxy between them.

    Attributes:
        control: A connection to Redis that passes by the proxy and stays allowed.
    """

    http: httpx.AsyncClient
    load: SteadyLoad
    proxy: FaultProxy
    control: Redis

    async def waiting(self) -> float:
        """Count the verdicts that wait for the sink; infinitely many if it is down."""
        up = await metric(self.http, "stepwatch_sink_up", REDIS)
        rows = await metric(self.http, "stepwatch_sink_waiting_verdicts", REDIS)
        return rows if up else float("inf")

    async def failures(self) -> int:
        """Count the sink's failed attempts, of whatever kind."""
        page = (await self.http.get("/metrics")).text
        name = "stepwatch_sink_errors_total{"
        lines = (line for line in page.splitlines() if line.startswith(name) and REDIS[1:] in line)
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)

    async def recovered(self, most_rows: int) -> float:
        """Wait until the sink is up and no more rows wait; gives the seconds, or infinity."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while await self.waiting() > most_rows:
            if loop.time() - began > RECOVERY_TIMEOUT_S:
                return float("inf")
            await asyncio.sleep(0.1)
        return loop.time() - began


@asynccontextmanager
async def hung(at: Site) -> AsyncIterator[None]:
    """The server's process stands still."""
    process = (await at.control.info("server"))["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@asynccontextmanager
async def flapping(at: Site) -> AsyncIterator[None]:
    """All connections are reset again and again."""

    async def reset() -> None:
        while True:
            at.proxy.reset()
            await asyncio.sleep(RESET_EVERY_S)

    resetting = asyncio.create_task(reset())
    try:
        yield
    finally:
        resetting.cancel()


@asynccontextmanager
async def full(at: Site) -> AsyncIterator[None]:
    """The server may use no more memory."""
    await at.control.config_set("maxmemory", 1)
    yield
    await at.control.config_set("maxmemory", 0)


@asynccontextmanager
async def wrong_password(at: Site) -> AsyncIterator[None]:
    """The server wants another password from every new connection."""
    await at.control.config_set("requirepass", "another")
    at.proxy.reset()
    yield
    await at.control.config_set("requirepass", PASSWORD)


FAULTS: Final[dict[str, Callable[[Site], AbstractAsyncContextManager[None]]]] = {
    "hung": hung,
    "flapping": flapping,
    "full": full,
    "wrong password": wrong_password,
}


@asynccontextmanager
async def site(data_dir: Path, model: str) -> AsyncIterator[Site]:
    """Run everything."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        async with (
            redis_server(port, directory),
            Redis(port=port, single_connection_client=True) as control,
            FaultProxy("127.0.0.1", port) as proxy,
        ):
            await control.config_set("requirepass", PASSWORD)
            settings = {
                "REDIS_URL": f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}",
                "STEPWATCH_REDIS_MAXLEN": str(10**9),  # nothing that is counted is trimmed
                "STEPWATCH_DEFAULT_MODEL": model,
                "STEPWATCH_START": "reference",
            }
            async with (
                serving(data_dir, **settings) as service,
                httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as http,
                steady_load(service, http) as load,
            ):
                yield Site(http, load, proxy, control)
