import numpy as np
import pytest

from models.blocks import Float32, Float64
from models.var import GRID, VARScorer
from tests.unit.models.solved import flat, rows_of, spec_of

NAN = float("nan")
MATRIX = np.array([[0.6, 0.2, 0.0], [-0.3, 0.5, 0.1], [0.0, 0.0, 0.9]])
INTERCEPT = np.array([0.1, 0.0, -0.05])


def simulated(steps: int, sigma: float = 0.1, seed: int = 0) -> Float32:
    """Simulate the process with MATRIX and INTERCEPT, `[T, 3]`."""
    noise = np.random.default_rng(seed).normal(0, sigma, (steps, 3))
    x = np.zeros((steps, 3))
    for t in range(1, steps):
        x[t] = MATRIX @ x[t - 1] + INTERCEPT + noise[t]
    return x.astype(np.float32)


def built(matrix: Float64, intercept: Float64) -> VARScorer:
    weights = {"start": np.zeros(len(matrix)), "matrix": matrix, "intercept": intercept}
    spec = spec_of("var", len(matrix))
    return VARScorer.build(spec, {name: one.astype(np.float32) for name, one in weights.items()})


def test_a_step_by_hand() -> None:
    """The matrix meets the last vector, row by row, and the intercept is added."""
    scorer = built(np.array([[1.0, 0.5], [0.0, 2.0]]), np.array([0.25, -1.0]))
    prediction, state = scorer.run(scorer.initial_state(1), rows_of([1.0, 0.5], [1.0, 1.0]))
    assert prediction.expected[:, 0].tolist() == [[0.25, -1.0], [1.5, 0.0]]
    assert prediction.residual[1, 0].tolist() == [-0.5, 1.0]
    assert prediction.valid[:, 0].tolist() == [False, True]
    assert state["vector"].tolist() == [[1.0, 1.0]]


def test_the_matrix_of_a_simulated_process_is_found() -> None:
    """From many rows, matrix and intercept are those that made them, within sampling error."""
    weights = VARScorer.solve(spec_of("var", 3), simulated(40_000))
    np.testing.assert_allclose(weights["matrix"], MATRIX, atol=0.02)
    np.testing.assert_allclose(weights["intercept"], INTERCEPT, atol=0.02)


def test_the_penalty_is_that_of_the_least_error_on_the_last_fifth() -> None:
    """The grid is fitted on four fifths, judged on the last, and the best fitted on all."""
    x = np.random.default_rng(3).normal(0, 0.3, (60, 20)).astype(np.float32)
    x[:, 0] = np.linspace(0, 1, 60)
    wide = x.astype(np.float64)
    split = 59 - 59 // 5
    errors = []
    for penalty in GRID:
        matrix, intercept = _by_lstsq(wide[:split], wide[1 : split + 1], penalty)
        errors.append(np.square(wide[split:-1] @ matrix.T + intercept - wide[split + 1 :]).mean())
    best = int(np.argmin(errors))
    assert 0 < best < len(GRID) - 1
    matrix, intercept = _by_lstsq(wide[:-1], wide[1:], GRID[best])
    weights = VARScorer.solve(spec_of("var", 20), x)
    np.testing.assert_allclose(weights["matrix"], matrix, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights["intercept"], intercept, rtol=1e-4, atol=1e-6)


def _by_lstsq(last: Float64, following: Float64, penalty: float) -> tuple[Float64, Float64]:
    """Do the ridge regression as least squares with rows of the penalty's root appended."""
    centred, features = last - last.mean(axis=0), last.shape[1]
    root = np.sqrt(penalty * np.square(centred).sum() / features)
    rows = np.concatenate([centred, root * np.eye(features)])
    wanted = np.concatenate([following - following.mean(axis=0), np.zeros((features, features))])
    matrix = np.linalg.lstsq(rows, wanted)[0].T
    return matrix, following.mean(axis=0) - matrix @ last.mean(axis=0)


def test_more_metrics_than_rows_give_finite_weights() -> None:
    """The penalty makes the regression solvable, and what is expected stays moderate."""
    x = np.random.default_rng(4).uniform(0, 1, (12, 50)).astype(np.float32)
    scorer = VARScorer.build(spec_of("var", 50), VARScorer.solve(spec_of("var", 50), x))
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    assert np.isfinite(prediction.residual).all()
    assert np.abs(prediction.residual[1:]).max() < 1.5


@pytest.mark.parametrize("n_features", [1, 3])
def test_constant_metrics_are_expected_to_stay(n_features: int) -> None:
    """Without any variance the mean is expected, and a jump is a residual as large as itself."""
    x = np.full((300, n_features), 0.25, np.float32)
    weights = VARScorer.solve(spec_of("var", n_features), x)
    assert not weights["matrix"].any()
    scorer = VARScorer.build(spec_of("var", n_features), weights)
    prediction, _ = scorer.run(scorer.initial_state(1), np.stack([x[:1], x[:1] + 1, x[:1] + 1]))
    np.testing.assert_allclose(prediction.residual[1:], 1.0)


def test_a_constant_metric_says_nothing_of_others() -> None:
    """Its column is zero, so that it can leave its place without moving what is expected."""
    x = simulated(500)
    x[:, 1] = 0.5
    weights = VARScorer.solve(spec_of("var", 3), x)
    assert not weights["matrix"][:, 1].any()


def test_a_gap_is_filled_by_expectation_after_expectation() -> None:
    """Through a gap of three steps one metric goes its expected way, the other is observed."""
    scorer = built(np.array([[0.5, 0.5], [0.0, 1.0]]), np.zeros(2))
    x = rows_of([1.0, 0.0], [NAN, 1.0], [NAN, 1.0], [NAN, NAN], [0.0, 0.0])
    prediction, _ = scorer.run(scorer.initial_state(1), x)
    expected = [[0, 0], [0.5, 0], [0.75, 1], [0.875, 1], [0.9375, 1]]
    assert prediction.expected[:, 0].tolist() == expected
    assert prediction.residual[:, 0].tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [-0.9375, -1]]


def test_an_unstable_matrix_stays_in_the_clip_range() -> None:
    """Expectations that stand in for a thousand missing rows do not leave what can be observed."""
    scorer = built(np.array([[1.5]]), np.array([0.1]))
    x = np.full((1000, 1, 1), np.nan, np.float32)
    prediction, state = scorer.run(scorer.initial_state(1), x)
    assert prediction.expected.max() == 3
    assert flat(state["vector"]) == [3]


def test_too_few_rows_are_told() -> None:
    """Three rows can't be split into pairs to fit and a pair to choose by."""
    with pytest.raises(ValueError, match="3 rows are too few for a var; at least 4 needed"):
        VARScorer.solve(spec_of("var", 1), np.zeros((3, 1), np.float32))
    assert VARScorer.solve(spec_of("var", 1), np.zeros((4, 1), np.float32))["matrix"] == 0
