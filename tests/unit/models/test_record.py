"""Cadence and gaps: what a stream's usual step is, and what follows when it is broken."""

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import NO_TIME, Phase, VerdictBlock
from models.cadence import GAP_STEPS, silent
from models.options import StreamOptions
from tests.fakes import block, make_checkpoint

SECOND = 1_000_000
SLOT = np.array([0])


@pytest.fixture
def bank() -> StreamBank:
    """A bank with one stream that is live at once."""
    made = StreamBank(make_checkpoint())
    made.start(SLOT, StreamOptions(start="reference"))
    return made


def send(bank: StreamBank, times: list[int], arrival: int = 0) -> VerdictBlock:
    """Advance one stream by an observation at each of the times."""
    values = np.full((len(times), bank.n_features), 0.5)
    slots = np.zeros(len(times), np.int64)
    return bank.advance(block(slots, values, times=np.array(times), arrival=arrival))


def test_a_gap_begins_washout_again(bank: StreamBank) -> None:
    """More than ten usual steps without an observation: sixty are taken before the next score."""
    before = send(bank, [at * SECOND for at in range(20)])
    after = send(bank, [(100 + at) * SECOND for at in range(61)])
    assert (before.phase == Phase.LIVE).all()
    assert (after.phase[:60] == Phase.WASHOUT).all()
    assert after.done[:60].tolist() == list(range(1, 61))
    assert after.phase[60] == Phase.LIVE


def test_a_gap_forgets_the_hidden_state(bank: StreamBank) -> None:
    """What is expected after a gap is what a stream that has just started would expect."""
    fresh = np.array([1])
    bank.start(fresh, StreamOptions())
    rng = np.random.default_rng(0)
    before, after = rng.random((20, bank.n_features)), rng.random((61, bank.n_features))
    bank.advance(block(SLOT, before, times=np.arange(20) * SECOND))
    times = (100 + np.arange(61)) * SECOND
    again = bank.advance(block(SLOT, after, times=times))
    first = bank.advance(block(fresh, after, times=times))
    assert not np.isnan(again.score[60])
    assert again.score[60] == pytest.approx(first.score[60], rel=1e-5)


def test_a_gap_leaves_the_window_as_it_was(bank: StreamBank) -> None:
    """The scores of before go on to be what is usual for the stream."""
    send(bank, [at * SECOND for at in range(20)])
    held = bank.inspect(SLOT)["mean"][0]
    send(bank, [100 * SECOND])
    assert bank.inspect(SLOT)["mean"][0] == held


def test_ten_usual_steps_are_no_gap(bank: StreamBank) -> None:
    """Up to ten usual steps nothing happens."""
    send(bank, [at * SECOND for at in range(20)])
    verdicts = send(bank, [(19 + GAP_STEPS) * SECOND])
    assert verdicts.phase[0] == Phase.LIVE


def test_no_gap_before_the_step_is_known(bank: StreamBank) -> None:
    """The first few intervals say too little to call one of them a gap."""
    verdicts = send(bank, [0, SECOND, 1000 * SECOND])
    assert (verdicts.phase == Phase.LIVE).all()


def test_a_slower_cadence_is_learned(bank: StreamBank) -> None:
    """A stream that sends sixty times slower from now on is scored again before long."""
    send(bank, [at * SECOND for at in range(100)])
    slower = send(bank, [(100 + 60 * at) * SECOND for at in range(1, 121)])
    assert slower.phase[0] == Phase.WASHOUT
    assert slower.phase[-1] == Phase.LIVE


def test_batches_without_times_are_no_gaps(bank: StreamBank) -> None:
    """A hundred undated rows every ten seconds are a cadence, not a gap every ten seconds."""
    for arrival in range(20):
        verdicts = send(bank, [NO_TIME] * 100, arrival=arrival * 10 * SECOND)
        assert (verdicts.phase == Phase.LIVE).all()
    late = send(bank, [NO_TIME], arrival=1000 * SECOND)
    assert late.phase[0] == Phase.WASHOUT


def test_silence(bank: StreamBank) -> None:
    """A stream is silent once nothing has come for ten of its usual steps."""
    for at in range(20):
        send(bank, [at * SECOND], arrival=at * SECOND)
    record = bank.inspect(SLOT)
    assert not silent(record, 29 * SECOND)[0]
    assert silent(record, 30 * SECOND)[0]


def test_a_short_pause_of_a_fast_undated_stream_is_no_gap(bank: StreamBank) -> None:
    """Networks jitter: below five seconds the clock of arrivals calls nothing a gap."""
    for at in range(50):
        send(bank, [NO_TIME], arrival=SECOND + at * 5_000)
    assert send(bank, [NO_TIME], arrival=5 * SECOND).phase[0] == Phase.LIVE
    assert send(bank, [NO_TIME], arrival=11 * SECOND).phase[0] == Phase.WASHOUT
