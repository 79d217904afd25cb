from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import MAX_ABSOLUTE, MAX_TIME, NO_TIME, Phase, Refusal
from models.options import StreamOptions
from tests.fakes import ARRIVAL, block, make_checkpoint, normal_values

ZERO = np.array([0])
FINE = [0.5, 0.5, 0.5]


@pytest.fixture
def bank() -> StreamBank:
    bank = StreamBank(make_checkpoint())
    bank.start(np.arange(2), StreamOptions(start="reference"))
    bank.advance(block(0, normal_values(3), times=[10, 20, 30], seqs=[1, 2, 3]))
    return bank


@pytest.mark.parametrize(
    ("values", "time", "seq", "refusal"),
    [
        (FINE, 31, 4, Refusal.NONE),
        (FINE, 31, -1, Refusal.NONE),
        ([0.5, np.nan, 0.5], 31, 4, Refusal.NONE),
        ([MAX_ABSOLUTE, -MAX_ABSOLUTE, 0], 31, 4, Refusal.NONE),
        (FINE, MAX_TIME, 4, Refusal.NONE),
        ([0.5, np.inf, 0.5], 31, 4, Refusal.NOT_FINITE),
        ([0.5, -np.inf, np.nan], 31, 4, Refusal.NOT_FINITE),
        ([0.5, 1.1e300, 0.5], 31, 4, Refusal.NOT_FINITE),
        ([0.5, np.nan, np.nan], 31, 4, Refusal.TOO_MANY_MISSING),
        ([np.nan] * 3, 31, 4, Refusal.TOO_MANY_MISSING),
        (FINE, MAX_TIME + 1, 4, Refusal.TIME_OUT_OF_RANGE),
        (FINE, np.iinfo(np.int64).max, 4, Refusal.TIME_OUT_OF_RANGE),
        (FINE, NO_TIME + 1, 4, Refusal.TIME_OUT_OF_RANGE),
        (FINE, 29, 4, Refusal.OUT_OF_ORDER),
        (FINE, -5, 4, Refusal.OUT_OF_ORDER),
        (FINE, 31, 2, Refusal.OUT_OF_ORDER),
        (FINE, 30, 4, Refusal.DUPLICATE),
        (FINE, 31, 3, Refusal.DUPLICATE),
    ],
)
def test_each_row_is_taken_or_refused_with_its_reason(
    bank: StreamBank, values: Any, time: int, seq: int, refusal: Refusal
) -> None:
    """After time 30 and seq 3, a row gets this refusal, and only a taken one is counted."""
    verdicts = bank.advance(block(0, values, times=[time], seqs=[seq]))
    assert verdicts.refusal.tolist() == [refusal]
    assert verdicts.n_taken == int(refusal is Refusal.NONE)
    assert bank.inspect(ZERO)["seen"].tolist() == [3 + verdicts.n_taken]


def test_a_refused_row_spoils_no_later_one(bank: StreamBank) -> None:
    """In one block, the rows after a refused one are judged as if it had not been sent."""
    rows = normal_values(4, seed=3)
    without = bank.advance(block(1, rows, times=[40, 50, 60, 70]))
    bad = np.array([[np.inf], [0.1], [0.1], [np.nan]]).repeat(3, axis=1)
    sent = np.insert(rows, [0, 1, 2, 3], bad, axis=0)
    times = [35, 40, 39, 50, 50, 60, 65, 70]
    bank.start(np.array([1]), StreamOptions(start="reference"))
    verdicts = bank.advance(block(1, sent, times=times))
    assert [Refusal(code).name for code in verdicts.refusal] == [
        *("NOT_FINITE", "NONE", "OUT_OF_ORDER", "NONE"),
        *("DUPLICATE", "NONE", "TOO_MANY_MISSING", "NONE"),
    ]
    taken = verdicts.refusal == Refusal.NONE
    np.testing.assert_array_equal(verdicts.score[taken], without.score)
    np.testing.assert_array_equal(verdicts.threshold[taken], without.threshold)


def test_a_refused_row_has_no_explanation(bank: StreamBank) -> None:
    """Contributors are given for the rows taken, at their places in the block."""
    verdicts = bank.advance(block([0, 1], [[np.inf, 0, 0], FINE], times=[40, 40], explain=True))
    assert verdicts.explanations.rows.tolist() == [1]


