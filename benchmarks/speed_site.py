"""The services that are compared, each with a Redis of its own, on cores of their own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx

from benchmarks import naive_service
from benchmarks.load_check import Scores
from benchmarks.load_rows import Feed, Template
from benchmarks.service import free_port, metric, serving
from benchmarks.speed_cores import Cores, on
from benchmarks.speed_paths import EACH, NAIVE, PACKED
from benchmarks.speed_redis import (
    START_S,
    EntryLedger,
    Ledger,
    RowLedger,
    pause_s,
    redis_alone,
)
from service.keys import Keys

STALLED_S: Final = 10.0
"""After so long without a new verdict in Redis, those that are missing are given up."""
PACKED_KEY: Final = Keys().packed
"""Redis stream of the packed entries."""


@dataclass(slots=True, kw_only=True)
class Contender:
    """A service that is measured.

    Attributes:
        redis_pid: Process of its Redis.
        ledger: Counts the verdicts in it.
        single: Path of the door for one observation.
        batch: Path of the door for many.
        socket: Path of the WebSocket.
        answered: Verdicts it gave.
        lost: Those of them that did not come to Redis.
        warm_up_errors: Rows that got none before the first round.
        scores: Some of them.
    """

    name: str
    port: int
    pid: int
    redis_pid: int
    ledger: Ledger
    single: str = "/v1/observations"
    batch: str = "/v1/observations"
    socket: str = "/v1/ingest"
    feed: Feed = field(default_factory=Feed)
    templates: dict[str, list[list[Template]]] = field(default_factory=dict)
    answered: int = 0
    lost: int = 0
    warm_up_errors: int = 0
    scores: Scores = field(default_factory=dict)

    async def drained(self, began: float) -> float:
        """Wait until every verdict that was answered is in Redis; gives the seconds since then.

        What does not come is waited for once.
        """
        looked = came = perf_counter()
        before = written = await self.ledger.written()
        while (left := self.answered - self.lost - written) > 0:
            took = perf_counter() - looked
            looked += took
            came = looked if written > before else came
            if looked - came > STALLED_S:
                self.lost += left
                break
            # looking costs the core that Redis works on
            await asyncio.sleep(pause_s(left, (written - before) / took))
            before, written = written, await self.ledger.written()
        return perf_counter() - began

    async def dropped(self) -> float:
        """Count the verdicts that the sink gave up."""
        if self.name == NAIVE:
            return 0.0  # it waits for each entry
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False
        ) as http:
            kind = '{kind="scores",sink="redis"}'
            return await metric(http, "stepwatch_sink_dropped_total", kind)

    @contextmanager
    def alone(self, others: "list[Contender]") -> Iterator[None]:
        """Hold the others still: what they have left to do, they do in their own time."""
        still = [one.pid for one in others if one is not self]
        for pid in still:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in still:
                os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def contenders(model: Path, data_dir: Path, cores: Cores) -> AsyncIterator[list[Contender]]:
    """Run the naive service, and ours with an entry a verdict and with packed entries."""
    async with (
        _naive(model, cores) as naive,
        _ours(EACH, model, data_dir, cores) as each,
        _ours(PACKED, model, data_dir, cores) as packed,
    ):
        yield [naive, each, packed]


@asynccontextmanager
async def _naive(model: Path, cores: Cores) -> AsyncIterator[Contender]:
    async with (
        redis_alone(cores.redis) as (url, redis, redis_pid),
        _naive_process(model, url, cores) as (port, pid),
    ):
        yield Contender(
            name=NAIVE,
            port=port,
            pid=pid,
            redis_pid=redis_pid,
            ledger=EntryLedger(redis, naive_service.SCORES),
            single="/observations",
            batch="/batches",
            socket="/ingest",
        )


@asynccontextmanager
async def _ours(name: str, model: Path, data_dir: Path, cores: Cores) -> AsyncIterator[Contender]:
    is_packed = name == PACKED
    settings = {
        "STEPWATCH_DEFAULT_MODEL": model.name,
        "STEPWATCH_START": "reference",
        "STEPWATCH_REDIS_SCORES": "packed" if is_packed else "each",
    }
    async with AsyncExitStack() as opened:
        url, redis, redis_pid = await opened.enter_async_context(redis_alone(cores.redis))
        with on(cores.server):
            started = serving(data_dir, REDIS_URL=url, **settings)
            service = await opened.enter_async_context(started)
        yield Contender(
            name=name,
            port=int(service.url.rpartition(":")[2]),
            pid=service.process.pid,
            redis_pid=redis_pid,
            ledger=RowLedger(redis, PACKED_KEY) if is_packed else EntryLedger(redis, Keys().scores),
        )


@asynccontextmanager
async def _naive_process(
    model: Path, redis_url: str, cores: Cores
) -> AsyncIterator[tuple[int, int]]:
    """Run the naive service; gives its port and process."""
    port = free_port()
    given = ("-m", "benchmarks.naive_service", str(model), redis_url, str(port))
    with on(cores.server):
        process = await asyncio.create_subprocess_exec(sys.executable, *given)
    try:
        async with asyncio.timeout(START_S), httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    await http.get(f"http://127.0.0.1:{port}/metrics/")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        await process.wait()
