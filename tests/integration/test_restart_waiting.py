"""Restarts whose store hangs, is slow or absent: the service waits, and takes nothing meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from redis import Redis
from structlog.testing import capture_logs

from benchmarks.service import free_port
from tests.integration.faulty import FaultProxy
from tests.integration.restarts import (
    numbers_of,
    outcomes_of,
    view_of,
)
from tests.integration.running import Running, eventually, running_service, settings_of, until_ready
from tests.integration.servers import RedisServer, redis_server
from tests.integration.test_restart_faults import ROWS, STREAMS, judged, left_behind, send

pytestmark = pytest.mark.integration


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A real redis-server, not yet started."""
    with redis_server() as lent:
        yield lent


@asynccontextmanager
async def behind_a_proxy(redis: RedisServer) -> AsyncIterator[FaultProxy]:
    """Let a started server listen on TCP too, behind a proxy."""
    port = free_port()
    with Redis.from_url(redis.start()) as client:
        client.config_set("bind", "127.0.0.1")
        client.config_set("port", port)
    async with FaultProxy("127.0.0.1", port) as proxy:
        yield proxy


async def check_not_ready(service: Running) -> None:
    """Make sure that it says that it lives, and takes nothing."""
    assert (await service.http.get("/healthz")).status_code == httpx.codes.OK
    ready = await service.http.get("/readyz")
    answer = await send(service.http, "a", ROWS, 1)
    for refused in (ready, answer, await service.http.get("/v1/streams/a")):
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert refused.json()["type"] == "not-ready"
        assert int(refused.headers["Retry-After"]) >= 1
    assert (await numbers_of(service.http))["stepwatch_ready"] == 0


@pytest.mark.parametrize("fault", ["hangs", "is slow"])
async def test_a_store_that_takes_its_time(tmp_path: Path, redis: RedisServer, fault: str) -> None:
    """While streams are restored nothing is taken; then all are there, and none begins anew."""
    async with behind_a_proxy(redis) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        await left_behind(tmp_path, url, start="own")
        settings = settings_of(tmp_path, redis_url=url, start="own", restore_wait_s=60)
        proxy.black_hole = fault == "hangs"
        proxy.latency_s = 0.7 if fault == "is slow" else 0.0
        async with running_service(settings, is_ready=False) as service:
            await check_not_ready(service)
            if fault == "hangs":
                await eventually(lambda: has_failed(service))
                await check_not_ready(service)
            proxy.black_hole, proxy.latency_s = False, 0.0
            await until_ready(service.http)
            assert await outcomes_of(service.http) == {"restored": len(STREAMS)}
            assert (await judged(service.http, "a"))[0] == "live"


async def has_failed(service: Running) -> bool:
    """Tell whether the store failed to answer in time."""
    name = 'stepwatch_store_errors_total{kind="timeout",store="redis"}'
    return (await numbers_of(service.http)).get(name, 0) > 0


async def test_a_store_that_is_absent(tmp_path: Path, redis: RedisServer) -> None:
    """After waiting the service starts without, says so, and saves once the store is there."""
    url = redis.start()
    await asyncio.to_thread(redis.stop)
    settings = settings_of(tmp_path, redis_url=url, restore_wait_s=1, snapshot_every_s=0.1)
    with capture_logs() as logs:
        async with running_service(settings, is_ready=False) as service:
            await check_not_ready(service)
            await until_ready(service.http)
            assert (await judged(service.http, "a", 0))[0] == "live"
            numbers = await numbers_of(service.http)
            assert numbers['stepwatch_store_up{store="redis"}'] == 0
            assert numbers['stepwatch_store_errors_total{kind="connection",store="redis"}'] > 1
            await asyncio.to_thread(redis.start)
            await eventually(lambda: is_saved(service))
    events = [log["event"] for log in logs]
    assert events.count("store down") == 1
    assert "started without snapshots" in events
    assert events.index("store down") < events.index("started without snapshots")
    async with running_service(settings) as service:
        assert await outcomes_of(service.http) == {"restored": 1}


async def is_saved(service: Running) -> bool:
    """Tell whether the store is up and has everything."""
    numbers = await numbers_of(service.http)
    is_up = numbers['stepwatch_store_up{store="redis"}'] == 1
    return is_up and numbers["stepwatch_snapshot_age_seconds"] == 0


async def test_a_stop_while_restoring(tmp_path: Path, redis: RedisServer) -> None:
    """A service that is stopped before it has restored leaves what is stored as it was."""
    async with behind_a_proxy(redis) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        await left_behind(tmp_path, url)
        proxy.black_hole = True
        async with running_service(settings_of(tmp_path, redis_url=url), is_ready=False) as service:
            await check_not_ready(service)
        proxy.black_hole = False
        async with running_service(settings_of(tmp_path, redis_url=url)) as service:
            assert await outcomes_of(service.http) == {"restored": len(STREAMS)}
            assert (await view_of(service.http, "c"))["observations"] == ROWS
