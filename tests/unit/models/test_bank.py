from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models import registry
from models.bank import StreamBank
from models.blocks import Anomaly, Float64, Phase, VerdictBlock
from models.options import StreamOptions
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.spec import Policy
from tests.fakes import block, make_checkpoint, normal_values

ZERO = np.array([0])
REFERENCE = StreamOptions(start="reference")


@pytest.fixture
def bank() -> StreamBank:
    return StreamBank(make_checkpoint())


def _phases(verdicts: VerdictBlock) -> list[tuple[str, int, int]]:
    return [
        (Phase(phase).name, int(done), int(of))
        for phase, done, of in zip(verdicts.phase, verdicts.done, verdicts.of, strict=True)
    ]


def _with_spikes(values: Float64, rows: Any, metric: int = 1, height: float = 9.0) -> Float64:
    spiked = values.copy()
    spiked[rows, metric] = height
    return spiked


def test_own_start_is_washed_out_and_then_live(bank: StreamBank) -> None:
    """Sixty own observations get no score, counted 1 to 60 of 60; the next is judged."""
    bank.start(ZERO, StreamOptions())
    verdicts = bank.advance(block(0, normal_values(62)))
    washout = [("WASHOUT", done, 60) for done in range(1, 61)]
    assert _phases(verdicts) == [*washout, ("LIVE", 0, 0), ("LIVE", 0, 0)]
    for column in (verdicts.score, verdicts.threshold, verdicts.severity):
        assert np.isnan(column[:60]).all()
        assert np.isfinite(column[60:]).all()
    assert set(verdicts.is_anomaly[:60]) == {Anomaly.UNKNOWN}
    assert set(verdicts.is_anomaly[60:]) == {Anomaly.NO}


def test_an_unprimed_stream_warms_up(bank: StreamBank) -> None:
    """Without validation scores, 100 are collected after the washout: scored, but not judged."""
    bank.start(ZERO, StreamOptions(prime=False))
    verdicts = bank.advance(block(0, normal_values(161)))
    warm_up = [("WARMUP", done, 100) for done in range(1, 101)]
    assert _phases(verdicts)[60:] == [*warm_up, ("LIVE", 0, 0)]
    assert np.isfinite(verdicts.score[60:160]).all()
    assert np.isnan(verdicts.threshold[60:160]).all()
    assert set(verdicts.is_anomaly[60:160]) == {Anomaly.UNKNOWN}
    assert np.isfinite(verdicts.threshold[160])


def test_few_validation_scores_shorten_the_warm_up() -> None:
    """What the checkpoint has to prime with counts; the rest is collected."""
    bank = StreamBank(make_checkpoint(validation_steps=98))
    bank.start(ZERO, REFERENCE)
    assert _phases(bank.advance(block(0, normal_values(3)))) == [
        ("WARMUP", 99, 100),
        ("WARMUP", 100, 100),
        ("LIVE", 0, 0),
    ]


@pytest.mark.parametrize(("prime", "phase"), [(True, Phase.LIVE), (False, Phase.WARMUP)])
def test_reference_start_is_scored_at_once(bank: StreamBank, prime: bool, phase: Phase) -> None:
    """A stream that goes on from the training data has a score from its first observation."""
    bank.start(ZERO, replace(REFERENCE, prime=prime))
    assert bank.inspect(ZERO)["phase"].tolist() == [phase]
    verdicts = bank.advance(block(0, normal_values(1)))
    assert verdicts.phase.tolist() == [phase]
    assert np.isfinite(verdicts.score).all()


def test_scores_are_those_of_the_scorer() -> None:
    """The bank scores what the scorer and the rule make of the scaled values after the tail."""
    checkpoint = make_checkpoint()
    bank, values = StreamBank(checkpoint), normal_values(20)
    bank.start(ZERO, REFERENCE)
    scorer = registry.build(checkpoint.spec, checkpoint.weights)
    x = MinMaxScaler.from_spec(checkpoint.spec.scaler).scale(
        np.concatenate([checkpoint.reference_tail, values])
    )
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    residual = prediction.residual[60:, 0]
    expected = scoring(checkpoint.spec.scoring).score(residual, checkpoint.residual_scale[None])
    np.testing.assert_allclose(bank.advance(block(0, values)).score, expected, rtol=1e-5)


