"""What the metrics page tells of the service as a whole."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from itertools import accumulate

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from models.blocks import Phase
from models.cadence import silent
from service.engine import counters
from service.engine.census import Census
from service.engine.engine import Engine
from service.engine.errors import ROW_ERROR_TYPES
from service.engine.persistence import Persistence
from service.engine.restoring import OUTCOMES


class EngineMetrics:
    """Totals and states of the service as a whole: few series, whatever the streams.

    Args:
        engine: What to look at.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Give the families, one by one."""
        yield from self._traffic()
        yield from self._sinks()
        if self._engine.persistence is not None:
            yield from _snapshots(self._engine.persistence)
        away = len(self._engine.directory.away)
        yield gauge("streams_away", "Streams let go that will come back from the store.", away)

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
        yield gauge("waiting_observations", "Waiting to be scored.", self._engine.waiting_rows)
        yield gauge("ready", "Whether observations are taken.", self._engine.is_ready)
        yield gauge("alerts_open", "Alerts open now.", len(self._engine.open_alerts()))

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


def model_metrics(census: list[Census], now: int) -> Iterator[Metric]:
    """Tell what the streams of each model are about; the loop is not needed for it.

    Args:
        census: All streams.
        now: Microseconds UTC.
    """
    phases = GaugeMetricFamily("stepwatch_streams", "Streams by phase.", labels=["model", "phase"])
    quiet = GaugeMetricFamily(
        "stepwatch_streams_silent", "Nothing for ten usual steps.", labels=["model"]
    )
    info = InfoMetricFamily("stepwatch_model", "Loaded models.", labels=["model"])
    for part in census:
        spec = part.model.bank.spec
        counts = np.bincount(part.record["phase"], minlength=len(Phase)).tolist()
        for phase in Phase:
            phases.add_metric([part.model.name, phase.name.lower()], counts[phase])
        about = {"scorer": spec.scorer.name, "content_hash": spec.content_hash}
        info.add_metric([part.model.name], about)
        quiet.add_metric([part.model.name], int(silent(part.record, now).sum()))
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
    bounds = [*(str(bound) for bound in histogram.bounds), "+Inf"]
    counts = list(accumulate(histogram.counts))
    buckets = list(zip(bounds, counts, strict=True))
    return HistogramMetricFamily(f"stepwatch_{name}", text, buckets, sum_value=histogram.sum)
