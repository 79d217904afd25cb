"""Outages: a Redis that goes away and comes back under load, and a service that is ended."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from service.embedded import EmbeddedValkey
from service.keys import Keys
from tests.integration.processes import ended, served
from tests.integration.running import (
    METRICS,
    Running,
    eventually,
    metrics_of,
    observations,
    pumps,
    running_service,
    settings_of,
    until_ready,
)
from tests.integration.servers import RedisServer, client_of, process_id, redis_server
from tests.integration.test_embedded_orphans import ends_within

pytestmark = pytest.mark.integration

ROWS = 20
SCORES = Keys().scores


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A real redis-server, not yet started."""
    with redis_server() as lent:
        yield lent


class Load:
    """Sends batches one after another for the time of a block; none may fail or lose a row."""

    def __init__(self, service: Running) -> None:
        self._service = service
        self._is_over = False
        self.verdicts = 0

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Send until the end of the block."""
        self._is_over = False
        sending = asyncio.create_task(self._send())
        try:
            yield
        finally:
            self._is_over = True
            await sending

    async def _send(self) -> None:
        while not self._is_over:
            await self.batch()

    async def batch(self) -> None:
        """Send one batch and check its answer."""
        rows = observations("a", ROWS, first=self.verdicts)
        answer = await self._service.http.post("/v1/observations", json={"observations": rows})
        assert answer.status_code == 200
        assert [row["seq"] for row in answer.json()["verdicts"]] == [row["seq"] for row in rows]
        self.verdicts += ROWS


async def redis_metric(service: Running, name: str, **labels: str) -> float:
    """Read one metric of the Redis sink."""
    told = ",".join(
        f'{key}="{value}"' for key, value in sorted({**labels, "sink": "redis"}.items())
    )
    return (await metrics_of(service))[f"stepwatch_sink_{name}{{{told}}}"]


async def until_up(service: Running, wanted: float) -> None:
    """Wait until the metrics page says that the sink is up (1) or down (0)."""

    async def is_so() -> bool:
        return await redis_metric(service, "up") == wanted

    await eventually(is_so)


def written(url: str) -> int:
    """Count the entries in the stream of verdicts."""
    with client_of(url) as client:
        return client.xlen(SCORES)


async def until_nothing_waits(service: Running) -> None:
    """Wait until the sink has written what there was."""

    async def is_so() -> bool:
        return await redis_metric(service, "waiting_verdicts") == 0

    await eventually(is_so)


async def test_a_redis_that_stops_and_comes_back(tmp_path: Path, redis: RedisServer) -> None:
    """While Redis is away every verdict is given and waits; when it is back all are written."""
    url = redis.start()
    async with running_service(settings_of(tmp_path, redis_url=url)) as service:
        load = Load(service)
        await until_up(service, 1)
        async with load():
            await asyncio.to_thread(redis.stop)
            await until_up(service, 0)
            assert (await service.http.get("/readyz")).json()["sinks"]["redis"] == "down"
            assert await redis_metric(service, "waiting_verdicts") > 0
            assert await redis_metric(service, "errors_total", kind="connection") > 0
            await asyncio.to_thread(redis.start)
            await until_up(service, 1)
        await until_nothing_waits(service)
        assert written(url) == load.verdicts
        assert await redis_metric(service, "written_total", kind="scores") == load.verdicts
        assert await redis_metric(service, "dropped_total", kind="scores") == 0


async def test_a_redis_that_hangs_and_goes_on(tmp_path: Path, redis: RedisServer) -> None:
    """A Redis that answers nothing for a while delays no verdict and gets each exactly once."""
    url = redis.start()
    with client_of(url) as client:
        process = process_id(client)
    async with running_service(settings_of(tmp_path, redis_url=url)) as service:
        load = Load(service)
        await until_up(service, 1)
        async with load():
            os.kill(process, signal.SIGSTOP)
            try:
                await until_up(service, 0)
                assert await redis_metric(service, "errors_total", kind="timeout") > 0
            finally:
                os.kill(process, signal.SIGCONT)
            await until_up(service, 1)
        await until_nothing_waits(service)
        assert written(url) == load.verdicts


async def test_what_does_not_fit_the_queue_is_counted(tmp_path: Path, redis: RedisServer) -> None:
    """With a full queue the oldest verdicts go, each of them counted, and the rest is written."""
    url = redis.start()
    async with running_service(settings_of(tmp_path, redis_url=url, sink_rows=50)) as service:
        load = Load(service)
        await load.batch()
        await until_nothing_waits(service)
        await asyncio.to_thread(redis.stop)
        for _ in range(10):
            await load.batch()
        assert await redis_metric(service, "waiting_verdicts") <= 50
        await asyncio.to_thread(redis.start)
        await until_nothing_waits(service)
        dropped = await redis_metric(service, "dropped_total", kind="scores")
        assert dropped >= 150
        assert written(url) + dropped == load.verdicts == 220


async def test_a_redis_that_comes_late(tmp_path: Path, redis: RedisServer) -> None:
    """The service starts and serves without its Redis, and writes everything once it is there."""
    url = redis.start()
    await asyncio.to_thread(redis.stop)
    settings = settings_of(tmp_path, redis_url=url, restore_wait_s=0.5)
    async with running_service(settings) as service:
        load = Load(service)
        await load.batch()
        await until_up(service, 0)
        await asyncio.to_thread(redis.start)
        await until_up(service, 1)
        await until_nothing_waits(service)
        assert written(url) == load.verdicts


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with the model pumps."""
    assert pumps().save(tmp_path / "models" / "pumps").spec.metrics == METRICS
    return tmp_path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_it_in_order(data_dir: Path, number: signal.Signals) -> None:
    """On SIGINT and SIGTERM every verdict given is written, and the exit status is 0."""
    verdicts = 0
    async with served("--default-model", "pumps", data_dir=data_dir) as service:
        for first in range(0, 10 * ROWS, ROWS):
            rows = observations("a", ROWS, first=first)
            answer = await service.http.post("/v1/observations", json={"observations": rows})
            verdicts += len(answer.json()["verdicts"])
        service.process.send_signal(number)
        last = await ended(service.process)
    assert last.status == 0
    assert "Traceback" not in last.err
    valkey = EmbeddedValkey(data_dir)
    try:
        assert written(valkey.start()) == verdicts == 10 * ROWS
    finally:
        valkey.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pidfd and prctl")
async def test_a_killed_service_leaves_no_server_behind(data_dir: Path) -> None:
    """After kill -9 the embedded Valkey ends by itself, and the next service starts."""
    async with served("--default-model", "pumps", data_dir=data_dir) as service:
        valkey = os.pidfd_open(int((data_dir / "valkey" / "valkey.pid").read_text()))
        service.process.kill()
        await ended(service.process)
    try:
        assert ends_within(valkey, 10)
    finally:
        os.close(valkey)
    async with served("--default-model", "pumps", data_dir=data_dir) as service:
        await until_ready(service.http)
