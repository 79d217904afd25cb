"""The metrics page: built when it is asked for, from counters and from the banks' arrays."""

import asyncio
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from models.cadence import silence_s
from service.engine.census import Census
from service.engine.engine import Engine
from service.sinks.engine_metrics import EngineMetrics, gauge, model_metrics
from service.sinks.stream_series import StreamSeries, pause


class MetricsPage:
    """Renders everything there is to know of the service in Prometheus' text format.

    Args:
        engine: What to look at.
        export: Patterns of streams that always have series of their own.
        worst: How many other streams have them: those of the highest severity now, and at most
            as many again that were among those within the hour. As many silent streams, and as
            many with an open alert, have a series for that.
    """

    def __init__(self, engine: Engine, *, export: Sequence[str], worst: int) -> None:
        self._engine = engine
        self._worst = worst
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._series = StreamSeries(export=export, worst=worst)
        self._turn = asyncio.Lock()

    async def render(self) -> tuple[bytes, str]:
        """Give the page and its media type; what grows with the streams is done off the loop."""
        # one after another: scrapes share what is remembered of the streams
        async with self._turn:
            census = await self._engine.census()
            clock = self._engine.clock
            # few series, read here because the loop changes what they tell of
            engine = list(EngineMetrics(self._engine, self._worst).collect())
            page = await asyncio.to_thread(
                self._format, engine, census, clock.now(), clock.monotonic()
            )
        return page, CONTENT_TYPE_LATEST

    def _format(
        self, engine: list[Metric], census: list[Census], now: int, monotonic: float
    ) -> bytes:
        quiet_s = [silence_s(part.record, now) for part in census]
        series = self._series.text(census, quiet_s, monotonic)
        left_out = gauge(
            "streams_not_exported", "Streams without series of their own.", self._series.left_out
        )
        registry = CollectorRegistry()
        pause()
        registry.register(_Collected([*engine, *model_metrics(census, quiet_s), left_out]))
        pause()
        few = generate_latest(registry)
        pause()
        return b"".join((few, *series, generate_latest(self._process)))


class _Collected(Collector):
    """Metrics that were read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
