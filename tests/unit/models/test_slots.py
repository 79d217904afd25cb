from dataclasses import replace

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Phase
from models.options import StreamOptions
from models.snapshot_block import SnapshotBlock
from tests.fakes import block, normal_values
from tests.kept import bits, saved_checkpoint

LIVE = StreamOptions(start="reference")
OWN = StreamOptions()
ZERO, FIVE = np.array([0]), np.array([5])


def bank_of(steps: int, seed: int = 0, options: StreamOptions = LIVE) -> StreamBank:
    """Make a bank with one stream in slot 0."""
    bank = StreamBank(saved_checkpoint(seed))
    bank.start(ZERO, options)
    bank.advance(block(0, normal_values(steps)))
    return bank


def taken_over(old: StreamBank, new: StreamBank, options: StreamOptions = LIVE) -> None:
    """Let the stream of slot 0 go on in slot 5 of another bank."""
    new.take_over(FIVE, old.record(ZERO), old.recent(ZERO), options)


def test_cleared_slots_are_zero_and_others_untouched() -> None:
    """In every slab."""
    bank = bank_of(70)
    bank.start(FIVE, OWN)
    before = bits(bank, 5)
    bank.clear(ZERO)
    left = [rows for slab in bank.slabs.values() for rows in slab.gather(ZERO).values()]
    assert not any(rows.any() for rows in left)
    assert bits(bank, 5) == before


def test_restoring_takes_the_options_that_count_now() -> None:
    """Everything is as it was but how it is judged."""
    old, new = bank_of(70), StreamBank(saved_checkpoint())
    new.restore(FIVE, old.snapshot(ZERO), StreamOptions(z=2.5, policy="all"))
    before, after = bits(old, 0), bits(new, 5)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"rules z", "rules policy", "window z"}
    assert new.slabs["record"]["z"][5] == 2.5


def test_options_out_of_range_are_refused() -> None:
    """Wherever a stream is to go on."""
    old, new = bank_of(3), StreamBank(saved_checkpoint())
    with pytest.raises(ValueError, match="must be > 0"):
        new.restore(FIVE, old.snapshot(ZERO), StreamOptions(z=0.0))
    with pytest.raises(ValueError, match="must be > 0"):
        taken_over(old, new, StreamOptions(sigma_floor=-1.0))


def test_a_live_stream_stays_live_under_another_scorer() -> None:
    """Order, cadence and counts go on, the window begins anew, and the next row is judged."""
    old, new = bank_of(90), StreamBank(saved_checkpoint(1))
    taken_over(old, new)
    was, now = old.inspect(ZERO), new.inspect(FIVE)
    for name in ("last_time", "last_seq", "last_arrival", "step_us", "seen", "anomalies", "phase"):
        assert now[name] == was[name], name
    assert now["scores_held"].tolist() == [120]
    verdicts = new.advance(block(5, normal_values(1, seed=4)))
    assert verdicts.phase.tolist() == [Phase.LIVE]
    assert np.isfinite(verdicts.score).all()


def test_taking_over_is_washing_out_on_the_last_observations() -> None:
    """The memory is that of a stream that began with what is held, up to float32 shares."""
    old, new = bank_of(90), StreamBank(saved_checkpoint(1))
    taken_over(old, new)
    fresh = StreamBank(saved_checkpoint(1))
    fresh.start(ZERO, OWN)
    fresh.advance(block(0, normal_values(90)[30:]))
    one, other = (bank.slabs["memory"].gather(at) for bank, at in ((new, FIVE), (fresh, ZERO)))
    for name, rows in one.items():
        np.testing.assert_allclose(rows, other[name], atol=1e-5)


def test_a_washout_under_way_goes_on() -> None:
    """A stream that has had 20 of 60 needs 40 more."""
    old, new = bank_of(20, options=OWN), StreamBank(saved_checkpoint(1))
    taken_over(old, new, OWN)
    assert new.inspect(FIVE)["phase"].tolist() == [Phase.WASHOUT]
    verdicts = new.advance(block(5, normal_values(41)))
    assert (verdicts.phase == Phase.WASHOUT).tolist() == [True] * 40 + [False]
    assert verdicts.done[0] == 21


def test_a_shorter_washout_is_not_exceeded() -> None:
    """What is left is at most the washout of the scorer that takes over."""
    old, new = bank_of(20, options=OWN), StreamBank(saved_checkpoint(1, washout=5))
    taken_over(old, new, OWN)
    assert new.inspect(FIVE)["washout_left"].tolist() == [5]


