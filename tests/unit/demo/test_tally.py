import pytest

from service.demo.faults import Fault, FaultKind
from service.demo.tally import Tally

PUMP = "plant-a/pump-1"
OTHER = "plant-a/pump-2"


def fault(
    kind: FaultKind = FaultKind.DRIFT, start: int = 100, steps: int = 50, stream_id: str = PUMP
) -> Fault:
    return Fault(kind=kind, stream_id=stream_id, column=0, start=start, steps=steps, size=0.4)


@pytest.fixture
def tally() -> Tally:
    return Tally(settle_steps=30)


def test_alert_during_a_fault_finds_it(tally: Tally) -> None:
    """An alert on the fault's stream, in its time, finds it; the delay counts from its start."""
    drift = fault()
    tally.inject(drift)

    assert tally.opened(PUMP, "a1", 112) is drift
    assert tally.expire(180) == []
    count = tally.by_kind[FaultKind.DRIFT]
    assert (count.injected, count.found, count.missed, tally.false_alerts) == (1, 1, 0, 0)
    assert count.mean_delay_steps == 12


@pytest.mark.parametrize(("step", "belongs"), [(149, True), (179, True), (180, False)])
def test_settle_time_after_a_fault(tally: Tally, step: int, belongs: bool) -> None:
    """An alert up to the end of the settle time belongs to the fault, a later one is false."""
    tally.inject(fault())

    found = tally.opened(PUMP, "a1", step)

    assert (found is not None) == belongs
    assert tally.false_alerts == (not belongs)


def test_alert_on_another_stream_is_false(tally: Tally) -> None:
    """A fault excuses no alert elsewhere."""
    tally.inject(fault())

    assert tally.opened(OTHER, "b1", 110) is None
    assert tally.false_alerts == 1
    assert tally.total.found == 0


def test_fault_without_alert_is_missed_once(tally: Tally) -> None:
    """A fault is missed when time and grace are over, not before, and only once."""
    drift = fault()
    tally.inject(drift)

    assert tally.expire(179) == []
    assert tally.expire(180) == [drift]
    assert tally.expire(181) == []
    assert tally.total.missed == 1


def test_second_alert_of_a_fault_counts_nothing(tally: Tally) -> None:
    """A fault found twice counts once, with the first delay, and the second alert is not false."""
    drift = fault()
    tally.inject(drift)
    tally.opened(PUMP, "a1", 110)

    assert tally.opened(PUMP, "a2", 160) is drift
    assert (tally.total.found, tally.total.delay_steps, tally.false_alerts) == (1, 10, 0)


def test_reopened_alert_stays_what_it_was(tally: Tally) -> None:
    """Re-opening under the same event id, after the fault's time, is no new alert."""
    drift = fault()
    tally.inject(drift)
    tally.opened(PUMP, "a1", 120)
    tally.expire(200)

    assert tally.opened(PUMP, "a1", 201) is drift
    assert tally.false_alerts == 0


def test_reopened_false_alert_counts_once(tally: Tally) -> None:
    """A false alert that opens again under the same event id is still one."""
    tally.opened(PUMP, "a1", 10)
    tally.opened(PUMP, "a1", 40)

    assert tally.false_alerts == 1


def test_reopening_in_a_fault_finds_it(tally: Tally) -> None:
    """An alert that was false before still finds the fault in whose time it opens again."""
    tally.opened(PUMP, "a1", 80)
    drift = fault()
    tally.inject(drift)

    assert tally.opened(PUMP, "a1", 105) is drift
    assert (tally.total.found, tally.false_alerts) == (1, 1)


def test_total_is_the_sum_over_kinds(tally: Tally) -> None:
    """Total adds the kinds up; the mean delay is over those found, unknown without any."""
    assert tally.total.mean_delay_steps is None
    tally.inject(fault(FaultKind.SPIKE, start=100, steps=5))
    tally.inject(fault(FaultKind.STUCK, start=100, stream_id=OTHER))
    tally.opened(PUMP, "a1", 102)
    tally.opened(OTHER, "b1", 120)

    assert (tally.total.injected, tally.total.found) == (2, 2)
    assert tally.total.mean_delay_steps == 11
