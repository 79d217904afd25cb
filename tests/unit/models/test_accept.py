"""Accepting a baseline: what a stream did last becomes what is usual of it."""

import numpy as np
import pytest

from models.bank import MIN_ACCEPTED, StreamBank
from models.blocks import NO_TIME, Anomaly, Float64, Phase
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from models.snapshot import WHOLE, SnapshotFormat
from models.spec import Policy, ScoringSpec, ThresholdSpec
from tests.fakes import block, make_checkpoint, normal_values
from tests.kept import bits

LIVE = StreamOptions(start="reference")
OTHER = 2
RULES = [ScoringSpec(rule="mse"), ScoringSpec(rule="standardised"), ScoringSpec(rule="top", top=2)]
rules = pytest.mark.parametrize("scoring", RULES, ids=lambda one: one.rule)


def checkpoint(scoring: ScoringSpec, asked: float | None = None) -> Checkpoint:
    return make_checkpoint(
        threshold=ThresholdSpec(window=300, false_alarms_per_day=asked),
        scoring=scoring,
        validation_steps=400,
    )


def usual(steps: int, seed: int = 0) -> Float64:
    """Draw values more quiet than those that the checkpoint knows."""
    return 0.45 + 0.1 * normal_values(steps, seed=seed)


def shifted(steps: int, seed: int = 1, by: float = 1.5) -> Float64:
    """Draw usual values, but of one metric at another level."""
    values = usual(steps, seed=seed)
    values[:, 1] += by
    return values


def running(scoring: ScoringSpec, options: StreamOptions = LIVE) -> StreamBank:
    """Make a bank with streams in slots 0 and 2; that in 0 has had a level shift of 100 steps."""
    bank = StreamBank(checkpoint(scoring))
    bank.start(np.array([0, OTHER]), options)
    see(bank, usual(400))
    see(bank, usual(400, seed=7), OTHER)
    see(bank, shifted(100))
    return bank


def see(bank: StreamBank, values: Float64, slot: int = 0) -> Float64:
    """Let a stream take values; tells which are anomalies."""
    found: Float64 = bank.advance(block(slot, values)).is_anomaly == Anomaly.YES
    return found


def accepted(bank: StreamBank, slot: int = 0) -> bool:
    (is_accepted,) = bank.accept(np.array([slot])).tolist()
    return bool(is_accepted)


def scale_of(bank: StreamBank, slot: int = 0) -> Float64:
    found: Float64 = bank._senses._scale_of(np.array([slot]))[0]
    return found


@rules
@pytest.mark.parametrize("policy", ["clip", "all", "exclude"])
def test_a_level_that_is_accepted_is_no_anomaly_any_more(
    scoring: ScoringSpec, policy: Policy
) -> None:
    """Under `exclude` it would be one for ever; no level shift is told afterwards."""
    bank = running(scoring, StreamOptions(start="reference", policy=policy))
    untouched = running(scoring, StreamOptions(start="reference", policy="exclude"))
    assert bank.inspect(np.array([0]))["shifted_since"][0] != NO_TIME
    assert accepted(bank)
    verdicts = bank.advance(block(0, shifted(300, seed=3)))
    assert (verdicts.phase == Phase.LIVE).all()
    assert (verdicts.shifted_since == NO_TIME).all()
    assert (verdicts.is_anomaly == Anomaly.YES).sum() <= 3
    assert see(untouched, shifted(300, seed=3)).mean() > 0.9


@rules
def test_the_threshold_stands_at_the_new_level(scoring: ScoringSpec) -> None:
    """It is that of the scores the last observations make under the scale they lead to."""
    bank = running(scoring)
    accepted(bank)
    verdicts = bank.advance(block(0, shifted(200, seed=3)))
    mean, sigma = verdicts.score.mean(), verdicts.score.std()
    assert mean < verdicts.threshold[0] < mean + 40 * sigma
    assert bank.inspect(np.array([0]))["scores_held"].tolist() == [300]


@rules
def test_something_strange_is_found_at_the_new_level_too(scoring: ScoringSpec) -> None:
    """Right after accepting, and later; in the metric that moved and in another."""
    bank = running(scoring)
    accepted(bank)
    spikes = shifted(1, seed=4), shifted(1, seed=5)
    spikes[0][0, 1] -= 40.0
    spikes[1][0, 0] += 40.0
    for spike in spikes:
        assert see(bank, spike).all()
        see(bank, shifted(80, seed=6))


def test_no_metric_gets_a_smaller_scale_than_before() -> None:
    """What has moved gets a larger one; the others may not grow more sensitive."""
    bank = running(RULES[2])
    before = scale_of(bank)
    accepted(bank)
    after = scale_of(bank)
    assert (after >= before).all()
    assert after[1] > before[1]


def test_accepting_twice_does_not_make_the_scale_larger_and_larger() -> None:
    """It starts from the checkpoint's, not from the stream's own."""
    bank = running(RULES[2])
    accepted(bank)
    see(bank, usual(200, seed=8))
    assert accepted(bank)
    once = running(RULES[2])
    see(once, usual(200, seed=8))
    accepted(once)
    np.testing.assert_allclose(scale_of(bank), scale_of(once), rtol=1e-6)