def test_an_unprimed_stream_warms_up_again() -> None:
    """Its window is empty under the new scorer, and the phase says so."""
    old, new = bank_of(200), StreamBank(saved_checkpoint(1))
    taken_over(old, new, StreamOptions(prime=False))
    assert new.inspect(FIVE)["phase"].tolist() == [Phase.WARMUP]


def test_following_in_pieces_is_following_at_once() -> None:
    """What came first and what came then leave the memory that all of it leaves."""
    old, new = bank_of(30), StreamBank(saved_checkpoint(1))
    first = old.recent(ZERO)
    new.follow(FIVE, first, first.held)
    old.advance(block(0, normal_values(12, seed=3)))
    second = old.recent(ZERO)
    new.follow(FIVE, second, second.fresh(first.begun, first.pushed))
    whole = StreamBank(saved_checkpoint(1))
    whole.follow(FIVE, second, second.held)
    one, other = (bank.slabs["memory"].gather(FIVE) for bank in (new, whole))
    for name, rows in one.items():
        np.testing.assert_allclose(rows, other[name], atol=1e-6)
    assert new.recent(FIVE).held.tolist() == [42]


def test_streams_of_different_length_follow_together() -> None:
    """Each is fed what is new of it alone, one with nothing begins all the same."""
    old, together = StreamBank(saved_checkpoint()), StreamBank(saved_checkpoint(1))
    slots = np.array([0, 1, 2])
    old.start(slots, LIVE)
    for slot, steps in enumerate((0, 5, 100)):
        old.advance(block(slot, normal_values(steps, seed=slot)))
    recent = old.recent(slots)
    together.follow(slots, recent, recent.held)
    for slot in slots.tolist():
        lonely, one = StreamBank(saved_checkpoint(1)), recent.taken(np.array([slot]))
        lonely.follow(ZERO, one, one.held)
        for name, rows in lonely.slabs["memory"].gather(ZERO).items():
            np.testing.assert_allclose(
                together.slabs["memory"].gather(np.array([slot]))[name], rows, atol=1e-6
            )


def stale(steps: int, later: int) -> SnapshotBlock:
    """Give a snapshot whose last observations were copied before `later` more came."""
    bank = bank_of(steps)
    recent = bank.snapshot(ZERO).recent
    bank.advance(block(0, normal_values(later, seed=2)))
    return replace(bank.snapshot(ZERO), recent=recent)


def test_observations_older_than_the_record_are_not_held() -> None:
    """The stream goes on as it was, and a successor washes out on what came since."""
    bank = StreamBank(saved_checkpoint())
    bank.restore(FIVE, stale(90, 20), LIVE)
    bank.restore(ZERO, stale(90, 0), LIVE)
    assert bank.recent(np.array([0, 5])).held.tolist() == [60, 0]
    assert bank.inspect(FIVE)["washout_left"].tolist() == [0]
    bank.advance(block(5, normal_values(7, seed=3)))
    after = StreamBank(saved_checkpoint(1))
    after.take_over(FIVE, bank.record(FIVE), bank.recent(FIVE), LIVE)
    assert after.inspect(FIVE)["washout_left"].tolist() == [53]
    assert after.inspect(FIVE)["phase"].tolist() == [Phase.WASHOUT]


@pytest.mark.parametrize(("later", "left"), [(0, 0), (1, 1), (20, 20), (60, 60), (61, 60)])
def test_observations_that_are_missing_are_washout_to_do(later: int, left: int) -> None:
    """Under another scorer, at most a whole washout."""
    old, bank = stale(90, later), StreamBank(saved_checkpoint(1))
    bank.take_over(FIVE, old.record, old.recent, LIVE)
    assert bank.inspect(FIVE)["washout_left"].tolist() == [left]


@pytest.mark.parametrize("steps", [0, 1, 59])
def test_a_young_stream_of_the_reference_needs_no_washout(steps: int) -> None:
    """All it has had is held, so nothing is lacking."""
    old, bank = bank_of(steps), StreamBank(saved_checkpoint(1))
    taken_over(old, bank)
    assert bank.inspect(FIVE)["washout_left"].tolist() == [0]
    assert bank.inspect(FIVE)["phase"].tolist() == [Phase.LIVE]