def test_an_empty_block_gives_an_empty_answer(bank: StreamBank) -> None:
    """Nothing in, nothing out, and nothing changes."""
    verdicts = bank.advance(block([], np.empty((0, 3))))
    assert len(verdicts) == verdicts.n_taken == 0
    assert verdicts.explanations.share.shape == (0, 3)


def test_no_stream_can_be_started(bank: StreamBank) -> None:
    """Starting no slots is fine, even in a bank that has none."""
    bank.start(np.empty(0, np.int64), StreamOptions())
    StreamBank(make_checkpoint()).start(np.empty(0, np.int64), StreamOptions())


def test_a_block_of_another_width_is_refused_whole(bank: StreamBank) -> None:
    """A block that is not as wide as the bank is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"values \(1, 2\), expected \[B, 3\]"):
        bank.advance(block(0, [[0.5, 0.5]]))


def test_undated_rows_get_the_time_of_arrival_and_rise(bank: StreamBank) -> None:
    """Rows without a time are dated on arrival, each a microsecond after the one before."""
    undated = bank.advance(block([0, 1, 0, 0], normal_values(4)))
    assert undated.times.tolist() == [ARRIVAL, ARRIVAL, ARRIVAL + 1, ARRIVAL + 2]
    assert undated.n_taken == 4
    later = bank.advance(block(0, FINE, arrival=ARRIVAL - 1000))
    assert later.times.tolist() == [ARRIVAL + 3]


def test_dated_and_undated_rows_may_follow_each_other(bank: StreamBank) -> None:
    """A row without a time comes after a dated one, even when that lies in the future."""
    future = ARRIVAL + 10**9
    times = [NO_TIME, future, NO_TIME, ARRIVAL + 5]
    verdicts = bank.advance(block(0, normal_values(4), times=times))
    assert verdicts.times.tolist() == [ARRIVAL, future, future + 1, ARRIVAL + 5]
    assert verdicts.refusal.tolist() == [0, 0, 0, Refusal.OUT_OF_ORDER]


def test_an_undated_row_after_the_last_possible_time_is_refused(bank: StreamBank) -> None:
    """The clock of a stream does not run beyond 2200."""
    verdicts = bank.advance(block(0, [FINE, FINE], times=[MAX_TIME, NO_TIME]))
    assert verdicts.refusal.tolist() == [Refusal.NONE, Refusal.TIME_OUT_OF_RANGE]


def test_rows_without_a_seq_do_not_lower_it(bank: StreamBank) -> None:
    """A stream that sometimes numbers its rows still refuses old numbers."""
    verdicts = bank.advance(block(0, normal_values(3), times=[40, 50, 60], seqs=[7, -1, 7]))
    assert verdicts.refusal.tolist() == [Refusal.NONE, Refusal.NONE, Refusal.DUPLICATE]
    assert bank.inspect(ZERO)["last_seq"].tolist() == [7]


def test_refused_rows_do_not_count_for_the_washout() -> None:
    """Only what was taken brings a stream nearer to being scored."""
    bank = StreamBank(make_checkpoint(washout=2))
    bank.start(ZERO, StreamOptions())
    values = [FINE, [np.inf, 0, 0], FINE, FINE]
    verdicts = bank.advance(block(0, values))
    assert verdicts.done.tolist() == [1, 0, 2, 0]
    assert verdicts.phase[[0, 2, 3]].tolist() == [Phase.WASHOUT, Phase.WASHOUT, Phase.LIVE]


def test_the_answer_shares_no_memory_with_the_question(bank: StreamBank) -> None:
    """Verdicts are the caller's to keep, and the block is left as it was."""
    asked = block([0, 1], normal_values(2), explain=True)
    before = asked.values.copy(), asked.times.copy()
    first = bank.advance(asked)
    kept = first.score.copy(), first.explanations.expected.copy()
    bank.advance(block([0, 1], normal_values(2, seed=9), explain=True))
    np.testing.assert_array_equal(asked.values, before[0])
    np.testing.assert_array_equal(asked.times, before[1])
    np.testing.assert_array_equal(first.score, kept[0])
    np.testing.assert_array_equal(first.explanations.expected, kept[1])
    for mine in (first.slots, first.times, first.seqs, first.explanations.actual):
        for yours in (asked.slots, asked.times, asked.seqs, asked.values):
            assert not np.shares_memory(mine, yours)
