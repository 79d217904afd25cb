import numpy as np
import pytest

from models.scoring import SCORINGS, scoring

SCALE = np.ones((1, 3), np.float32)


def test_mse_is_the_mean_of_squares() -> None:
    """The plain score averages squared residuals over the metrics, in float64."""
    residual = np.array([[1, 2, 2], [0, 0, 0]], np.float32)
    score = scoring("mse").score(residual, SCALE)
    assert score.dtype == np.float64
    assert score.tolist() == [3.0, 0.0]


def test_mse_of_large_residuals_does_not_overflow() -> None:
    """Squares are taken in float64, where those of every float32 fit."""
    residual = np.full((1, 3), 1e30, np.float32)
    np.testing.assert_allclose(scoring("mse").score(residual, SCALE), [1e60], rtol=1e-6)


@pytest.mark.parametrize("rule", sorted(SCORINGS))
def test_shares_sum_to_1(rule: str) -> None:
    """Every rule's contributions are shares >= 0 that sum to 1, or are all 0 for a zero score."""
    residual = np.array([[1, -2, 0.5], [0, 0, 0], [0, 1e-20, 0]], np.float32)
    shares = scoring(rule).contributions(residual, SCALE)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), [1.0, 0.0, 1.0], atol=1e-12)


@pytest.mark.parametrize("rule", sorted(SCORINGS))
def test_rules_take_empty_batches(rule: str) -> None:
    """No rows give no scores and no shares."""
    nothing = np.empty((0, 3), np.float32)
    assert scoring(rule).score(nothing, SCALE).shape == (0,)
    assert scoring(rule).contributions(nothing, SCALE).shape == (0, 3)


def test_the_largest_residual_has_the_largest_share() -> None:
    """Shares of mse go with the squares."""
    shares = scoring("mse").contributions(np.array([[1, 3, 0]], np.float32), SCALE)
    np.testing.assert_allclose(shares, [[0.1, 0.9, 0.0]])


def test_an_unknown_rule_is_refused() -> None:
    """The error names the rules there are."""
    with pytest.raises(ValueError, match=r"no scoring 'median'; there are: .*mse"):
        scoring("median")