@rules
def test_too_few_observations_change_nothing(scoring: ScoringSpec) -> None:
    """Bit for bit; a gap begins the count anew. One more, and it is accepted."""
    bank = StreamBank(checkpoint(scoring))
    bank.start(np.array([0]), LIVE)
    see(bank, usual(MIN_ACCEPTED - 1))
    before, scale = bits(bank, 0), scale_of(bank).tobytes()
    assert not accepted(bank)
    assert bits(bank, 0) == before
    assert scale_of(bank).tobytes() == scale
    see(bank, usual(1))
    assert accepted(bank)
    assert bits(bank, 0) != before


@rules
def test_other_streams_are_untouched(scoring: ScoringSpec) -> None:
    """Also one that is asked for in the same call and has too few observations."""
    bank = running(scoring)
    bank.start(np.array([4]), LIVE)
    see(bank, usual(5), 4)
    before = [bits(bank, slot) for slot in (OTHER, 4)]
    scales = [scale_of(bank, slot).tobytes() for slot in (OTHER, 4)]
    assert bank.accept(np.array([4, 0])).tolist() == [False, True]
    assert [bits(bank, slot) for slot in (OTHER, 4)] == before
    assert [scale_of(bank, slot).tobytes() for slot in (OTHER, 4)] == scales


def test_streams_side_by_side_are_scored_by_their_own_scales() -> None:
    """In one block, as each alone."""
    bank, alone = running(RULES[2]), running(RULES[2])
    accepted(bank)
    accepted(alone)
    values = np.concatenate([shifted(1, seed=4), usual(1, seed=5)])
    together = bank.advance(block([0, OTHER], values))
    apart = [alone.advance(block(slot, values[at])) for at, slot in enumerate((0, OTHER))]
    np.testing.assert_allclose(together.score, [one.score[0] for one in apart], rtol=1e-4)


@pytest.mark.parametrize("how", ["start", "prime", "clear"])
def test_a_reset_drops_the_own_scale(how: str) -> None:
    """The stream is as a new one."""
    bank, slot = running(RULES[2]), np.array([0])
    shared = scale_of(bank).tobytes()
    accepted(bank)
    if how == "start":
        bank.start(slot, LIVE)
        fresh = StreamBank(checkpoint(RULES[2]))
        fresh.start(slot, LIVE)
        expected = fresh.advance(block(0, usual(9)))
        assert bank.advance(block(0, usual(9))).score.tobytes() == expected.score.tobytes()
    elif how == "prime":
        bank.prime(slot, LIVE)
    else:
        bank.clear(slot)
    assert scale_of(bank).tobytes() == shared
    assert bank.slabs["record"]["rescaled"][0] == 0


def test_restoring_keeps_the_own_scale() -> None:
    """In another bank, and the window that goes with it."""
    bank, other = running(RULES[2]), StreamBank(checkpoint(RULES[2]))
    accepted(bank)
    form = SnapshotFormat.of(bank)
    stored = form.encode(bank.snapshot(np.array([0])), np.array([WHOLE]), np.array([True]))
    other.restore(np.array([5]), form.decode(stored), LIVE)
    assert scale_of(other, 5).tobytes() == scale_of(bank).tobytes()
    one = bank.advance(block(0, shifted(20, seed=3)))
    same = other.advance(block(5, shifted(20, seed=3)))
    assert one.score.tobytes() == same.score.tobytes()
    assert one.threshold.tobytes() == same.threshold.tobytes()


def test_an_episode_under_way_is_over() -> None:
    """The window of before does not come back when scores fall."""
    bank = running(RULES[0])
    assert len(bank._shifts.held) == 1
    accepted(bank)
    assert len(bank._shifts.held) == 0
    state = bank.inspect(np.array([0]))
    assert state["shifted_since"].tolist() == [NO_TIME]
    see(bank, usual(15, seed=9))
    assert bank.inspect(np.array([0]))["mean"] > 0.5 * state["mean"]


def test_missing_values_among_the_last_observations_are_no_obstacle() -> None:
    """They teach nothing of their metric."""
    bank = running(RULES[2])
    values = shifted(40, seed=3)
    values[::3, 0] = np.nan
    see(bank, values)
    assert accepted(bank)
    assert np.isfinite(scale_of(bank)).all()
    assert np.isfinite(bank.advance(block(0, shifted(5))).threshold).all()


def test_z_is_found_anew_where_it_is_asked_for() -> None:
    """From the validation scores' tail: what the stream had learned is of other scores."""
    bank = StreamBank(checkpoint(RULES[2], asked=1.0))
    bank.start(np.array([0]), LIVE)
    z = bank.inspect(np.array([0]))["z"].tolist()
    spiky = usual(300, seed=2)
    spiky[::20] *= 2
    see(bank, spiky)
    assert bank.inspect(np.array([0]))["z"].tolist() != z
    accepted(bank)
    assert bank.inspect(np.array([0]))["z"] == pytest.approx(z, rel=0.2)


@pytest.mark.parametrize("min_scores", [20, 100])
def test_the_window_holds_the_newest_scores_repeated_as_needed(min_scores: int) -> None:
    """All fifty, if fewer suffice to judge by."""
    threshold = ThresholdSpec(window=300, min_scores=min_scores, false_alarms_per_day=None)
    bank = StreamBank(make_checkpoint(threshold=threshold))
    bank.start(np.array([0]), LIVE)
    see(bank, usual(150))
    assert accepted(bank)
    held = bank.inspect(np.array([0]))["scores_held"].tolist()
    assert held == [max(min_scores, 50)]
