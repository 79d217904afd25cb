"""Which streams have series of their own on the metrics page, and what stands there of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from models.blocks import Float64, Phase
from service.engine.census import Census
from service.engine.engine import Engine
from service.engine.watch import Watch
from service.sinks.engine_metrics import EngineMetrics
from service.sinks.prometheus import MetricsPage
from service.sinks.stream_series import CHUNK, STAY_S, StreamSeries
from tests.engines import make_directory, make_engine, make_model, running

NAMES = ("a", "b", "c", "d", "e")
PEAKS = (("a", 2.0), ("b", 9.0), ("c", 5.0), ("d", 99.0))
MANY = 4 * CHUNK + 7


def census_of(engine: Engine, severities: dict[str, float], names: Sequence[str] = NAMES) -> Census:
    """Make a census whose streams have these severities, all others none."""
    model = engine.directory.models["pumps"]
    for name in names:
        if engine.directory.get(name) is None:
            engine.directory.add(name, model, engine.directory.options, 0)
    slots = np.flatnonzero([stream is not None for stream in model.streams])
    ids = [stream.stream_id for stream in model.streams if stream is not None]
    record = {
        "score": np.array([severities.get(name, np.nan) for name in ids]),
        "threshold": np.array([1.0 if name in severities else np.nan for name in ids]),
        "anomalies": np.arange(len(ids)),
    }
    return Census(model, model.streams.copy(), slots, record)


def chosen(series: StreamSeries, census: Census, now: float) -> set[str]:
    """Name the streams that have series."""
    (rows,) = series.chosen([census], now)
    assert rows.tolist() == sorted(set(rows.tolist()))
    streams = census.streams
    return {streams[row].stream_id for row in rows.tolist()}


def none_silent(census: Census) -> list[Float64]:
    """Say of all streams that they are not silent."""
    return [np.full(len(census.slots), np.nan)]


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read a page; NaN becomes None, so that it is equal to itself."""
    found: dict[Any, Any] = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            value = None if np.isnan(sample.value) else sample.value
            found[sample.name, frozenset(sample.labels.items())] = value
    return found


def test_the_worst_now_are_always_exported() -> None:
    """A stream that has just become one of the worst is there at once, whoever was there before."""
    engine, series = make_engine(), StreamSeries(export=(), worst=2)
    assert chosen(series, census_of(engine, {"a": 9, "b": 8, "c": 7}), 0.0) == {"a", "b"}
    assert {"c", "d"} <= chosen(series, census_of(engine, {"c": 9, "d": 8, "a": 1}), 10.0)


def test_one_that_came_in_stays_an_hour() -> None:
    """Series do not flap: one of the worst is still there a while after it has become quiet."""
    engine, series = make_engine(), StreamSeries(export=(), worst=2)
    chosen(series, census_of(engine, {"a": 9, "b": 8}), 0.0)
    assert chosen(series, census_of(engine, {"c": 9, "d": 8}), STAY_S - 1) == {"a", "b", "c", "d"}
    assert chosen(series, census_of(engine, {"c": 9, "d": 8}), STAY_S + 1) == {"c", "d"}


def test_series_are_bounded() -> None:
    """However fast the worst change, there are at most twice as many series as were asked for."""
    engine, series = make_engine(), StreamSeries(export=(), worst=1)
    for at, name in enumerate(NAMES):
        found = chosen(series, census_of(engine, {name: 9}), float(at))
        assert found == {name, NAMES[max(at - 1, 0)]}
    assert chosen(StreamSeries(export=(), worst=0), census_of(engine, {"a": 9}), 0.0) == set()


def test_a_stream_that_took_anothers_slot_is_another() -> None:
    """Nothing of the stream that was there before is said of it: not the name, nor the hour."""
    engine, series = make_engine(), StreamSeries(export=("b*",), worst=1)
    assert chosen(series, census_of(engine, {"a": 9}), 0.0) == {"a", "b"}
    first = engine.directory.find("a")
    engine.directory.remove(first)
    first.model.give_back(first.slot)
    census = census_of(engine, {}, ("new",))
    assert engine.directory.find("new").slot == first.slot
    assert chosen(series, census, 1.0) == {"b"}
    census = census_of(engine, {"new": 5.0})
    assert 'stream="new"' in b"".join(series.text([census], none_silent(census), 2.0)).decode()
    engine.directory.remove(engine.directory.find("b"))
    assert chosen(series, census_of(engine, {}, ()), 3.0) == {"new"}


def test_labels_are_kept_of_few_streams() -> None:
    """However many streams are among the worst in turn, not all of their names are kept."""
    engine, series = make_engine(), StreamSeries(export=(), worst=300)
    names = [f"s-{at}" for at in range(MANY)]
    census = census_of(engine, {}, names)
    census.record["threshold"][:] = 1.0
    for first in range(0, MANY, 300):
        census.record["score"][:] = 0.0
        census.record["score"][first : first + 300] = 2.0
        assert series.text([census], none_silent(census), float(first))
        (known,) = series._known.values()
        assert len(known._labels) <= CHUNK + 4 * 300 < MANY


def test_names_are_matched_as_patterns() -> None:
    """Stars, sets and a bracket that does not close mean what they mean in a shell."""
    engine = make_engine()
    names = ("plant-1/pump", "plant-2/pump", "plant-3/fan", "[x", "PLANT-1/pump")
    census = census_of(engine, {}, names)
    for pattern, expected in (
        ("plant-[12]/*", {"plant-1/pump", "plant-2/pump"}),
        ("*/fan", {"plant-3/fan"}),
        ("[", set()),
        ("[x", {"[x"}),
        ("*", set(names)),
    ):
        assert chosen(StreamSeries(export=(pattern,), worst=0), census, 0.0) == expected
    series = StreamSeries(export=("*/fan", "[x"), worst=0)
    assert chosen(series, census, 0.0) == {"plant-3/fan", "[x"}
    assert series.text([census], none_silent(census), 1.0)
    assert series.left_out == 3


