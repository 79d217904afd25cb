"""What does a Redis that is away for a while cost? Under load: nothing that is answered.

    python -m benchmarks.outage DATA_DIR MODEL [SECONDS]

Starts a redis-server of its own, loads the service over one WebSocket, stops the server for
SECONDS (20), starts it again, and counts verdicts and entries. The rate is bounded.
"""

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import httpx
import numpy as np
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.service import Service, free_port, metric, serving

ROWS_A_FRAME = 50
FRAMES_A_SECOND = 20
AROUND_S = 5.0
CATCH_UP_S = 60.0
console = Console()


@asynccontextmanager
async def redis_server(port: int, directory: str) -> AsyncIterator[None]:
    """Run a redis-server that keeps what it was told."""
    options = ("--port", str(port), "--bind", "127.0.0.1", "--dir", directory)
    process = await asyncio.create_subprocess_exec(
        *("redis-server", *options, "--appendonly", "yes", "--loglevel", "warning")
    )
    try:
        async with Redis(port=port) as client:
            while True:
                try:
                    await client.ping()
                    break
                except RedisConnectionError:
                    await asyncio.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


class Load:
    """One frame after another at a steady rate; counts verdicts and keeps latencies."""

    def __init__(self, socket: ClientConnection, width: int) -> None:
        self._socket = socket
        self._random = np.random.default_rng(0)
        self._width = width
        self._frames = 0
        self.verdicts = 0

    async def run(self, seconds: float) -> list[float]:
        """Send for so long; gives each frame's seconds from send to answer."""
        latencies = []
        for _ in range(int(seconds * FRAMES_A_SECOND)):
            began = perf_counter()
            await self._socket.send(self._frame())
            rows = json.loads(await self._socket.recv())
            latencies.append(perf_counter() - began)
            self.verdicts += sum("phase" in row for row in rows)
            await asyncio.sleep(max(0.0, 1 / FRAMES_A_SECOND - latencies[-1]))
        return latencies

    def _frame(self) -> str:
        self._frames += 1
        values = self._random.random((ROWS_A_FRAME, self._width)).tolist()
        rows = [
            {"stream_id": f"load/{at}", "timestamp": float(self._frames), "values": row}
            for at, row in enumerate(values)
        ]
        return json.dumps(rows)


async def main(data_dir: Path, model: str, seconds: float) -> bool:
    """Load, stop, go on, start, count; whether every verdict came and every entry is there."""
    port = free_port()
    environment = {
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "STEPWATCH_DEFAULT_MODEL": model,
        "STEPWATCH_START": "reference",
    }
    with tempfile.TemporaryDirectory() as directory:
        async with serving(data_dir, **environment) as service:
            return await _measured(service, port, directory, seconds)


async def _measured(service: Service, port: int, directory: str, seconds: float) -> bool:
    table = Table("stretch", "p50 ms", "p99 ms", "sink up", "waiting")
    async with (
        httpx.AsyncClient(base_url=service.url, trust_env=False) as client,
        connect(service.socket_url, proxy=None, compression=None) as socket,
    ):
        models = (await client.get("/v1/models")).json()
        load = Load(socket, next(len(one["metrics"]) for one in models if one["is_default"]))

        async def stretch(name: str, for_s: float) -> None:
            took = np.array(await load.run(for_s)) * 1e3
            up = await metric(client, "stepwatch_sink_up", '{sink="redis"}')
            waiting = await metric(client, "stepwatch_sink_waiting_verdicts", '{sink="redis"}')
            p50, p99 = np.percentile(took, (50, 99))
            table.add_row(name, f"{p50:.2f}", f"{p99:.2f}", f"{up:.0f}", f"{waiting:.0f}")

        async with redis_server(port, directory):
            await stretch("before", AROUND_S)
        await stretch(f"Redis away, {seconds:.0f} s", seconds)
        async with redis_server(port, directory):
            await stretch("Redis back", AROUND_S)
            entries = await _entries(port, load.verdicts)
        dropped = await metric(
            client, "stepwatch_sink_dropped_total", '{kind="scores",sink="redis"}'
        )
    console.print(table)
    console.print(f"verdicts {load.verdicts}, entries {entries}, dropped {dropped:.0f}")
    return entries + dropped == load.verdicts


async def _entries(port: int, expected: int) -> int:
    """Wait until the stream has what is expected, or no longer."""
    async with Redis(port=port) as client, asyncio.timeout(CATCH_UP_S):
        while (found := int(await client.xlen("sw:{0}:scores"))) < expected:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.1)
        return found


if __name__ == "__main__":
    given = sys.argv[1:]
    away_s = float(given[2]) if len(given) > 2 else 20.0  # noqa: PLR2004 - the third is optional
    os.environ.pop("REDIS_URL", None)
    sys.exit(not asyncio.run(main(Path(given[0]), given[1], away_s)))
