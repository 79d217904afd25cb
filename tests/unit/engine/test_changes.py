import numpy as np
import pytest

from models.snapshot import WHOLE
from service.engine.changes import NEVER, Changes

ALL = np.arange(4)
SCORES = np.array([10, 20, 30, 40])


@pytest.fixture
def changes() -> Changes:
    """Four streams, all stored at second 1."""
    made = Changes()
    made.grow(4)
    made.stored(ALL, SCORES, 1.0)
    return made


def due(changes: Changes, before: float, recent_before: float = -1.0, limit: int = 9) -> list[int]:
    found: list[int] = changes.due(before, recent_before, limit).tolist()
    return found


def test_nothing_is_due_that_is_stored(changes: Changes) -> None:
    """However late it is."""
    assert due(changes, 1e9, 1e9) == []
    assert (changes.n_changed(), changes.oldest()) == (0, NEVER)


def test_growing_keeps_what_is_known() -> None:
    """New places are free, with nothing to store."""
    changes = Changes()
    changes.grow(1)
    changes.begin(np.array([0]), 5.0)
    changes.grow(100)
    assert (changes.since[0], changes.n_changed()) == (5.0, 1)
    assert (changes.arrived[1:] == NEVER).all()


def test_the_first_change_counts_and_the_oldest_comes_first(changes: Changes) -> None:
    """Later changes do not put a stream off, and no more are given than wanted."""
    for slot, now in ((2, 3.0), (0, 4.0), (1, 5.0), (2, 6.0)):
        changes.touch(np.array([slot]), now)
    assert due(changes, 4.0) == [2, 0]
    assert due(changes, 9.0) == [2, 0, 1]
    assert due(changes, 9.0, limit=2) == [2, 0]
    assert (changes.n_changed(), changes.oldest()) == (3, 3.0)


def test_the_last_observations_are_due_on_their_own(changes: Changes) -> None:
    """After the rest was stored without them."""
    changes.touch(ALL[:1], 3.0)
    taken = changes.take(ALL[:1], recent_before=2.0)
    assert taken.with_recent.tolist() == [False]
    changes.saved(taken, SCORES[:1] + 5)
    assert due(changes, 9.0, 2.0) == []
    assert due(changes, 9.0, 3.0) == [0]
    assert changes.n_changed() == 1
    again = changes.take(ALL[:1], recent_before=3.0)
    assert (again.with_recent.tolist(), again.scores.tolist()) == ([True], [15])
    assert changes.n_changed() == 0


def test_a_stream_begun_is_whole_with_its_last_observations(changes: Changes) -> None:
    """Whatever is wanted otherwise."""
    changes.begin(ALL[1:3], 7.0)
    taken = changes.take(ALL, recent_before=-1.0)
    assert taken.scores.tolist() == [10, WHOLE, WHOLE, 40]
    assert taken.with_recent.tolist() == [False, True, True, False]


def test_what_changes_while_saving_is_new_again(changes: Changes) -> None:
    """What was taken counts as stored, what came since does not."""
    changes.touch(ALL[:2], 3.0)
    taken = changes.take(ALL[:2], 9.0)
    changes.touch(ALL[:1], 4.0)
    changes.saved(taken, SCORES[:2] + 1)
    assert due(changes, 9.0) == [0]
    assert changes.take(ALL[:2], 9.0).scores.tolist() == [11, 21]


def test_a_saving_that_failed_leaves_all_as_it_was(changes: Changes) -> None:
    """The age goes on from the first change, scores count from the last success."""
    changes.touch(ALL[:2], 3.0)
    taken = changes.take(ALL[:2], 9.0)
    changes.touch(ALL[:1], 4.0)
    changes.failed(taken)
    assert changes.since[:2].tolist() == [3.0, 3.0]
    assert changes.recent_since[:2].tolist() == [3.0, 3.0]
    assert changes.take(ALL[:2], 9.0).scores.tolist() == [10, 20]


@pytest.mark.parametrize("outcome", ["saved", "failed"])
def test_streams_that_began_or_left_meanwhile_are_not_touched(
    changes: Changes, outcome: str
) -> None:
    """One that began anew is to be written whole, a free slot not at all."""
    changes.touch(ALL, 3.0)
    taken = changes.take(ALL, 9.0)
    changes.begin(ALL[:1], 5.0)
    changes.leave(1)
    changes.leave(2)
    changes.begin(ALL[2:3], 6.0)
    if outcome == "saved":
        changes.saved(taken, SCORES + 1)
    else:
        changes.failed(taken)
    after = changes.take(ALL, 9.0)
    assert after.scores[:3].tolist() == [WHOLE] * 3
    assert after.since[:3].tolist() == [5.0, NEVER, 6.0]
    assert changes.arrived[1] == NEVER
