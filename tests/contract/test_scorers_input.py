"""What every scorer of the registry makes of missing values, and what it refuses to be given."""

import numpy as np
import pytest

from models.base import Scorer
from tests.contract.scorers import FEATURES, RECONSTRUCTING, assert_close, assert_same, draw


@pytest.mark.parametrize("steps_before", [0, 12])
def test_missing_values_are_replaced_by_the_expectation(scorer: Scorer, steps_before: int) -> None:
    """Where x is NaN the residual is 0 and the stream goes on as if the expected had come."""
    _, state = scorer.run(scorer.initial_state(2), draw(steps_before, 2, FEATURES))
    x = draw(2, FEATURES, seed=4)
    x[0, 1] = np.nan
    missing = np.isnan(x)
    prediction, after = scorer.step(state, x)
    filled = np.where(missing, prediction.expected, x)
    reference, after_filled = scorer.step(state, filled)
    assert prediction.residual[0, 1] == 0
    assert_close(prediction.residual, np.where(missing, 0, reference.residual))
    assert_close(prediction.expected[~missing], reference.expected[~missing])
    assert_same(after, after_filled)


def test_a_forecast_does_not_know_what_comes(name: str, scorer: Scorer) -> None:
    """What is expected is the same whatever is observed, missing or not; not by reconstruction."""
    _, state = scorer.run(scorer.initial_state(2), draw(12, 2, FEATURES))
    x = draw(2, FEATURES, seed=4)
    gappy = x.copy()
    gappy[0, 1] = np.nan
    expected = scorer.step(state, x)[0].expected
    others = [scorer.step(state, other)[0].expected for other in (gappy, x + 1)]
    is_same = all(np.allclose(expected, other, rtol=1e-4, atol=1e-6) for other in others)
    assert is_same == (name not in RECONSTRUCTING)


def test_nothing_observed_at_all_leaves_no_residual(scorer: Scorer) -> None:
    """Rows without any value, the first of a stream too, have expectations and residuals of 0."""
    x = draw(9, 2, FEATURES)
    x[[0, 1, 5]] = np.nan
    prediction, _ = scorer.run(scorer.initial_state(2), x)
    assert np.isfinite(prediction.expected).all()
    assert np.isfinite(prediction.residual).all()
    assert not prediction.residual[[0, 1, 5]].any()


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (2, 4), (2, 2, 3), (1, 2, 3)])
def test_a_wrong_shape_of_x_is_refused_by_step(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """For a state of two streams, a step takes `[2, F]` and nothing else."""
    with pytest.raises(ValueError, match="does not fit"):
        scorer.step(scorer.initial_state(2), np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (5, 2, 2), (5, 2, 2, 3)])
def test_a_wrong_shape_of_x_is_refused_by_run(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """For a state of two streams, a run takes `[T, 2, F]` and nothing else."""
    with pytest.raises(ValueError, match="does not fit"):
        scorer.run(scorer.initial_state(2), np.zeros(shape, np.float32))


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_more_or_fewer_rows_than_streams_are_refused(scorer: Scorer, batch: int) -> None:
    """For a state of two streams a row each is taken; what remembers nothing can't tell."""
    if not scorer.state_layout:
        return
    for method, shape in ((scorer.step, (batch, 3)), (scorer.run, (5, batch, 3))):
        with pytest.raises(ValueError, match="does not fit"):
            method(scorer.initial_state(2), np.zeros(shape, np.float32))


def test_a_wrong_shape_of_the_state_is_refused(scorer: Scorer) -> None:
    """Each part of the state must be as long as x."""
    for part in scorer.state_layout:
        broken = scorer.initial_state(2) | {part: scorer.initial_state(3)[part]}
        with pytest.raises(ValueError, match="does not fit"):
            scorer.step(broken, draw(2, FEATURES))
