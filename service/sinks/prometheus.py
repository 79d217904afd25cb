"""The metrics page: built when it is asked for, from counters and from the banks' arrays."""

import asyncio
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from service.engine.census import Census
from service.engine.engine import Engine
from service.sinks.engine_metrics import EngineMetrics, gauge

STAY_S: Final = 3600.0
"""A stream that came among the worst is exported for at least so long."""


class MetricsPage:
    """Renders everything there is to know of the service in Prometheus' text format.

    Args:
        engine: What to look at.
        export: Patterns of streams that always have series of their own.
        worst: How many other streams have them: those of the highest severity now, and at most
            as many again that were among those within the hour.
    """

    def __init__(self, engine: Engine, *, export: Sequence[str], worst: int) -> None:
        self._engine = engine
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._export = tuple(export)
        self._worst = worst
        self._among_worst_since: dict[str, float] = {}

    async def render(self) -> tuple[bytes, str]:
        """Give the page and its media type; what grows with the streams is done off the loop."""
        census = await self._engine.census()
        now = self._engine.clock.monotonic()
        # few series, read here because the loop changes what they tell of
        engine = _Collected(list(EngineMetrics(self._engine, census).collect()))
        page = await asyncio.to_thread(self._format, engine, census, now)
        return page, CONTENT_TYPE_LATEST

    def _format(self, engine: Collector, census: list[Census], now: float) -> bytes:
        registry = CollectorRegistry()
        streams = _StreamMetrics(census, self._export, self._chosen(census, now))
        registry.register(engine)
        registry.register(streams)
        return generate_latest(registry) + generate_latest(self._process)

    def _chosen(self, census: list[Census], now: float) -> set[str]:
        """Pick the worst streams, and as many again of those that were among them in the hour."""
        severities = [_severity(part) for part in census]
        ids = [stream.stream_id for part in census for stream in part.streams]
        severity = np.concatenate([np.empty(0), *severities])
        worst = [ids[at] for at in np.argsort(-severity)[: self._worst] if severity[at] > 0]
        there = set(ids)
        # a new one each time: another scrape may be reading the old one in its own thread
        among = {
            stream_id: since
            for stream_id, since in (self._among_worst_since | dict.fromkeys(worst, now)).items()
            if now - since < STAY_S and stream_id in there
        }
        self._among_worst_since = among
        lately = sorted(among.keys() - set(worst), key=lambda one: -among[one])
        return set(worst) | set(lately[: self._worst])


def _severity(part: Census) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Last score over last threshold, -1 where either is unknown."""
    score, threshold = part.record["score"], part.record["threshold"]
    known = threshold > 0
    severity = np.full(len(score), -1.0)
    severity[known] = score[known] / threshold[known]
    return severity


class _Collected(Collector):
    """Metrics that were read already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


class _StreamMetrics(Collector):
    """Score, threshold and anomalies of chosen streams."""

    def __init__(self, census: list[Census], patterns: tuple[str, ...], chosen: set[str]) -> None:
        self._census = census
        self._patterns = patterns
        self._chosen = chosen

    def collect(self) -> Iterable[Metric]:
        labels = ["stream", "model"]
        score = GaugeMetricFamily("stepwatch_stream_score", "Last score.", labels=labels)
        threshold = GaugeMetricFamily(
            "stepwatch_stream_threshold", "Last threshold.", labels=labels
        )
        anomalies = CounterMetricFamily("stepwatch_stream_anomalies", "Anomalies.", labels=labels)
        left_out = 0
        for part in self._census:
            columns = (part.record[name].tolist() for name in ("score", "threshold", "anomalies"))
            for stream, *numbers in zip(part.streams, *columns, strict=True):
                if not self._is_exported(stream.stream_id):
                    left_out += 1
                    continue
                names = [stream.stream_id, part.model.name]
                score.add_metric(names, numbers[0])
                threshold.add_metric(names, numbers[1])
                anomalies.add_metric(names, numbers[2])
        yield from (score, threshold, anomalies)
        yield gauge("streams_not_exported", "Streams without series of their own.", left_out)

    def _is_exported(self, stream_id: str) -> bool:
        return stream_id in self._chosen or any(
            fnmatchcase(stream_id, pattern) for pattern in self._patterns
        )