def test_a_spike_is_an_anomaly_and_explained(bank: StreamBank) -> None:
    """It is judged by the threshold as it stood, and its metric has the largest share."""
    bank.start(ZERO, REFERENCE)
    bank.advance(block(0, normal_values(50)))
    known = bank.inspect(ZERO)
    verdicts = bank.advance(block(0, [[0.5, 9.0, 0.5]]))
    z = bank.spec.threshold.z
    assert verdicts.threshold == pytest.approx(known["mean"] + z * known["sigma"])
    assert verdicts.is_anomaly.tolist() == [Anomaly.YES]
    assert verdicts.severity == pytest.approx(verdicts.score / verdicts.threshold)
    assert verdicts.severity > 1
    why = verdicts.explanations
    assert why.rows.tolist() == [0]
    assert why.actual.tolist() == [[0.5, 9.0, 0.5]]
    assert why.share.sum() == pytest.approx(1)
    assert why.share.argmax() == 1
    assert (np.abs(why.expected) < 3).all()


def test_explanations_come_when_asked_for_and_there_is_a_score(bank: StreamBank) -> None:
    """Asked rows are explained in warm-up and live, not in washout; rows stay ascending."""
    bank.start(np.array([0, 1]), replace(REFERENCE, prime=False))
    bank.start(np.array([2]), StreamOptions())
    verdicts = bank.advance(block([2, 0, 1, 0, 2, 1], normal_values(6), explain=True))
    assert verdicts.explanations.rows.tolist() == [1, 2, 3, 5]
    np.testing.assert_allclose(verdicts.explanations.share.sum(axis=1), 1)
    assert not len(bank.advance(block([0, 1], normal_values(2))).explanations.rows)


def test_missing_values_are_stood_in_for(bank: StreamBank) -> None:
    """Even in the first observation, a missing metric adds nothing and its expectation is told."""
    bank.start(ZERO, REFERENCE)
    verdicts = bank.advance(block(0, [[0.2, np.nan, 0.9], [0.1, 0.3, np.nan]], explain=True))
    why = verdicts.explanations
    assert np.isnan(why.actual).tolist() == [[False, True, False], [False, False, True]]
    assert np.isfinite(why.expected).all()
    assert why.share[0, 1] == why.share[1, 2] == 0
    np.testing.assert_allclose(why.share.sum(axis=1), 1)
    assert np.isfinite(verdicts.score).all()


def test_an_anomaly_with_a_missing_metric_is_explained_by_the_others(bank: StreamBank) -> None:
    """The missing one has no share in it."""
    bank.start(ZERO, REFERENCE)
    verdicts = bank.advance(block(0, [[np.nan, 9.0, 0.5]]))
    assert verdicts.is_anomaly.tolist() == [Anomaly.YES]
    assert verdicts.explanations.share[0, 0] == 0
    assert verdicts.explanations.share.argmax() == 1


@pytest.mark.parametrize(("policy", "sees_the_whole"), [("clip", True), ("all", False)])
def test_a_burst_does_not_blind_a_clipped_threshold(
    bank: StreamBank, policy: Policy, sees_the_whole: bool
) -> None:
    """Entered whole, scores hide the end of their own burst; the next one is found either way."""
    bank.start(ZERO, replace(REFERENCE, policy=policy))
    values = _with_spikes(normal_values(140, seed=5), [*range(60, 70), 130])
    found = bank.advance(block(0, values)).is_anomaly == Anomaly.YES
    assert not found[:60].any()
    assert found[60]
    assert found[69] == sees_the_whole
    assert not found[70:130].any()
    assert found[130]


def test_options_differ_from_stream_to_stream(bank: StreamBank) -> None:
    """A stream's own z and policy judge it; its neighbour keeps the checkpoint's."""
    bank.start(np.array([0, 1]), REFERENCE)
    bank.configure(np.array([1]), replace(REFERENCE, z=1000.0, policy="exclude"))
    verdicts = bank.advance(block([0, 1], [[9.0, 9.0, 9.0]] * 2))
    assert verdicts.is_anomaly.tolist() == [Anomaly.YES, Anomaly.NO]
    assert verdicts.score[0] == pytest.approx(verdicts.score[1], rel=1e-5)


