import numpy as np
import pytest

from models.scoring import SCALE_FLOOR, SCORINGS, residual_scale, scoring
from models.spec import ScoringSpec

MSE = ScoringSpec(rule="mse")
SCALE = np.ones((1, 3), np.float32)


def test_mse_is_the_mean_of_squares() -> None:
    """The plain score averages squared residuals over the metrics, in float64."""
    residual = np.array([[1, 2, 2], [0, 0, 0]], np.float32)
    score = scoring(MSE).score(residual, SCALE)
    assert score.dtype == np.float64
    assert score.tolist() == [3.0, 0.0]


def test_mse_of_large_residuals_does_not_overflow() -> None:
    """Squares are taken in float64, where those of every float32 fit."""
    residual = np.full((1, 3), 1e30, np.float32)
    np.testing.assert_allclose(scoring(MSE).score(residual, SCALE), [1e60], rtol=1e-6)


@pytest.mark.parametrize("rule", sorted(SCORINGS))
def test_shares_sum_to_1(rule: str) -> None:
    """Every rule's contributions are shares >= 0 that sum to 1, or are all 0 for a zero score."""
    residual = np.array([[1, -2, 0.5], [0, 0, 0], [0, 1e-20, 0]], np.float32)
    shares = scoring(ScoringSpec(rule=rule)).contributions(residual, SCALE)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), [1.0, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("rule", sorted(SCORINGS))
def test_rules_take_empty_batches(rule: str) -> None:
    """No rows give no scores and no shares."""
    nothing = np.empty((0, 3), np.float32)
    assert scoring(ScoringSpec(rule=rule)).score(nothing, SCALE).shape == (0,)
    assert scoring(ScoringSpec(rule=rule)).contributions(nothing, SCALE).shape == (0, 3)


def test_the_largest_residual_has_the_largest_share() -> None:
    """Shares of mse go with the squares."""
    shares = scoring(MSE).contributions(np.array([[1, 3, 0]], np.float32), SCALE)
    np.testing.assert_allclose(shares, [[0.1, 0.9, 0.0]])


def test_an_unknown_rule_is_refused() -> None:
    """The error names the rules there are."""
    with pytest.raises(ValueError, match=r"no scoring 'median'; there are: .*mse"):
        scoring(ScoringSpec(rule="median"))


def test_standardised_averages_magnitudes_in_sigmas() -> None:
    """Each residual counts in its own sigmas."""
    rule = scoring(ScoringSpec(rule="standardised"))
    residual, scale = np.array([[1, -4, 0]], np.float32), np.array([[1, 2, 5]], np.float32)
    assert rule.score(residual, scale).tolist() == [1.0]
    np.testing.assert_allclose(rule.contributions(residual, scale), [[1 / 3, 2 / 3, 0]])


def test_top_counts_only_the_largest() -> None:
    """Two of three metrics make the score and share it; the third has no share."""
    rule = scoring(ScoringSpec(rule="top", top=2))
    residual = np.array([[0.5, -4, 2]], np.float32)
    assert rule.score(residual, SCALE).tolist() == [3.0]
    np.testing.assert_allclose(rule.contributions(residual, SCALE), [[0, 2 / 3, 1 / 3]])
    assert residual.tolist() == [[0.5, -4, 2]]


def test_top_of_few_metrics_is_their_mean() -> None:
    """Where there are no more metrics than count, all do."""
    residual = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    plain = scoring(ScoringSpec(rule="standardised")).score(residual, SCALE)
    for count in (3, 8):
        top = scoring(ScoringSpec(rule="top", top=count)).score(residual, SCALE)
        np.testing.assert_allclose(top, plain)


def test_the_scale_is_sigma_and_ignores_a_burst() -> None:
    """Of normal residuals it is their sigma; a burst moves it little where it moves sigma far."""
    residual = np.random.default_rng(0).normal(0, 0.1, (20_000, 2)).astype(np.float32)
    np.testing.assert_allclose(residual_scale(residual), 0.1, rtol=0.05)
    residual[:50, 0] = 30.0
    assert residual[:, 0].std() > 1
    np.testing.assert_allclose(residual_scale(residual), 0.1, rtol=0.15)


def test_the_scale_has_a_floor() -> None:
    """A metric that never moved is not divided by nothing."""
    assert residual_scale(np.zeros((100, 1), np.float32)).tolist() == [np.float32(SCALE_FLOOR)]
