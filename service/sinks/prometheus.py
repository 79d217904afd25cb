"""The metrics page: built when it is asked for, from counters and from the banks' arrays."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from importlib.metadata import version
from itertools import accumulate
from typing import Final

import numpy as np
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from models.blocks import Phase
from models.record import silent
from service.engine import counters
from service.engine.engine import Engine
from service.engine.errors import ROW_ERROR_TYPES
from service.engine.streams import Census

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
        census = await self._engine.streams.census()
        now = self._engine.clock.monotonic()
        # few series, read here because the loop changes what they tell of
        engine = _Collected(list(_EngineMetrics(self._engine, census).collect()))
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


class _EngineMetrics:
    """Totals and states of the service as a whole."""

    def __init__(self, engine: Engine, census: list[Census]) -> None:
        self._engine = engine
        self._census = census

    def collect(self) -> Iterable[Metric]:
        yield from self._traffic()
        yield from self._sinks()
        yield from self._models()

    def _traffic(self) -> Iterator[Metric]:
        counted = self._engine.counters
        yield _counter("observations_received", "Observations by door.", "door", counted.received)
        yield _counter("observations_scored", "Verdicts by model.", "model", counted.scored)
        refused = dict.fromkeys(ROW_ERROR_TYPES, 0) | counted.refused
        yield _counter("observations_refused", "Refused observations.", "reason", refused)
        yield _counter("problems", "Requests answered with a problem.", "type", counted.problems)
        yield _counter("anomalies", "Anomalies by model.", "model", counted.anomalies)
        alerts = dict.fromkeys(("opened", "updated", "resolved"), 0) | counted.alerts
        yield _counter("alerts", "Alert transitions.", "status", alerts)
        yield _histogram("ingest_to_verdict_seconds", "From decoded to judged.", counted.latency_s)
        yield _histogram("batch_rows", "Rows scored at a time.", counted.batch_rows)
        yield _gauge("waiting_observations", "Waiting to be scored.", self._engine.waiting_rows)
        yield _gauge("ready", "Whether observations are taken.", self._engine.is_ready)
        yield _gauge("alerts_open", "Alerts open now.", len(self._engine.open_alerts()))

    def _sinks(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("stepwatch_sink_up", "Whether it writes.", labels=["sink"])
        lag = GaugeMetricFamily(
            "stepwatch_sink_lag_seconds", "Age of the oldest that waits.", labels=["sink"]
        )
        waiting = GaugeMetricFamily(
            "stepwatch_sink_waiting_verdicts", "Waiting to be written.", labels=["sink"]
        )
        labels = ["sink", "kind"]
        written = CounterMetricFamily("stepwatch_sink_written", "Written.", labels=labels)
        dropped = CounterMetricFamily("stepwatch_sink_dropped", "Given up.", labels=labels)
        failed = CounterMetricFamily("stepwatch_sink_errors", "Failed attempts.", labels=labels)
        for outlet in self._engine.outlets:
            name = outlet.sink.name
            up.add_metric([name], outlet.is_up)
            lag.add_metric([name], outlet.lag_s)
            waiting.add_metric([name], outlet.waiting_rows)
            _add(written, name, outlet.written)
            _add(dropped, name, outlet.dropped)
            _add(failed, name, outlet.errors)
        yield from (up, lag, waiting, written, dropped, failed)
        yield _counter(
            "live_missed",
            "Verdicts and alerts lost by slow listeners.",
            None,
            {"": self._engine.live.dropped},
        )

    def _models(self) -> Iterator[Metric]:
        phases = GaugeMetricFamily(
            "stepwatch_streams", "Streams by phase.", labels=["model", "phase"]
        )
        quiet = GaugeMetricFamily(
            "stepwatch_streams_silent", "Nothing for ten usual steps.", labels=["model"]
        )
        now = self._engine.clock.now()
        info = InfoMetricFamily("stepwatch_model", "Loaded models.", labels=["model"])
        for part in self._census:
            spec = part.model.bank.spec
            counts = np.bincount(part.record["phase"], minlength=len(Phase)).tolist()
            for phase in Phase:
                phases.add_metric([part.model.name, phase.name.lower()], counts[phase])
            about = {"scorer": spec.scorer.name, "content_hash": spec.content_hash}
            info.add_metric([part.model.name], about)
            quiet.add_metric([part.model.name], int(silent(part.record, now).sum()))
        yield from (phases, quiet, info)
        yield InfoMetricFamily(
            "stepwatch_build", "This program.", value={"version": version("stepwatch")}
        )


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
        yield _gauge("streams_not_exported", "Streams without series of their own.", left_out)

    def _is_exported(self, stream_id: str) -> bool:
        return stream_id in self._chosen or any(
            fnmatchcase(stream_id, pattern) for pattern in self._patterns
        )


def _counter(
    name: str, text: str, label: str | None, totals: dict[str, int]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"stepwatch_{name}", text, labels=[label] if label else [])
    for key, total in totals.items():
        family.add_metric([key] if label else [], total)
    return family


def _add(family: CounterMetricFamily, sink: str, totals: Counter[str]) -> None:
    for kind, total in totals.items():
        family.add_metric([sink, kind], total)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"stepwatch_{name}", text, value=value)


def _histogram(name: str, text: str, histogram: counters.Histogram) -> HistogramMetricFamily:
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    counts = list(accumulate(histogram.counts))
    buckets = list(zip(bounds, counts, strict=True))
    return HistogramMetricFamily(f"stepwatch_{name}", text, buckets, sum_value=histogram.sum)
