"""The services that are compared, each with a Redis of its own, on cores of their own."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from benchmarks import naive_service
from benchmarks.load_check import Scores
from benchmarks.load_rows import Feed, Template
from benchmarks.service import free_port, metric, serving
from service.keys import Keys

START_S: Final = 60.0
DRAIN_S: Final = 60.0
POLL_S: Final = 0.005
_SCHEDULED: Final = 2


@dataclass(frozen=True, slots=True)
class Cores:
    """Where each part runs."""

    server: set[int]
    client: set[int]
    redis: set[int]

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Share out what there is: the server has a core to itself as soon as there are two."""
        there = sorted(os.sched_getaffinity(0))
        return cls({there[0]}, {there[min(1, len(there) - 1)]}, {there[min(2, len(there) - 1)]})

    def __str__(self) -> str:
        """Say it."""
        parts = f"server on core {self.server}, client on {self.client}, Redis on {self.redis}"
        return parts.replace("{", "").replace("}", "")


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Start processes on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_s(pid: int) -> float:
    """Read how long a process has computed, all its threads together.

    `/proc/PID/stat` tells the same in hundredths of a second, too coarse for a short stretch. On
    Linux every process has a clock; this is its number (clock_getcpuclockid(3)).
    """
    return time.clock_gettime((~pid << 3) | _SCHEDULED)


@dataclass(slots=True, kw_only=True)
class Contender:
    """A service that is measured.

    Attributes:
        single: Path of the door for one observation.
        batch: Path of the door for many.
        socket: Path of the WebSocket.
        stream: Key of the Redis stream with its verdicts.
        answered: Verdicts it gave.
        warm_up_errors: Rows that got none before the first round.
        scores: Some of them.
    """

    name: str
    port: int
    pid: int
    redis: Redis
    redis_pid: int
    single: str
    batch: str
    socket: str
    stream: str
    feed: Feed = field(default_factory=Feed)
    templates: dict[str, list[list[Template]]] = field(default_factory=dict)
    answered: int = 0
    warm_up_errors: int = 0
    scores: Scores = field(default_factory=dict)

    async def entries(self) -> int:
        """Count the entries that were ever added, trimmed ones too."""
        try:
            told: Any = await self.redis.xinfo_stream(self.stream)
        except ResponseError:  # there is no such stream yet
            return 0
        return int(told["entries-added"])

    async def drained(self) -> float:
        """Wait until every verdict that was answered is in Redis; gives the seconds."""
        began = perf_counter()
        while await self.entries() < self.answered:
            if perf_counter() - began > DRAIN_S:
                break
            await asyncio.sleep(POLL_S)
        return perf_counter() - began

    async def dropped(self) -> float:
        """Count the verdicts that the sink gave up."""
        if self.stream == naive_service.SCORES:
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
    """Run the naive service and ours."""
    async with _naive(model, cores) as naive, _ours(model, data_dir, cores) as ours:
        yield [naive, ours]


@asynccontextmanager
async def _naive(model: Path, cores: Cores) -> AsyncIterator[Contender]:
    async with _redis(cores) as (url, redis, redis_pid), _naive_process(model, url, cores) as found:
        port, pid = found
        yield Contender(
            name="naive",
            port=port,
            pid=pid,
            redis=redis,
            redis_pid=redis_pid,
            single="/observations",
            batch="/batches",
            socket="/ingest",
            stream=naive_service.SCORES,
        )


@asynccontextmanager
async def _ours(model: Path, data_dir: Path, cores: Cores) -> AsyncIterator[Contender]:
    settings = {
        "STEPWATCH_DEFAULT_MODEL": model.name,
        "STEPWATCH_START": "reference",
        "STEPWATCH_REDIS_SCORES": "each",
    }
    async with AsyncExitStack() as opened:
        url, redis, redis_pid = await opened.enter_async_context(_redis(cores))
        with on(cores.server):
            started = serving(data_dir, REDIS_URL=url, **settings)
            service = await opened.enter_async_context(started)
        yield Contender(
            name="ours",
            port=int(service.url.rpartition(":")[2]),
            pid=service.process.pid,
            redis=redis,
            redis_pid=redis_pid,
            single="/v1/observations",
            batch="/v1/observations",
            socket="/v1/ingest",
            stream=Keys().scores,
        )


@asynccontextmanager
async def _redis(cores: Cores) -> AsyncIterator[tuple[str, Redis, int]]:
    """Run a redis-server that writes nothing to disk; gives also a client and its process."""
    with tempfile.TemporaryDirectory(prefix="sw-") as directory:
        socket = f"{directory}/redis.sock"
        options = ("--port", "0", "--unixsocket", socket, "--save", "", "--logfile", "log")
        with on(cores.redis):
            process = await asyncio.create_subprocess_exec("redis-server", *options, cwd=directory)
        try:
            async with Redis(unix_socket_path=socket) as client, asyncio.timeout(START_S):
                while True:
                    try:
                        await client.ping()
                        break
                    except RedisError:
                        await asyncio.sleep(0.05)
            async with Redis(unix_socket_path=socket, decode_responses=True) as client:
                yield f"unix://{socket}", client, process.pid
        finally:
            process.terminate()
            await process.wait()


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
