"""A `stepwatch serve` of its own for a measurement, on a free port of this machine."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Service:
    """Where the service answers, and its process."""

    url: str
    process: asyncio.subprocess.Process

    @property
    def socket_url(self) -> str:
        """The WebSocket for observations."""
        return f"{self.url.replace('http', 'ws', 1)}/v1/ingest"


def free_port() -> int:
    """Find a port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


@asynccontextmanager
async def serving(data_dir: Path, **environment: str) -> AsyncIterator[Service]:
    """Start the service, wait until it takes observations, stop it in order."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *("stepwatch", "serve", "--port", str(port), "--data-dir", str(data_dir)),
        env=os.environ | {"STEPWATCH_LOG_LEVEL": "error"} | environment,
    )
    service = Service(f"http://127.0.0.1:{port}", process)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await _ready(service)
        yield service
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _ready(service: Service) -> None:
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        while service.process.returncode is None:
            try:
                if (await client.get("/readyz")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.1)
    raise RuntimeError("the service ended before it was ready; its log says why")


async def metric(client: httpx.AsyncClient, name: str, labels: str = "") -> float:
    """Read one number from /metrics."""
    page = (await client.get("/metrics")).text
    wanted = f"{name}{labels} "
    found = [line for line in page.splitlines() if line.startswith(wanted)]
    return float(found[0].rsplit(" ", 1)[1])
