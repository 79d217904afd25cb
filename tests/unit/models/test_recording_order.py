"""Rows of a file whose times go back."""

import numpy as np

from models.recording import Recording, in_order


def recording_of(times: list[int] | None, rows: int = 100) -> Recording:
    """Make a recording whose values are the numbers of its rows."""
    at = None if times is None else np.array(times)
    return Recording(values=np.arange(float(rows))[:, None], metrics=["m"], times=at)


def test_late_rows_are_left_out() -> None:
    """A clock that was put back repeats some times: those rows go, as the service would have it."""
    times = [*range(60), *range(57, 97)]
    kept, late = in_order(recording_of(times))
    assert late.tolist() == [60, 61, 62]
    assert kept.times is not None
    assert kept.times.tolist() == list(range(97))
    assert kept.values[:, 0].tolist() == [*range(60), *range(63, 100)]


def test_what_is_in_order_stays_as_it_is() -> None:
    """Nothing is copied or lost where nothing is late, or where there are no times."""
    for times in (list(range(100)), None):
        recording = recording_of(times)
        kept, late = in_order(recording)
        assert kept is recording
        assert len(late) == 0
