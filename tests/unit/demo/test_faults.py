from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from models.blocks import Float64
from service.demo.faults import Disturbance, Fault, FaultKind, FaultSchedule
from service.demo.plant import METRICS, Plant

STREAMS = [f"plant-a/pump-{number}" for number in range(1, 7)]
COLUMN = 1
METRIC = METRICS[COLUMN]
SPAN = METRIC.high - METRIC.low


def fault(kind: FaultKind, steps: int = 40, size: float = 0.5) -> Fault:
    return Fault(kind=kind, stream_id=STREAMS[0], column=COLUMN, start=100, steps=steps, size=size)


def disturbed(kind: FaultKind, steps: int = 40, size: float = 0.5) -> tuple[Float64, Float64]:
    """Give the undisturbed and the disturbed course of one metric over the fault's time."""
    at_work = Disturbance(fault(kind, steps, size), np.random.default_rng(0))
    readings = Plant(1, 8).normal(steps)
    course = [at_work.apply(100 + step, values) for step, values in enumerate(readings)]
    return readings, np.array(course)


def played(seed: int, steps: int = 6_000) -> list[Fault]:
    """Run a schedule alone; gives its faults."""
    schedule = FaultSchedule(STREAMS, seed)
    return [fault for step in range(steps) if (fault := schedule.begin(step)) is not None]


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_alters_its_metric_only(kind: FaultKind) -> None:
    """Whatever the kind: the other metrics stay as they are, values stay finite."""
    readings, course = disturbed(kind)
    others = np.arange(len(METRICS)) != COLUMN

    np.testing.assert_array_equal(course[:, others], readings[:, others])
    assert np.isfinite(course).all()
    assert (course[1:, COLUMN] != readings[1:, COLUMN]).all()


def test_the_caller_keeps_his_values() -> None:
    """The undisturbed reading is copied, not written to."""
    values = Plant(1, 8).normal(1)[0]
    before = values.copy()

    Disturbance(fault(FaultKind.SPIKE), np.random.default_rng(0)).apply(100, values)

    np.testing.assert_array_equal(values, before)


def test_spike_shifts_by_its_size() -> None:
    """A spike adds its size, in widths of the normal range, to every step."""
    readings, course = disturbed(FaultKind.SPIKE, steps=5, size=-0.4)

    np.testing.assert_allclose((course - readings)[:, COLUMN], -0.4 * SPAN)


def test_drift_grows_to_its_size() -> None:
    """A drift begins with next to nothing and ends at its full size."""
    readings, course = disturbed(FaultKind.DRIFT, steps=50, size=0.5)
    added = (course - readings)[:, COLUMN]

    np.testing.assert_allclose(added, 0.5 * SPAN * np.arange(1, 51) / 50)


def test_stuck_sensor_repeats_its_first_value() -> None:
    """A stuck sensor goes on with the value it had when it got stuck."""
    readings, course = disturbed(FaultKind.STUCK)

    assert (course[:, COLUMN] == readings[0, COLUMN]).all()


def test_broken_correlation_stays_plausible() -> None:
    """The metric runs against demand and beside the others, but within its normal range."""
    readings, course = disturbed(FaultKind.BROKEN, steps=200)

    assert np.corrcoef(readings[:, COLUMN], course[:, COLUMN])[0, 1] == pytest.approx(-1)
    assert METRIC.low - 0.1 * SPAN < course[:, COLUMN].min()
    assert course[:, COLUMN].max() < METRIC.high + 0.1 * SPAN


def test_burst_scatters_by_its_size() -> None:
    """A burst adds noise of its size around the true course."""
    readings, course = disturbed(FaultKind.BURST, steps=2_000, size=0.3)
    added = (course - readings)[:, COLUMN]

    assert abs(added.mean()) < 0.03 * SPAN
    assert added.std() == pytest.approx(0.3 * SPAN, rel=0.1)


def test_schedule_is_repeatable() -> None:
    """The same seed plays the same faults, another seed plays others."""
    assert played(1) == played(1)
    assert played(1) != played(2)


def test_schedule_keeps_its_pace() -> None:
    """One fault in about 200 steps, none in the first 100, which the service needs to tune in."""
    starts = [fault.start for fault in played(3)]

    assert 28 <= len(starts) <= 30
    assert starts[0] > 100
    assert all(130 <= later - earlier <= 270 for earlier, later in pairwise(starts))


def test_every_kind_comes_equally_often() -> None:
    """Kinds are drawn from a bag, so no five faults in a row leave one out."""
    kinds = [fault.kind for fault in played(4)]

    assert set(Counter(kinds[:25]).values()) == {5}


def test_pumps_take_turns() -> None:
    """A pump has more than a threshold's window, a thousand steps, between two faults."""
    faults = played(5, steps=12_000)

    for stream_id in STREAMS:
        own = [fault for fault in faults if fault.stream_id == stream_id]
        assert len(own) >= 9
        assert all(later.start - earlier.stop > 1_000 for earlier, later in pairwise(own))


def test_readings_are_disturbed_during_a_fault_only() -> None:
    """From its first step to its last a fault shows in its stream, before and after in none."""
    schedule = FaultSchedule(STREAMS, 6)
    current: Fault | None = None
    for step in range(3_000):
        current = schedule.begin(step) or current
        readings = {name: np.full(len(METRICS), 1.0) for name in STREAMS}
        after = schedule.disturb(step, readings)
        changed = {name for name in STREAMS if after[name] is not readings[name]}
        is_on = current is not None and current.start <= step < current.stop
        assert changed == ({current.stream_id} if current and is_on else set())
