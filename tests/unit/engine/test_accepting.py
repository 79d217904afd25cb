"""Accepting a level: a whole new window, an alert resolved, all of it stored; or nothing."""

from typing import Any

import pytest

from service.engine.engine import Engine
from service.engine.errors import NotReady, TooFewObservations, UnknownStream
from tests.engines import columns, request, until
from tests.fakes import FakeClock, ListSink, normal_values
from tests.kept import keeping, kept, persistence, save, some, state, stream_of, taken
from tests.memory_store import MemoryStore

SHIFT = 2.0
"""Added to what a stream finds normal."""
LONG = 70
"""Rows after which a shift has been told."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def shifted(engine: Engine, stream_id: str = "a") -> None:
    """Let a stream run as usual, then on another level until it is told."""
    await taken(engine, stream_id, some(20))
    await taken(engine, stream_id, normal_values(LONG, seed=1) + SHIFT)
    (alert,) = engine.open_alerts()
    assert alert.level_shift_since is not None


async def anomalies(engine: Engine, values: Any) -> int:
    """Count the anomalies among further rows of the stream."""
    before = engine.counters.anomalies["pumps"]
    await taken(engine, "a", values)
    return engine.counters.anomalies["pumps"] - before


def sent_alerts(engine: Engine) -> list[str]:
    """Give the transitions that a sink was handed."""
    (sink,) = [outlet.sink for outlet in engine.outlets if isinstance(outlet.sink, ListSink)]
    return [alert.status for alert in sink.alerts]


async def test_the_new_level_is_the_usual_one(store: MemoryStore, clock: FakeClock) -> None:
    """The alert resolves, the shift is over, what comes on this level is normal."""
    async with kept(keeping(store, clock)) as engine:
        await shifted(engine)
        stream = stream_of(engine, "a")
        assert (await engine.streams.inspect(stream))["shifted_since"] > 0
        await engine.streams.accept_baseline(stream)
        assert engine.open_alerts() == []
        assert (await engine.streams.inspect(stream))["shifted_since"] < 0
        assert await anomalies(engine, normal_values(40, seed=2) + SHIFT) == 0
        assert engine.open_alerts() == []
        await until(lambda: "resolved" in sent_alerts(engine))
        assert sent_alerts(engine)[-1] == "resolved"


async def test_an_accepted_level_outlives_the_process(store: MemoryStore, clock: FakeClock) -> None:
    """All of the window is stored anew, though no observation has come since."""
    async with kept(keeping(store, clock)) as engine:
        await shifted(engine)
        await save(engine, clock)
        await engine.streams.accept_baseline(stream_of(engine, "a"))
        await save(engine, clock)
        before = await state(engine, "a")
        persistence(engine)._saving = None  # what was saved until now has to do
    async with kept(keeping(store, clock)) as engine:
        assert await state(engine, "a") == before


async def test_an_alert_tells_its_shift_after_a_restart(
    store: MemoryStore, clock: FakeClock
) -> None:
    """Since when the level is another is remembered with the alert."""
    async with kept(keeping(store, clock)) as engine:
        await shifted(engine)
        (before,) = engine.open_alerts()
    async with kept(keeping(store, clock)) as engine:
        (after,) = engine.open_alerts()
        assert after == before


async def test_too_few_observations_change_nothing(store: MemoryStore, clock: FakeClock) -> None:
    """The error says what to do; alert and window are as before."""
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, "a", normal_values(6) + SHIFT)
        before, (alert,) = await state(engine, "a"), engine.open_alerts()
        with pytest.raises(TooFewObservations, match="send more"):
            await engine.streams.accept_baseline(stream_of(engine, "a"))
        assert await state(engine, "a") == before
        assert engine.open_alerts() == [alert]


async def test_only_a_stream_that_is_here(store: MemoryStore, clock: FakeClock) -> None:
    """One deleted meanwhile is unknown; an engine that has stopped takes nothing."""
    async with kept(keeping(store, clock)) as engine:
        await engine.submit(request(columns("a", some(40)))).answer()
        stream = stream_of(engine, "a")
        await engine.streams.delete(stream)
        with pytest.raises(UnknownStream):
            await engine.streams.accept_baseline(stream)
    with pytest.raises(NotReady):
        await engine.streams.accept_baseline(stream)
