import numpy as np

from models.rare import Rare


def test_what_is_kept_is_popped_once() -> None:
    """Of a slot that has nothing there is None."""
    rare = Rare[str]()
    rare[3] = "three"
    rare[3] = "again"
    assert len(rare) == 1
    assert rare.pop(3) == "again"
    assert rare.pop(3) is None
    assert len(rare) == 0


def test_rows_name_places_among_the_slots_asked_for() -> None:
    """In any order, and only those that have something."""
    rare = Rare[str]()
    assert rare.rows(np.array([1, 2])) == {}
    rare[7], rare[2] = "seven", "two"
    assert rare.rows(np.array([2, 5, 7])) == {0: "two", 2: "seven"}
    assert len(rare) == 2


def test_what_was_found_by_row_is_put_under_other_slots() -> None:
    """As streams move to other slots."""
    rare, other = Rare[str](), Rare[str]()
    rare[7], rare[2] = "seven", "two"
    other[9] = "nine"
    other.put(np.array([4, 5, 6]), rare.rows(np.array([2, 5, 7])))
    assert other.rows(np.arange(10)) == {4: "two", 6: "seven", 9: "nine"}


def test_slots_are_forgotten_whether_they_have_something_or_not() -> None:
    """Others keep theirs."""
    rare = Rare[str]()
    rare.forget(np.array([1]))
    rare[1], rare[2] = "one", "two"
    rare.forget(np.array([2, 3]))
    assert rare.rows(np.arange(4)) == {1: "one"}


def test_nothing_that_is_false_is_lost() -> None:
    """An empty thing is kept like any other."""
    rare = Rare[str]()
    rare[1] = ""
    assert rare.rows(np.array([1])) == {0: ""}
    assert rare.pop(1) == ""
