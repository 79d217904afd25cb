import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from models.blocks import Refusal
from service.engine import dispatch
from service.engine.dispatch import BATCH_ROWS, MAX_ALERTS, Outlet
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery, Scored
from tests.engines import METRICS, an_alert, scored, until, verdict_block
from tests.fakes import FailingSink, FakeClock, ListSink


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LINGER_S", "FIRST_PAUSE_S", "LONGEST_PAUSE_S"):
        monkeypatch.setattr(dispatch, name, 0)


def outlet_of(sink: ListSink, max_rows: int = 1000) -> Outlet:
    return Outlet(sink, max_rows=max_rows, clock=FakeClock())


@asynccontextmanager
async def running(outlet: Outlet, flush_s: float = 5.0) -> AsyncIterator[None]:
    task = asyncio.create_task(outlet.run())
    yield
    await outlet.stop(task, flush_s)


def alert(number: int = 0) -> Alert:
    return replace(an_alert(), event_id=f"{number:016x}")


def firsts(sink: ListSink) -> list[float]:
    """Give the first severity of each block written, in order."""
    blocks = [block for delivery in sink.deliveries for block in delivery.scored]
    return [float(block.verdicts.severity[0]) for block in blocks]


class GatedSink(ListSink):
    """Writes only while its gate is open."""

    def __init__(self) -> None:
        super().__init__("gated")
        self.gate = asyncio.Event()
        self.is_writing = asyncio.Event()

    async def write_batch(self, delivery: Delivery) -> None:
        if delivery.scored or delivery.alerts:
            self.is_writing.set()
            await self.gate.wait()
        await super().write_batch(delivery)


class RaisingSink(ListSink):
    """Raises what it is told, once an attempt to open and then to write, then works."""

    def __init__(self, *errors: Exception, closed_for: int = 0) -> None:
        super().__init__("raising")
        self.errors = list(errors)
        self.closed_for = closed_for

    async def open(self) -> None:
        self.closed_for -= 1
        if self.closed_for >= 0:
            raise SinkError("unreachable", "not yet")
        await super().open()

    async def write_batch(self, delivery: Delivery) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await super().write_batch(delivery)


async def test_order_is_kept_and_all_is_written() -> None:
    """Blocks and alerts arrive in the order they were put, each once."""
    sink = ListSink()
    outlet = outlet_of(sink)
    async with running(outlet):
        for number in range(20):
            outlet.put(scored([number]), [alert(number)])
            await asyncio.sleep(0)
    assert firsts(sink) == list(range(20))
    assert [one.event_id for one in sink.alerts] == [f"{n:016x}" for n in range(20)]
    assert outlet.written == {"scores": 20, "alerts": 20}
    assert outlet.dropped == {"scores": 0, "alerts": 0}
    assert (outlet.waiting_rows, sink.times_closed, outlet.is_up) == (0, 1, True)


async def test_writes_are_bounded() -> None:
    """What waits is written in pieces of about `BATCH_ROWS`."""
    sink = ListSink()
    outlet = outlet_of(sink, max_rows=10 * BATCH_ROWS)
    for _ in range(3):
        outlet.put(scored([0.5] * BATCH_ROWS), [])
    async with running(outlet):
        await until(lambda: not outlet.waiting_rows)
    assert [len(delivery.scored) for delivery in sink.deliveries] == [0, 1, 1, 1]


async def test_a_failed_write_is_repeated_with_the_same_object() -> None:
    """A sink can tell a repetition by identity; what comes meanwhile waits its turn."""
    sink = FailingSink(failures=4)
    outlet = outlet_of(sink)
    async with running(outlet):
        await until(lambda: outlet.is_up)
        sink.failures_left = 3
        outlet.put(scored([1]), [])
        await until(lambda: not outlet.is_up)
        outlet.put(scored([2]), [])
        await until(lambda: len(firsts(sink)) == 2)
    tried = [one for one in sink.attempts if one.scored]
    assert len(tried) == 5
    assert all(one is tried[0] for one in tried[:4])
    assert firsts(sink) == [1, 2]
    assert outlet.errors == {"down": 7}
    assert outlet.is_up


async def test_kinds_of_errors_are_counted_and_a_bug_does_not_end_the_task() -> None:
    """Whatever a sink raises on opening or writing is counted by kind and tried again."""
    slow = SinkError("timeout", "slow")
    sink = RaisingSink(slow, TypeError("a bug"), slow, closed_for=2)
    outlet = outlet_of(sink)
    outlet.put(scored([1]), [alert()])
    async with running(outlet):
        assert not outlet.is_up
        await until(lambda: outlet.is_up)
    assert outlet.errors == {"unreachable": 2, "timeout": 2, "bug": 1}
    assert outlet.written == {"scores": 1, "alerts": 1}


