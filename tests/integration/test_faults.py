"""Everything that can ail a Redis, or the way to it, while the service is under load."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median

import pytest

from service.keys import Keys
from tests.integration.running import eventually
from tests.integration.servers import entries, process_id
from tests.integration.site import PASSWORD, ROWS, SAVED_WITHIN_S, Site, listen, site
from tests.integration.test_outage import redis_metric, until_nothing_waits, until_up

pytestmark = pytest.mark.integration

FEW, MANY = 200, 200_000
"""Verdicts that may wait for the sink: fewer than come during a fault, or more."""


@asynccontextmanager
async def black_hole(at: Site) -> AsyncIterator[None]:
    """Nothing passes, and nothing says so."""
    at.proxy.black_hole = True
    await at.fails("timeout")
    await at.store_fails("timeout")
    yield
    at.proxy.black_hole = False


@asynccontextmanager
async def far_away(at: Site) -> AsyncIterator[None]:
    """Half a second there and back: slow, but no fault, so the sink stays up."""
    at.proxy.latency_s = 0.5
    await at.grows("written_total", 10 * ROWS, kind="scores")
    yield
    assert await redis_metric(at.service, "up") == 1
    at.proxy.latency_s = 0.0


@asynccontextmanager
async def narrow(at: Site) -> AsyncIterator[None]:
    """20 kB a second, far less than what is to be written."""
    at.proxy.bytes_per_s = 20_000
    await at.fails("timeout")
    yield
    at.proxy.bytes_per_s = None


@asynccontextmanager
async def flapping(at: Site) -> AsyncIterator[None]:
    """Each connection is reset soon after it was made."""
    for _ in range(15):
        before = at.proxy.accepted
        at.proxy.reset()

        async def is_back(before: int = before) -> bool:
            return at.proxy.accepted > before

        await eventually(is_back)
    yield


@asynccontextmanager
async def hung(at: Site) -> AsyncIterator[None]:
    """The server's process stands still."""
    process = process_id(at.control)
    os.kill(process, signal.SIGSTOP)
    try:
        await at.fails("timeout")
        await at.store_fails("timeout")
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@asynccontextmanager
async def full(at: Site) -> AsyncIterator[None]:
    """The server may use no more memory."""
    at.control.config_set("maxmemory", 1)
    await at.fails("full")
    await at.store_fails("full")
    yield
    at.control.config_set("maxmemory", 0)


@asynccontextmanager
async def wrong_password(at: Site) -> AsyncIterator[None]:
    """The server wants another password from every new connection."""
    at.control.config_set("requirepass", "another")
    at.proxy.reset()
    await at.fails("auth")
    await at.store_fails("auth")
    yield
    at.control.config_set("requirepass", PASSWORD)


@asynccontextmanager
async def killed(at: Site) -> AsyncIterator[None]:
    """The server is killed, and later started with what its file holds."""
    os.kill(process_id(at.control), signal.SIGKILL)
    await at.fails("connection")
    await at.store_fails("connection")
    yield
    await asyncio.to_thread(at.redis.stop)
    await asyncio.to_thread(at.redis.start)
    listen(at.control, at.port)


Fault = Callable[[Site], AbstractAsyncContextManager[None]]


async def drops(at: Site) -> None:
    """Wait until verdicts have been dropped."""
    await at.grows("dropped_total", kind="scores")


async def goes_on(at: Site) -> None:
    """Wait until some more verdicts were given."""
    wanted = at.load.verdicts + 20 * ROWS

    async def has_gone_on() -> bool:
        return at.load.verdicts >= wanted

    await eventually(has_gone_on)


@pytest.mark.parametrize(
    ("fault", "sink_rows", "meanwhile"),
    [
        (black_hole, FEW, drops),
        (far_away, MANY, goes_on),
        (narrow, MANY, goes_on),
        (flapping, MANY, goes_on),
        (hung, FEW, drops),
        (full, FEW, drops),
        (wrong_password, FEW, drops),
        (killed, MANY, goes_on),
    ],
)
async def test_no_verdict_waits_and_none_is_lost_uncounted(
    tmp_path: Path,
    unused_tcp_port: int,
    fault: Fault,
    sink_rows: int,
    meanwhile: Callable[[Site], Awaitable[None]],
) -> None:
    """No answer is delayed; after it each verdict is written or counted, each state is stored."""
    async with site(tmp_path, unused_tcp_port, sink_rows=sink_rows) as at:
        async with at.load():
            await at.grows("written_total", ROWS, kind="scores")
            before = len(at.load.took_s)
            async with fault(at):
                await meanwhile(at)
            took_s = at.load.took_s[before:]
            await until_up(at.service, 1)
            await at.grows("written_total", ROWS, kind="scores")
            await at.stores(SAVED_WITHIN_S)
        await until_nothing_waits(at.service)
        await at.stores(0)
        await at.check_stored()
        seqs = [int(entry["seq"]) for entry in entries(at.control, Keys().scores)]
        assert seqs == sorted(set(seqs))
        dropped = await redis_metric(at.service, "dropped_total", kind="scores")
        assert len(seqs) + dropped == at.load.verdicts
        assert (dropped > 0) == (meanwhile is drops)
        assert await redis_metric(at.service, "written_total", kind="scores") == len(seqs)
        assert median(took_s) < 0.25


async def test_a_narrow_link_is_slow_and_carries_all(tmp_path: Path, unused_tcp_port: int) -> None:
    """Where one transaction takes longer than the first timeout, all are written in time."""
    async with site(tmp_path, unused_tcp_port, sink_rows=MANY, redis_timeout_s=0.3) as at:
        at.proxy.bytes_per_s = 100_000
        async with at.load():
            await at.fails("timeout")
        await until_nothing_waits(at.service)
        seqs = [int(entry["seq"]) for entry in entries(at.control, Keys().scores)]
        assert seqs == list(range(at.load.verdicts))
