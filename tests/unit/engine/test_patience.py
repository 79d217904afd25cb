import pytest

from service.engine import patience
from service.engine.patience import LONGEST_S, MORE_EVERY, SHARE, Patience


class Time:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    """The clock that patience looks at."""
    made = Time()
    monkeypatch.setattr(patience, "perf_counter", made)
    return made


def scored(one: Patience, requests: int, clock: Time, seconds: float = 0.0004) -> None:
    """Score a batch of so many requests."""
    with one.measured(requests):
        clock.now += seconds


def test_nobody_is_waited_for_at_first_or_alone(clock: Time) -> None:
    """A client that sends one after another never waits."""
    one = Patience()
    assert not one.is_worth_it(1)
    for _ in range(3 * MORE_EVERY):
        scored(one, 1, clock)
        assert not one.is_worth_it(1)


def test_those_who_came_before_are_waited_for(clock: Time) -> None:
    """For a share of what the batch took; with all of them there it ends at once."""
    one = Patience()
    scored(one, 4, clock, 0.0004)
    assert one.is_worth_it(1)
    clock.now += 0.9 * SHARE * 0.0004
    assert one.is_worth_it(3)
    assert not one.is_worth_it(4)
    clock.now += 0.2 * SHARE * 0.0004
    assert not one.is_worth_it(3)


def test_a_long_batch_is_no_reason_to_wait_long(clock: Time) -> None:
    """The longest wait is bounded."""
    one = Patience()
    scored(one, 4, clock, 10.0)
    assert one.is_worth_it(1)
    clock.now += 1.1 * LONGEST_S
    assert not one.is_worth_it(1)


def test_who_does_not_come_is_not_expected_again(clock: Time) -> None:
    """The batch that went without them is the new measure."""
    one = Patience()
    scored(one, 4, clock)
    scored(one, 2, clock)
    assert not one.is_worth_it(2)
    assert one.is_worth_it(1)


def test_now_and_then_one_more_is_expected(clock: Time) -> None:
    """So that clients in two groups come together."""
    one = Patience()
    scored(one, 2, clock)
    found = []
    for _ in range(3 * MORE_EVERY):
        found.append(one.is_worth_it(2))
        scored(one, 2, clock)
    assert found.count(True) == 2
