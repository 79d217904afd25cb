import numpy as np
import pytest

from models.blocks import Bool
from models.evaluation.metrics.alarms import GAP, SLACK, alarms_of
from models.evaluation.metrics.segments import joined, segments, widened

N = 1440
"""Rows of a day of minutes."""


def rows(*spans: tuple[int, int], n: int = N) -> Bool:
    """Flag the rows of some spans, first and end."""
    flags = np.zeros(n, np.bool_)
    for first, end in spans:
        flags[first:end] = True
    return flags


@pytest.mark.parametrize(
    "spans", [(), ((0, 2),), ((3, 4), (9, 10)), ((0, 1), (2, 3)), ((0, 10),)], ids=str
)
def test_segments_are_the_runs(spans: tuple[tuple[int, int], ...]) -> None:
    """Runs at the very begin and end, of one row, of all rows and none are told as they are."""
    assert segments(rows(*spans, n=10)).tolist() == [list(span) for span in spans]


def test_runs_are_joined_up_to_the_gap() -> None:
    """The gap is counted from the last row of one to the first of the next."""
    runs = segments(rows((0, 2), (4, 5), (8, 9), n=10))
    assert joined(runs, 2).tolist() == [[0, 2], [4, 5], [8, 9]]
    assert joined(runs, 3).tolist() == [[0, 5], [8, 9]]
    assert joined(runs, 4).tolist() == [[0, 9]]
    assert joined(runs[:0], 4).tolist() == []


def test_widening_stays_within_the_rows() -> None:
    """Steps that go beyond the recording are cut."""
    assert widened(np.array([[1, 3], [8, 9]]), 2, 10).tolist() == [[0, 5], [6, 10]]


def test_anomalies_close_together_are_one_alarm() -> None:
    """Ten steps apart is one false alarm, eleven is two."""
    labels = rows((1000, 1010))
    near = alarms_of(rows((100, 103), (102 + GAP, 115)), labels, 60.0)
    far = alarms_of(rows((100, 103), (103 + GAP, 115)), labels, 60.0)
    assert (near.false_alarms, far.false_alarms) == (1, 2)


@pytest.mark.parametrize(
    ("row", "false_alarms"),
    [(500 - SLACK, 0), (499 - SLACK, 1), (509 + SLACK, 0), (510 + SLACK, 1), (505, 0)],
)
def test_slack_around_an_event_is_not_false(row: int, false_alarms: int) -> None:
    """An alarm up to the slack before the first row, or after the last, is not false."""
    found = alarms_of(rows((row, row + 1)), rows((500, 510)), 60.0)
    assert found.false_alarms == false_alarms
    assert found.events_found == (row == 505)


@pytest.mark.parametrize("seed", range(20))
def test_false_alarms_are_those_that_touch_nothing(seed: int) -> None:
    """The count equals that of looking at every pair of alarm and widened event."""
    rng = np.random.default_rng(seed)
    is_anomaly, labels = rng.random(N) < 0.02, rng.random(N) < 0.005
    false = 0
    for first, end in joined(segments(is_anomaly), GAP):
        alarm = set(range(first, end))
        around = [range(a - SLACK, b + SLACK) for a, b in segments(labels)]
        false += not any(alarm.intersection(event) for event in around)
    assert alarms_of(is_anomaly, labels, 60.0).false_alarms == false


def test_events_and_their_delay() -> None:
    """Two of three events are found, after 0 and 5 steps; an anomaly in the slack finds none."""
    labels = rows((0, 10), (400, 450), (900, 910))
    found = alarms_of(rows((0, 3), (405, 460), (895, 899), (912, 913)), labels, 60.0)
    assert (found.events, found.events_found, found.delay_steps) == (3, 2, 2.5)
    assert found.false_alarms == 0


def test_rates_are_of_the_whole_stream() -> None:
    """Half a day with two false alarms is four a day."""
    is_anomaly = rows((10, 20), (700, 708))
    found = alarms_of(is_anomaly, rows((1430, 1440)), 30.0)
    assert found.days == 0.5
    assert found.false_alarms_per_day == 4.0
    assert found.alarm_share == pytest.approx(18 / N)
    assert found.delay_steps is None


def test_streams_without_events_have_false_alarms_only() -> None:
    """No event is no error: simulated normal streams have none."""
    found = alarms_of(rows((5, 6)), rows(), 60.0)
    assert (found.events, found.events_found, found.false_alarms) == (0, 0, 1)


def test_what_makes_no_sense_is_refused() -> None:
    """Lengths that differ, no rows, and steps that are no duration."""
    with pytest.raises(ValueError, match="same length"):
        alarms_of(rows(), rows(n=5), 60.0)
    with pytest.raises(ValueError, match="at least 1"):
        alarms_of(rows(n=0), rows(n=0), 60.0)
    with pytest.raises(ValueError, match="step_s"):
        alarms_of(rows(), rows(), 0.0)