async def test_the_oldest_are_dropped_when_full_and_counted() -> None:
    """Before the sink is up only the newest rows that fit are kept."""
    sink = ListSink()
    outlet = outlet_of(sink, max_rows=10)
    for number in range(6):
        outlet.put(scored([number, 0.5, 0.5]), [])
    assert (outlet.waiting_rows, outlet.dropped["scores"]) == (9, 9)
    async with running(outlet):
        await until(lambda: not outlet.waiting_rows)
    assert firsts(sink) == [3, 4, 5]
    assert outlet.written["scores"] == 9


async def test_rows_in_flight_count_against_the_bound() -> None:
    """What is being written is never dropped, but takes room."""
    sink = GatedSink()
    outlet = outlet_of(sink, max_rows=5)
    async with running(outlet):
        outlet.put(scored([1, 1, 1]), [])
        await sink.is_writing.wait()
        outlet.put(scored([2, 2]), [])
        assert (outlet.waiting_rows, outlet.dropped["scores"]) == (5, 0)
        outlet.put(scored([3, 3]), [])
        assert (outlet.waiting_rows, outlet.dropped["scores"]) == (5, 2)
        sink.gate.set()
        await until(lambda: not outlet.waiting_rows)
    assert firsts(sink) == [1, 3]
    assert outlet.written["scores"] + outlet.dropped["scores"] == 7


async def test_refused_rows_are_neither_written_nor_dropped() -> None:
    """They take room in the queue but are no verdicts."""
    refused = verdict_block([0.5] * 4, refusal=Refusal.DUPLICATE)
    outlet = outlet_of(ListSink(), max_rows=4)
    outlet.put(Scored("pumps", METRICS, ["pump-1"] * 4, refused), [])
    outlet.put(scored([1]), [])
    assert (outlet.waiting_rows, outlet.dropped["scores"]) == (1, 0)
    async with running(outlet):
        await until(lambda: not outlet.waiting_rows)
    assert outlet.written["scores"] == 1


async def test_alerts_alone_are_delivered() -> None:
    """An alert that no verdict brought wakes the task by itself."""
    sink = ListSink()
    outlet = outlet_of(sink)
    async with running(outlet):
        await until(lambda: outlet.is_up)
        outlet.put_alert(alert(7))
        await until(lambda: sink.alerts)
    assert [one.event_id for one in sink.alerts] == [f"{7:016x}"]


def test_alerts_are_bounded_too() -> None:
    """With or without a verdict, the oldest alerts go when too many wait, and are counted."""
    outlet = outlet_of(ListSink())
    outlet.put(scored([1]), [alert(number) for number in range(MAX_ALERTS + 2)])
    outlet.put_alert(alert(1))
    assert outlet.dropped == {"scores": 0, "alerts": 3}


async def test_stop_flushes_what_waits() -> None:
    """Everything put before the stop is written if the sink can."""
    sink = FailingSink(failures=3)
    outlet = outlet_of(sink)
    async with running(outlet):
        for number in range(5):
            outlet.put(scored([number]), [])
    assert firsts(sink) == list(range(5))
    assert (outlet.dropped["scores"], sink.times_closed) == (0, 1)


async def test_stop_is_bounded_and_counts_the_rest() -> None:
    """A sink that stays down costs the flush time at most; queued and in flight are dropped."""
    sink = GatedSink()
    outlet = outlet_of(sink)
    async with running(outlet, flush_s=0.01):
        outlet.put(scored([1, 1]), [alert(1)])
        await sink.is_writing.wait()
        outlet.put(scored([2, 2, 2]), [alert(2), alert(3)])
    assert outlet.dropped == {"scores": 5, "alerts": 3}
    assert outlet.written == {"scores": 0, "alerts": 0}
    assert sink.times_closed == 1


@pytest.mark.parametrize("rows", [0, 2])
async def test_stop_while_the_sink_was_never_up(rows: int) -> None:
    """With nothing to write a dead sink ends at once; with something it is counted."""
    outlet = outlet_of(FailingSink(failures=None))
    if rows:
        outlet.put(scored([0.5] * rows), [])
    async with running(outlet, flush_s=0.01):
        await until(lambda: outlet.errors["down"])
    assert outlet.dropped["scores"] == rows


async def test_lag_is_the_age_of_the_oldest_that_waits() -> None:
    """It grows with the clock, in the queue and in flight, and falls to 0 once written."""
    sink, clock = GatedSink(), FakeClock()
    outlet = Outlet(sink, max_rows=100, clock=clock)
    assert outlet.lag_s == 0
    outlet.put(scored([1]), [])
    clock.advance(2)
    outlet.put(scored([2]), [])
    assert outlet.lag_s == 2
    async with running(outlet):
        await sink.is_writing.wait()
        clock.advance(3)
        assert outlet.lag_s == 5
        sink.gate.set()
        await until(lambda: not outlet.waiting_rows)
        assert outlet.lag_s == 0