def test_impossible_options_leave_a_stream_as_it_was(bank: StreamBank) -> None:
    """Starting with an option out of its range is refused before anything is cleared."""
    bank.start(ZERO, REFERENCE)
    bank.advance(block(0, normal_values(5)))
    before = bank.inspect(ZERO)
    for wrong in (StreamOptions(z=-1.0), StreamOptions(sigma_floor=0.0)):
        with pytest.raises(ValueError, match="must be > 0"):
            bank.start(ZERO, wrong)
    assert all(np.array_equal(before[name], now) for name, now in bank.inspect(ZERO).items())


def test_a_slot_used_again_holds_nothing_of_the_stream_before(bank: StreamBank) -> None:
    """A stream in a used slot gets bit for bit what it gets in a new bank."""
    slots = np.array([3, 0])
    bank.start(np.arange(5), StreamOptions(z=1.5, policy="all"))
    old = block(
        np.arange(5).repeat(80),
        _with_spikes(normal_values(400), slice(0, None, 7)),
        seqs=np.arange(400),
    )
    bank.advance(old)
    fresh = StreamBank(make_checkpoint())
    observed = block([3, 0] * 70, normal_values(140, seed=2), times=range(1000, 1140))
    for one in (bank, fresh):
        one.start(slots, StreamOptions())
    verdicts, expected = bank.advance(observed), fresh.advance(observed)
    np.testing.assert_array_equal(verdicts.score, expected.score)
    np.testing.assert_array_equal(verdicts.threshold, expected.threshold)
    assert _phases(verdicts) == _phases(expected)
    left, right = bank.inspect(slots), fresh.inspect(slots)
    assert all(np.array_equal(left[name], right[name]) for name in left)


def test_what_is_known_of_a_stream_is_counted(bank: StreamBank) -> None:
    """Observations, anomalies, last time and seq, scores held: all as the verdicts said."""
    bank.start(ZERO, REFERENCE)
    values = _with_spikes(normal_values(12), [4, 8])
    bank.advance(block(0, values, times=range(100, 112), seqs=range(12)))
    known = {name: value.tolist() for name, value in bank.inspect(ZERO).items()}
    assert known["seen"] == [12]
    assert known["anomalies"] == [2]
    assert known["last_time"] == [111]
    assert known["last_seq"] == [11]
    assert known["scores_held"] == [212]
    assert known["phase"] == [Phase.LIVE]


def test_without_a_prediction_there_is_no_score(bank: StreamBank) -> None:
    """Where the scorer has nothing to compare with, score and verdict are unknown, none enters."""
    bank.start(ZERO, REFERENCE)
    bank._memory["started"][ZERO] = False
    held = bank.inspect(ZERO)["mean"][0]
    verdicts = bank.advance(block(0, np.full((1, bank.n_features), 0.5), explain=True))
    assert np.isnan(verdicts.score[0])
    assert np.isnan(verdicts.severity[0])
    assert verdicts.is_anomaly[0] == Anomaly.UNKNOWN
    assert len(verdicts.explanations.rows) == 0
    assert bank.inspect(ZERO)["mean"][0] == held


def test_bounds_may_differ_from_slot_to_slot() -> None:
    """Two streams on bounds of their own get the same verdicts for values that scale alike."""
    checkpoint = make_checkpoint()
    own = MinMaxScaler.from_spec(checkpoint.spec.scaler)
    scaler = MinMaxScaler(
        np.concatenate([own.minimum, 100 + own.minimum * 10]),
        np.concatenate([own.span, own.span * 10]),
        own.clip,
    )
    scale = np.repeat(checkpoint.residual_scale[None], 2, axis=0)
    bank = StreamBank(checkpoint, scaler, scale)
    bank.start(np.array([0, 1]), REFERENCE)
    values = np.random.default_rng(0).random((1, bank.n_features))
    verdicts = bank.advance(
        block([0, 1], np.concatenate([values, 100 + values * 10]), explain=True)
    )
    assert verdicts.score[0] == pytest.approx(verdicts.score[1], rel=1e-4)
    expected = verdicts.explanations.expected
    assert expected[1] == pytest.approx(100 + expected[0] * 10, rel=1e-4)
