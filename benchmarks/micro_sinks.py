"""What telling of verdicts costs: entries in Redis, and the metrics page.

The floor is one copy of the bytes that go out. Of Redis the service's own CPU is counted, not what
the server needs to store them.
"""

from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter, thread_time
from typing import Final, get_args

import numpy as np
from redis.asyncio import Redis

from benchmarks.load_rows import METRICS
from benchmarks.micro_codecs import SIZES, scored_of, verdicts_of
from benchmarks.micro_figures import Figure
from benchmarks.speed_cores import Cores
from benchmarks.speed_redis import redis_alone
from benchmarks.timing import AT_LEAST_S, REPEATS
from models.bank import StreamBank
from models.blocks import NO_SEQ
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from service.engine.alerts import AlertPolicy
from service.engine.clock import SystemClock
from service.engine.columns import Columns, Request
from service.engine.directory import Directory
from service.engine.engine import Engine, Limits
from service.engine.model import Model
from service.engine.ports import Delivery, Scored
from service.keys import Keys
from service.sinks.prometheus import MetricsPage
from service.sinks.redis import RedisSink, ScoresMode

RESIDENT: Final = 10_000
EXPORTED: Final = (200, RESIDENT)
_WRITTEN: Final[tuple[str, ...]] = ("each", "packed")


def copies_us(size: int, times: int = 20) -> float:
    """Time one copy of so many bytes."""
    data = bytes(size)
    began = perf_counter()
    for _ in range(times):
        bytearray(data)
    return (perf_counter() - began) / times * 1e6


class Writing:
    """Deliveries of so many verdicts to a real Redis."""

    def __init__(self, sink: RedisSink, redis: Redis, made: Callable[[], Scored]) -> None:
        self._sink = sink
        self._redis = redis
        self._made = made
        self._times = 1
        self.bytes = 0
        self.took_us: list[float] = []
        self.wall_us: list[float] = []
        self.floor_us: list[float] = []

    async def prepare(self) -> None:
        """Find the bytes of a delivery, and how many deliveries a repeat takes."""
        await self._write(1)  # connects
        before = await self._received()
        await self._write(1)
        self.bytes = await self._received() - before
        took_s = await self._write(10)
        self._times = max(1, round(10 * AT_LEAST_S / took_s))

    async def repeat(self) -> None:
        """Measure once."""
        began = perf_counter()
        self.took_us.append(await self._write(self._times) / self._times * 1e6)
        self.wall_us.append((perf_counter() - began) / self._times * 1e6)
        self.floor_us.append(copies_us(self.bytes))

    async def _write(self, times: int) -> float:
        """Write so many deliveries; gives the seconds of CPU."""
        deliveries = [Delivery([self._made()]) for _ in range(times)]
        began = thread_time()
        for one in deliveries:
            await self._sink.write_batch(one)
        return thread_time() - began

    async def _received(self) -> int:
        told = await self._redis.info("stats")
        return int(told["total_net_input_bytes"])


async def redis_figures(model: Checkpoint) -> list[Figure]:
    """Measure the Redis sink in both modes, in turn."""
    modes: list[ScoresMode] = [one for one in get_args(ScoresMode) if one in _WRITTEN]
    figures = []
    async with redis_alone(Cores.of_this_machine().redis) as (url, client, _):
        sinks = {mode: RedisSink(url, Keys(mode), scores=mode) for mode in modes}
        for rows in SIZES:
            verdicts = verdicts_of(model, rows)
            found = {
                mode: Writing(sink, client, lambda v=verdicts: scored_of(model, v))  # type: ignore[misc]
                for mode, sink in sinks.items()
            }
            for one in found.values():
                await one.prepare()
            for _ in range(REPEATS):
                for one in found.values():
                    await one.repeat()
            figures += list(_told(found, rows))
        for sink in sinks.values():
            await sink.close()
    return figures


def _told(found: dict[ScoresMode, Writing], rows: int) -> Iterator[Figure]:
    for mode, one in found.items():
        wall = f"{median(one.wall_us) / rows:,.2f} us until Redis has answered"
        what = f"Redis, {mode}, {one.bytes / rows:,.0f} bytes a row, {wall}"
        yield Figure.of(("Sinks, times one copy", what, rows), one.took_us, one.floor_us)


class Scraping:
    """Pages with so many streams exported."""

    def __init__(self, engine: Engine, worst: int) -> None:
        self._page = MetricsPage(engine, export=(), worst=worst)
        self._worst = worst
        self._size = 0
        self._took_us: list[float] = []
        self._floor_us: list[float] = []

    async def repeat(self) -> None:
        """Measure once."""
        began = perf_counter()
        data, _ = await self._page.render()
        self._took_us.append((perf_counter() - began) * 1e6)
        self._size = len(data)
        self._floor_us.append(copies_us(len(data)))

    def figure(self) -> Figure:
        """Tell what was found."""
        took_ms, kb = median(self._took_us) / 1e3, self._size / 1e3
        what = f"{RESIDENT:,} resident, page of {kb:,.0f} kB, {took_ms:.1f} ms"
        section = "Metrics page, a row is a stream that is exported, times one copy"
        return Figure.of((section, what, self._worst), self._took_us, self._floor_us)


async def page_figures(model: Checkpoint) -> list[Figure]:
    """Measure the metrics page of many streams, few of them and all of them exported, in turn."""
    engine = await _filled(model)
    try:
        pages = [Scraping(engine, worst) for worst in EXPORTED]
        for _ in range(REPEATS):
            for page in pages:
                await page.repeat()
    finally:
        await engine.stop()
    return [page.figure() for page in pages]


async def _filled(model: Checkpoint) -> Engine:
    """Start an engine whose streams have seen an observation."""
    directory = Directory(
        {"bench": Model("bench", StreamBank(model))},
        default_model="bench",
        options=StreamOptions(start="reference"),
        max_streams=RESIDENT,
    )
    clock = SystemClock()
    engine = Engine(directory, policy=AlertPolicy(), sinks=[], clock=clock, limits=Limits())
    await engine.start()
    columns = Columns(
        rows=np.arange(RESIDENT),
        stream_ids=tuple(f"plant/pump-{number:05d}" for number in range(RESIDENT)),
        times=np.full(RESIDENT, clock.now()),
        seqs=np.full(RESIDENT, NO_SEQ),
        values=np.random.default_rng(0).normal(0.5, 0.1, (RESIDENT, METRICS)),
    )
    pending = await engine.take(Request(door="bench", size=RESIDENT, columns=[columns]))
    await pending.answer()
    return engine
