from datetime import UTC, datetime, timedelta

import numpy as np

from models.blocks import (
    MAX_ABSOLUTE,
    MAX_TIME,
    NO_TIME,
    Explanations,
    ObservationBlock,
    Refusal,
    unfit,
)
from tests.fakes import block


def _explanations(rows: list[int]) -> Explanations:
    numbers = np.asarray(rows, np.float64)[:, None]
    return Explanations(
        rows=np.asarray(rows, np.int64), actual=numbers, expected=numbers + 1, share=numbers + 2
    )


def test_joined_blocks_stand_under_one_another() -> None:
    """Joining keeps the order of blocks and rows, and takes the latest arrival."""
    first = block([0, 1], [[1.0], [2.0]], times=[10, 11], seqs=[4, 5], arrival=100)
    second = block([2], [[3.0]], times=[12], explain=True, arrival=90)
    joined = ObservationBlock.joined([first, second])
    assert len(joined) == 3
    assert joined.slots.tolist() == [0, 1, 2]
    assert joined.times.tolist() == [10, 11, 12]
    assert joined.seqs.tolist() == [4, 5, -1]
    assert joined.values.tolist() == [[1.0], [2.0], [3.0]]
    assert joined.explain.tolist() == [False, False, True]
    assert joined.arrival == 100
    assert ObservationBlock.joined([second]) is second


def test_taken_rows_are_copies() -> None:
    """Taking rows follows the order named and shares no memory."""
    whole = block([0, 1, 2], [[1.0], [2.0], [3.0]], times=[10, 11, 12])
    taken = whole.taken(np.array([2, 0]))
    assert taken.slots.tolist() == [2, 0]
    assert taken.times.tolist() == [12, 10]
    assert taken.values.tolist() == [[3.0], [1.0]]
    assert not np.shares_memory(taken.values, whole.values)


def test_explanations_are_merged_by_row() -> None:
    """Parts with disjoint rows come out ascending, each number with its row."""
    merged = Explanations.joined([_explanations([1, 4]), _explanations([0, 3])], 1)
    assert merged.rows.tolist() == [0, 1, 3, 4]
    assert merged.actual[:, 0].tolist() == [0, 1, 3, 4]
    assert merged.expected[:, 0].tolist() == [1, 2, 4, 5]
    assert merged.share[:, 0].tolist() == [2, 3, 5, 6]


def test_no_explanations_have_the_width_of_the_bank() -> None:
    """Nothing explained is still `[0, F]`."""
    nothing = Explanations.joined([], 4)
    assert nothing.rows.shape == (0,)
    assert nothing.actual.shape == nothing.expected.shape == nothing.share.shape == (0, 4)


def test_unfit_names_the_reason() -> None:
    """Rows no stream could take get the reason; missing up to a half and `NO_TIME` are fine."""
    nan, inf = np.nan, np.inf
    values = [[1, nan], [nan, nan], [1, -inf], [MAX_ABSOLUTE, 1], [2e300, 1], [1, 1], [1, 1]]
    times = [0, 0, 0, NO_TIME, 0, MAX_TIME + 1, NO_TIME + 1]
    found = unfit(np.asarray(values, np.float64), np.asarray(times, np.int64))
    assert [Refusal(code) for code in found] == [
        Refusal.NONE,
        Refusal.TOO_MANY_MISSING,
        Refusal.NOT_FINITE,
        Refusal.NONE,
        Refusal.NOT_FINITE,
        Refusal.TIME_OUT_OF_RANGE,
        Refusal.TIME_OUT_OF_RANGE,
    ]


def test_times_end_with_the_year_2200() -> None:
    """The first microsecond of 2200 is taken, as is its mirror image; one further is refused."""
    since_epoch = datetime(2200, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    last = since_epoch // timedelta(microseconds=1)
    assert last == MAX_TIME
    found = unfit(np.zeros((4, 1)), np.array([last, last + 1, -last, -last - 1]))
    beyond = Refusal.TIME_OUT_OF_RANGE
    assert found.tolist() == [Refusal.NONE, beyond, Refusal.NONE, beyond]
