"""Sinks that take alerts only, that are told again what is open, and that give deliveries up."""

import asyncio

import pytest

from service.engine import dispatch
from service.engine.dispatch import Outlet
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery
from tests.engines import an_alert, scored, until
from tests.fakes import FakeClock, ListSink
from tests.unit.engine.test_dispatch import alert, running


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LINGER_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(dispatch, name, 0)


class AlertSink(ListSink):
    """Takes alerts only, and wants to be told again and again which are open."""

    takes_verdicts = False
    refresh_s = 30.0


class RefusingSink(ListSink):
    """Refuses its deliveries for good, losing some of their alerts."""

    def __init__(self, lost: int | None) -> None:
        super().__init__("refusing")
        self.lost = lost

    async def write_batch(self, delivery: Delivery) -> None:
        await super().write_batch(delivery)
        if delivery.alerts:
            raise SinkError("refused", "not like this", is_final=True, lost=self.lost)


async def test_verdicts_are_not_kept_for_who_takes_none() -> None:
    """A sink of alerts is handed alerts alone, and however many verdicts come none is dropped."""
    sink = AlertSink()
    outlet = Outlet(sink, max_rows=2, clock=FakeClock())
    async with running(outlet):
        for number in range(5):
            outlet.put(scored([number]), [alert(number)] if number == 3 else [])
        await until(lambda: bool(sink.alerts))
    assert [len(delivery.scored) for delivery in sink.deliveries] == [0, 0]
    assert sink.alerts == [alert(3)]
    assert outlet.dropped.total() == 0
    assert outlet.written == {"scores": 0, "alerts": 1}


async def test_open_alerts_are_told_again() -> None:
    """Every `refresh_s`, and no sooner, a delivery lists what is open, beside what is new."""
    sink, clock, is_open = AlertSink(), FakeClock(), [an_alert()]
    outlet = Outlet(sink, max_rows=9, clock=clock, open_alerts=lambda: list(is_open))
    told: list[list[Alert] | None] = []
    async with running(outlet):
        for seconds in (29.0, 1.0, 29.9, 0.1):
            clock.advance(seconds)
            outlet.put_alert(alert())
            await until(lambda: not outlet.waiting_alerts)
            told.append(sink.deliveries[-1].open_alerts)
        is_open.clear()
        clock.advance(30)
        outlet.put_alert(alert())
        await until(lambda: not outlet.waiting_alerts)
    assert told == [None, [an_alert()], None, [an_alert()]]
    assert sink.deliveries[-1].open_alerts == []
    assert outlet.written["alerts"] == 5


async def test_a_refresh_needs_no_news() -> None:
    """Where nothing happens for long the open alerts are told all the same."""
    sink, clock = AlertSink(), FakeClock()
    sink.refresh_s = 0.001
    outlet = Outlet(sink, max_rows=9, clock=clock, open_alerts=lambda: [an_alert()])
    clock.advance(1)
    async with running(outlet):
        await until(lambda: len(sink.deliveries) > 1)
    assert sink.deliveries[-1].open_alerts == [an_alert()]


@pytest.mark.parametrize(("lost", "dropped"), [(None, 3), (1, 1), (0, 0)])
async def test_what_is_refused_for_good_is_given_up(lost: int | None, dropped: int) -> None:
    """It is handed over once, counted as lost as far as it is, and does not block what follows."""
    sink = RefusingSink(lost)
    outlet = Outlet(sink, max_rows=9, clock=FakeClock())
    outlet.put(scored([1, 2]), [alert(number) for number in range(3)])
    async with running(outlet):
        await until(lambda: outlet.errors["refused"])
        assert outlet.is_up == (lost is not None)  # it took some, or none
        outlet.put(scored([3]), [])
        await until(lambda: not outlet.waiting_rows)
        assert outlet.is_up
    assert [len(delivery.alerts) for delivery in sink.deliveries] == [0, 3, 0]
    assert outlet.dropped == {"scores": 2, "alerts": dropped}
    assert outlet.written == {"scores": 1, "alerts": 3 - dropped}


async def test_alerts_that_wait_have_an_age() -> None:
    """A sink of alerts that does not write lags, too."""
    clock = FakeClock()
    outlet = Outlet(AlertSink(), max_rows=9, clock=clock)
    outlet.put_alert(alert())
    clock.advance(4)
    assert (outlet.lag_s, outlet.waiting_alerts) == (4, 1)
    task = asyncio.create_task(outlet.run())
    await outlet.stop(task, 5.0)
    assert (outlet.lag_s, outlet.waiting_alerts) == (0, 0)