class Written(Collector):
    """The same series, as prometheus_client writes them."""

    def __init__(self, census: list[Census]) -> None:
        self._census = census

    def collect(self) -> list[Any]:
        labels = ["stream", "model"]
        families: list[Any] = [
            GaugeMetricFamily("stepwatch_stream_score", "Last score.", labels=labels),
            GaugeMetricFamily("stepwatch_stream_threshold", "Last threshold.", labels=labels),
            CounterMetricFamily("stepwatch_stream_anomalies", "Anomalies.", labels=labels),
            GaugeMetricFamily(
                "stepwatch_stream_silent_seconds",
                "Time since the last observation of a silent stream.",
                labels=labels,
            ),
        ]
        for part in self._census:
            for family, name in zip(families, ("score", "threshold", "anomalies"), strict=False):
                for stream, number in zip(part.streams, part.record[name].tolist(), strict=True):
                    family.add_metric([stream.stream_id, part.model.name], number)
        return families


def numbers_of(size: int) -> Any:
    """Make numbers of every magnitude, and those that JSON does not have."""
    random = np.random.default_rng(3)
    numbers = random.random(size) * 10.0 ** random.integers(-300, 300, size)
    numbers[:8] = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, 1e22, 5e-324]
    return numbers


@pytest.mark.parametrize("size", [0, 1, 300, MANY])
def test_the_text_is_what_the_client_writes(size: int) -> None:
    """Read back, every number and label is as prometheus_client would have written it."""
    engine = make_engine(
        make_directory(make_model("pumps"), make_model('fa"n\\s\n'), max_streams=9**9)
    )
    census = []
    for name, model in engine.directory.models.items():
        for at in range(size):
            engine.directory.add(f"{len(name)}/s-{at}", model, engine.directory.options, 0)
        record = {"score": numbers_of(max(size, 8))[:size], "threshold": np.full(size, 0.1)}
        record["anomalies"] = np.arange(size) * 10**9
        census.append(Census(model, model.streams.copy(), np.arange(size), record))
    quiet_s = [quiet for part in census for quiet in none_silent(part)]
    text = b"".join(StreamSeries(export=("*",), worst=0).text(census, quiet_s, 0.0))
    registry = CollectorRegistry()
    registry.register(Written(census))
    wanted = generate_latest(registry)
    assert samples(text) == samples(wanted)
    assert len(samples(text)) == 6 * size
    heads = [[line for line in one.splitlines() if line[:1] == b"#"] for one in (text, wanted)]
    assert heads[0] == heads[1]


async def test_the_page_tells_of_all_and_shows_the_chosen() -> None:
    """Totals count every stream, series stand for those that fit, one family in one place."""
    directory = make_directory(make_model(), max_streams=2 * MANY)
    engine = make_engine(directory)
    async with running(engine):
        model = directory.models["pumps"]
        for at in range(MANY):
            directory.add(f"s-{at}", model, directory.options, 0)
        model.bank.start(np.arange(MANY), directory.options)
        gone = directory.find("s-3")
        directory.remove(gone)
        page, media_type = await MetricsPage(engine, export=("s-1*",), worst=5).render()
    assert media_type.startswith("text/plain; version=")
    found = samples(page)
    shown = [key for key in found if key[0] == "stepwatch_stream_threshold"]
    assert len(shown) == sum(f"s-{at}".startswith("s-1") for at in range(MANY))
    left_out = found["stepwatch_streams_not_exported", frozenset()]
    assert left_out == MANY - 1 - len(shown)
    phases = {
        dict(labels)["phase"]: n
        for (name, labels), n in found.items()
        if name == "stepwatch_streams"
    }
    assert phases == {phase.name.lower(): 0 for phase in Phase} | {"live": MANY - 1}
    types = [line for line in page.splitlines() if line.startswith(b"# TYPE")]
    assert len(types) == len(set(types))


def test_those_that_fell_silent_last_are_named() -> None:
    """Of more silent streams than there is room for, those that are gone for good are left out."""
    engine = make_engine()
    census = census_of(engine, {})
    quiet_s = np.array([np.nan, 60.5, 86_400.0, 7.25, np.nan])
    text = b"".join(StreamSeries(export=(), worst=2).text([census], [quiet_s], 0.0))
    found = {
        dict(labels)["stream"]: value
        for (name, labels), value in samples(text).items()
        if name == "stepwatch_stream_silent_seconds"
    }
    assert found == {"b": 60.5, "d": 7.25}


def test_open_alerts_have_series_the_worst_first() -> None:
    """A stream with an open alert is named with its peak severity, as many as there is room for."""
    engine = make_engine()
    census_of(engine, {})
    for name, peak in PEAKS:
        watch = Watch(is_open=name != "d", peak=peak, shifted_since=1 if name == "a" else None)
        engine._alerts.watch(engine.directory.find(name), watch)
    pages = {family.name: family for family in EngineMetrics(engine, 2).collect()}
    shown = {
        sample.labels["stream"]: sample.value
        for sample in pages["stepwatch_stream_alert_severity"].samples
    }
    assert shown == {"b": 9.0, "c": 5.0}
    assert pages["stepwatch_alerts_open"].samples[0].value == 3
    assert pages["stepwatch_streams_shifted"].samples[0].value == 1
