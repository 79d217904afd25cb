"""Which streams have series of their own on the metrics page."""

import numpy as np

from service.engine.census import Census
from service.engine.engine import Engine
from service.sinks.prometheus import STAY_S, MetricsPage
from tests.engines import make_engine

NAMES = ("a", "b", "c", "d", "e")


def census_of(engine: Engine, severities: dict[str, float]) -> list[Census]:
    """Make a census whose streams have these severities, all others none."""
    model = engine.directory.models["pumps"]
    for name in NAMES:
        if engine.directory.get(name) is None:
            engine.directory.add(name, model, engine.directory.options, 0)
    record = {
        "score": np.array([severities.get(name, np.nan) for name in NAMES]),
        "threshold": np.array([1.0 if name in severities else np.nan for name in NAMES]),
    }
    return [Census(model, [engine.directory.find(name) for name in NAMES], record)]


async def test_the_worst_now_are_always_exported() -> None:
    """A stream that has just become one of the worst is there at once, whoever was there before."""
    engine = make_engine()
    page = MetricsPage(engine, export=(), worst=2)
    assert page._chosen(census_of(engine, {"a": 9, "b": 8, "c": 7}), 0.0) == {"a", "b"}
    assert {"c", "d"} <= page._chosen(census_of(engine, {"c": 9, "d": 8, "a": 1}), 10.0)


async def test_one_that_came_in_stays_an_hour() -> None:
    """Series do not flap: one of the worst is still there a while after it has become quiet."""
    engine = make_engine()
    page = MetricsPage(engine, export=(), worst=2)
    page._chosen(census_of(engine, {"a": 9, "b": 8}), 0.0)
    assert page._chosen(census_of(engine, {"c": 9, "d": 8}), STAY_S - 1) == {"a", "b", "c", "d"}
    assert page._chosen(census_of(engine, {"c": 9, "d": 8}), STAY_S + 1) == {"c", "d"}


async def test_series_are_bounded() -> None:
    """However fast the worst change, there are at most twice as many series as were asked for."""
    engine = make_engine()
    page = MetricsPage(engine, export=(), worst=1)
    for at, name in enumerate(NAMES):
        assert len(page._chosen(census_of(engine, {name: 9}), float(at))) <= 2
