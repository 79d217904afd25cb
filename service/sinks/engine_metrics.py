"""What the metrics page tells of the service as a whole."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from itertools import accumulate
from typing import Final

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from models.blocks import Float64, Phase
from service.engine import counters
from service.engine.census import Census
from service.engine.dispatch import Outlet
from service.engine.engine import Engine
from service.engine.errors import ROW_ERROR_TYPES
from service.engine.persistence import Persistence
from service.engine.restoring import OUTCOMES

_SINK_GAUGES: Final[tuple[tuple[str, str, Callable[[Outlet], float]], ...]] = (
    ("up", "Whether it writes.", lambda outlet: outlet.is_up),
    ("lag_seconds", "Age of the oldest that waits.", lambda outlet: outlet.lag_s),
    ("waiting_verdicts", "Waiting to be written.", lambda outlet: outlet.waiting_rows),
    ("waiting_verdicts_limit", "Beyond it dropped.", lambda outlet: outlet.max_rows),
    ("waiting_alerts", "Alerts waiting to be written.", lambda outlet: outlet.waiting_alerts),
    ("waiting_alerts_limit", "Beyond it dropped.", lambda outlet: outlet.max_alerts),
)
_SINK_TOTALS: Final[tuple[tuple[str, str, Callable[[Outlet], Counter[str]]], ...]] = (
    ("written", "Written.", lambda outlet: outlet.written),
    ("dropped", "Given up.", lambda outlet: outlet.dropped),
    ("errors", "Failed attempts.", lambda outlet: outlet.errors),
)


class EngineMetrics:
    """Totals and states of the service as a whole: few series, whatever the streams.

    Args:
        engine: What to look at.
        worst: How many streams with an open alert have a series for it, the worst first.
    """

    def __init__(self, engine: Engine, worst: int) -> None:
        self._engine = engine
        self._worst = worst

    def collect(self) -> Iterator[Metric]:
        """Give the families, one by one."""
        yield from self._traffic()
        yield from self._alerts()
        yield from self._sinks()
        if self._engine.persistence is not None:
            yield from _snapshots(self._engine.persistence)
        directory = self._engine.directory
        away = len(directory.away)
        yield gauge("streams_away", "Streams let go that will come back from the store.", away)
        yield gauge("streams_limit", "Streams that may be in memory.", directory.max_streams)

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
        yield _histograms("score", "Scores by model.", "model", counted.scores)
        yield _counter("model_reloads", "Reloads of a model.", "outcome", counted.reloads)
        yield gauge("waiting_observations", "Waiting to be scored.", self._engine.waiting_rows)
        limits = self._engine.limits
        yield gauge("waiting_observations_limit", "Beyond it 429.", limits.waiting_rows)
        yield gauge("ready", "Whether observations are taken.", self._engine.is_ready)

    def _alerts(self) -> Iterator[Metric]:
        worst, n_open, shifted = self._engine.worst_alerts(self._worst)
        yield gauge("alerts_open", "Alerts open now.", n_open)
        yield gauge("streams_shifted", "Streams whose level has shifted.", shifted)
        family = GaugeMetricFamily(
            "stepwatch_stream_alert_severity",
            "Peak severity of the open alert.",
            labels=["model", "stream"],
        )
        for stream, peak in worst:
            family.add_metric([stream.model.name, stream.stream_id], peak)
        yield family

    def _sinks(self) -> Iterator[Metric]:
        for name, text, value in _SINK_GAUGES:
            family = GaugeMetricFamily(f"stepwatch_sink_{name}", text, labels=["sink"])
            for outlet in self._engine.outlets:
                family.add_metric([outlet.sink.name], value(outlet))
            yield family
        for name, text, totals in _SINK_TOTALS:
            counted = CounterMetricFamily(f"stepwatch_sink_{name}", text, labels=["sink", "kind"])
            for outlet in self._engine.outlets:
                _add(counted, outlet.sink.name, totals(outlet))
            yield counted
        yield _counter(
            "live_missed",
            "Verdicts and alerts lost by slow listeners.",
            None,
            {"": self._engine.live.dropped},
        )


def model_metrics(census: list[Census], silence_s: Sequence[Float64]) -> Iterator[Metric]:
    """Tell what the streams of each model are about; the loop is not needed for it.

    Args:
        census: All streams.
        silence_s: For how long each stream has been silent; NaN where it is not.
    """
    phases = GaugeMetricFamily("stepwatch_streams", "Streams by phase.", labels=["model", "phase"])
    quiet = GaugeMetricFamily(
        "stepwatch_streams_silent", "Nothing for ten usual steps.", labels=["model"]
    )
    info = InfoMetricFamily("stepwatch_model", "Loaded models.", labels=["model"])
    for part, quiet_s in zip(census, silence_s, strict=True):
        spec = part.model.bank.spec
        counts = np.bincount(part.record["phase"], minlength=len(Phase)).tolist()
        for phase in Phase:
            phases.add_metric([part.model.name, phase.name.lower()], counts[phase])
        about = {"scorer": spec.scorer.name, "content_hash": spec.content_hash}
        info.add_metric([part.model.name], about)
        quiet.add_metric([part.model.name], int(np.count_nonzero(quiet_s > 0)))
    yield from (phases, quiet, info)
    yield InfoMetricFamily("stepwatch_build", "This program.", value={"version": _version()})


@cache
def _version() -> str:
    return version("stepwatch")  # reads files


def _snapshots(persistence: Persistence) -> Iterator[Metric]:
    store = persistence.store
    up = GaugeMetricFamily("stepwatch_store_up", "Whether it answers.", labels=["store"])
    up.add_metric([store.name], store.is_up)
    failed = CounterMetricFamily(
        "stepwatch_store_errors", "Failed attempts.", labels=["store", "kind"]
    )
    _add(failed, store.name, store.errors)
    yield from (up, failed)
    age = persistence.saver.age_s
    yield gauge("snapshot_age_seconds", "Age of the oldest change that is not stored.", age)
    yield _counter("snapshots_saved", "Snapshots written.", None, {"": store.saved})
    yield _counter("snapshot_bytes", "Bytes of snapshots written.", None, {"": store.saved_bytes})
    outcomes = dict.fromkeys(OUTCOMES, 0) | store.restored
    yield _counter("snapshots_restored", "Snapshots read.", "outcome", outcomes)
    yield _counter("streams_evicted", "Streams let go.", None, {"": persistence.evicted})


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


def gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    """Make a gauge of ours without labels."""
    return GaugeMetricFamily(f"stepwatch_{name}", text, value=value)


def _histogram(name: str, text: str, histogram: counters.Histogram) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"stepwatch_{name}", text)
    family.add_metric([], _buckets(histogram), histogram.sum)
    return family


def _histograms(
    name: str, text: str, label: str, histograms: Mapping[str, counters.Histogram]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"stepwatch_{name}", text, labels=[label])
    for key, histogram in histograms.items():
        family.add_metric([key], _buckets(histogram), histogram.sum)
    return family


def _buckets(histogram: counters.Histogram) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    return list(zip(bounds, accumulate(histogram.counts), strict=True))
