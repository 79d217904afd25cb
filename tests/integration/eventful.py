"""A service to which everything happens that dashboards and rules ask for, and its Prometheus.

Streams come and go through all phases, alerts open, resolve and stay open, rows and requests are
refused, a stream falls silent, another's level shifts, a model is reloaded well and badly, and the
Redis that verdicts and snapshots go to is away for so long that some are dropped.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.dashboards_queries import Span, now
from tests.integration.prometheus import SCRAPE_S, prometheus
from tests.integration.rule_queries import hurried_rules
from tests.integration.running import SPIKE, Running, eventually, metrics_of, observations
from tests.integration.site import Site, site
from tests.integration.test_outage import until_up

BUSY = [f"plant/{at}" for at in range(12)]
SHIFTED, LEFT_OPEN, SILENT, FAN = "plant/shifted", "plant/left-open", "plant/silent", "fan/1"
STARTING = 12
"""Observations that a stream sends before its usual pace is believed."""
ROUND_PAUSE_S = 0.03


@dataclass(frozen=True, slots=True)
class Eventful:
    """What happened, as Prometheus has it.

    Attributes:
        service: Goes on being busy.
        client: Of the Prometheus that scrapes it.
        began: Seconds UTC.
    """

    service: Running
    client: httpx.AsyncClient
    began: float

    def span(self) -> Span:
        """Give all time since the beginning."""
        return Span(self.began, time.time(), SCRAPE_S)


async def _send(service: Running, rows: list[dict[str, Any]]) -> None:
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    assert answer.is_success, answer.text


async def _round(service: Running, at: int) -> None:
    """Send an observation of each busy stream, some of them far off, and what is refused."""
    rows = [observations(name, 1, first=at)[0] for name in (*BUSY, SHIFTED)]
    for row in rows:
        is_off = row["stream_id"] == SHIFTED or at % 20 < 4
        row["values"] = SPIKE if is_off and at > STARTING else row["values"]
    fan: dict[str, Any] = {
        "stream_id": FAN,
        "values": [0.5, 0.5, 9.0 if at % 20 == STARTING else 0.5],
    }
    await _send(service, [*rows, rows[0], fan])  # the first once more: a duplicate
    await service.http.post("/v1/observations", content=b"{")


async def _busy(service: Running, is_over: asyncio.Event) -> None:
    at = 0
    while not is_over.is_set():
        await _round(service, at)
        at += 1
        await asyncio.sleep(ROUND_PAUSE_S)


async def _leave_two(service: Running) -> None:
    """Let two streams send for a while and then no more: one quietly, one amid its alert."""
    for at in range(STARTING + 4):
        both = [observations(name, 1, first=at)[0] for name in (SILENT, LEFT_OPEN)]
        for row in both:
            row["timestamp"] = time.time()  # silence is told by the steps between times, too
        both[1]["values"] = SPIKE if at >= STARTING else both[1]["values"]
        await _send(service, both)


async def _reload(at: Site, directory: Path) -> None:
    """Reload a model that is sound and one that is damaged."""
    assert (await at.service.http.post("/v1/models/pumps/reload")).is_success
    (directory / "models" / "fans" / "weights.safetensors").write_bytes(b"damaged")
    assert (await at.service.http.post("/v1/models/fans/reload")).is_client_error


async def _lose_redis(at: Site, client: httpx.AsyncClient) -> None:
    """Keep Redis away until verdicts are dropped and failures add up, then let it come back."""
    at.proxy.refuse = True
    at.proxy.reset()
    await at.grows("dropped_total", kind="scores")
    for name in ("sink", "store"):
        await _until_true(client, f"increase(stepwatch_{name}_errors_total[5s]) > 0")
    at.proxy.refuse = False
    await until_up(at.service, 1)


async def _until_true(client: httpx.AsyncClient, query: str) -> None:
    async def is_so() -> bool:
        return bool(await now(client, query))

    await eventually(is_so)


@asynccontextmanager
async def eventful(directory: Path, port: int) -> AsyncIterator[Eventful]:
    """Run it all until everything has happened, then go on with the load.

    Args:
        directory: Empty.
        port: For Redis.
    """
    async with site(directory, port, sink_rows=100) as at:
        service, began = at.service, time.time()
        target = urlsplit(service.url).netloc
        is_over = asyncio.Event()
        assert (await service.http.put(f"/v1/streams/{FAN}", json={"model": "fans"})).is_success
        async with prometheus(directory, target, hurried_rules(directory)) as client:
            loading = asyncio.create_task(_busy(service, is_over))
            try:
                await _leave_two(service)
                await _until_true(client, 'stepwatch_model_reloads_total{outcome="done"} == 0')
                await _reload(at, directory)
                await _lose_redis(at, client)
                await _until_true(client, f'stepwatch_stream_silent_seconds{{stream="{SILENT}"}}')
                await _until_true(client, "stepwatch_streams_shifted > 0")
                await _until_true(client, 'stepwatch_sink_up{sink="redis"} == 1')
                yield Eventful(service, client, began)
            finally:
                is_over.set()
                await loading
            assert (await metrics_of(service))["stepwatch_ready"] == 1
