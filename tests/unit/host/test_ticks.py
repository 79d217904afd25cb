import pytest

from service.host.ticks import Ticks


def test_a_slow_reading_does_not_put_off_those_after_it() -> None:
    """The grid stays where it was, however long each reading takes."""
    ticks = Ticks(100.0, 1.0)
    due = []
    for late in (0.0, 0.9, 0.3, 0.99):
        ticks.pass_by(ticks.due_s + late)
        due.append(ticks.due_s)
    assert due == [101.0, 102.0, 103.0, 104.0]
    assert ticks.missed == 0


def test_what_was_missed_is_not_made_up_for() -> None:
    """After a pause the next one on the grid is due, and those that passed are counted."""
    ticks = Ticks(100.0, 2.0)
    ticks.pass_by(109.5)
    assert (ticks.due_s, ticks.missed) == (110.0, 4)
    ticks.pass_by(110.0)
    assert (ticks.due_s, ticks.missed) == (112.0, 4)


def test_no_tick_is_due_twice() -> None:
    """A clock that reads a little before the due time does not give the same one again."""
    ticks = Ticks(0.0, 0.1)
    ticks.pass_by(0.0)
    ticks.pass_by(0.0999)
    assert ticks.due_s == pytest.approx(0.2)


def test_due_times_do_not_drift() -> None:
    """A million ticks of a tenth of a second are a hundred thousand seconds."""
    ticks = Ticks(0.0, 0.1)
    for _ in range(1_000_000):
        ticks.pass_by(ticks.due_s)
    assert ticks.due_s == pytest.approx(100_000.0, abs=1e-6)
    assert ticks.missed == 0
