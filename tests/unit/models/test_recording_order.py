"""Rows of a file whose times go back."""

import numpy as np

from models.recording import late


def test_late_rows_are_found() -> None:
    """A clock that was put back repeats some times: the service would refuse those rows."""
    times = np.array([*range(60), *range(57, 97)])
    assert np.flatnonzero(late(times, 100)).tolist() == [60, 61, 62]


def test_a_row_is_late_by_all_before_it() -> None:
    """One time far ahead makes those behind it late, as it does for the service."""
    times = np.array([1, 2, 9, 3, 4, 9, 10])
    assert late(times, 7).tolist() == [False, False, False, True, True, True, False]


def test_what_is_in_order_or_has_no_times_is_not_late() -> None:
    """Nothing is found where nothing is late, in no rows at all, or where there are no times."""
    assert not late(np.arange(100), 100).any()
    assert not late(None, 100).any()
    assert len(late(np.arange(0), 0)) == 0
