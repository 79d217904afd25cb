import numpy as np
import pytest

from models.blocks import Float32
from models.pca import PCAScorer
from tests.unit.models.solved import rows_of, spec_of

NAN = float("nan")


def solved(x: Float32) -> PCAScorer:
    spec = spec_of("pca", x.shape[1])
    return PCAScorer.build(spec, PCAScorer.solve(spec, x))


def in_a_plane(steps: int, seed: int = 0) -> Float32:
    """Draw observations of 10 metrics that lie in a plane, both directions of much variance."""
    scores = np.random.default_rng(seed).uniform(-1, 1, (steps, 2))
    return (0.4 + scores @ _DIRECTIONS).astype(np.float32)


_DIRECTIONS = np.random.default_rng(9).normal(0, 0.4, (2, 10))


def test_a_plane_by_hand() -> None:
    """With the diagonal of two metrics kept, the residual is half of their difference."""
    diagonal = np.full((1, 2), np.sqrt(0.5), np.float32)
    mean, shrinkage = np.array([1.0, 0.0], np.float32), np.array([0.01], np.float32)
    weights = {"mean": mean, "components": diagonal, "shrinkage": shrinkage}
    scorer = PCAScorer.build(spec_of("pca", 2), weights)
    prediction, state = scorer.step({}, np.array([[2.0, 1.0], [2.0, 0.0]], np.float32))
    np.testing.assert_allclose(prediction.expected, [[2.0, 1.0], [1.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(prediction.residual, [[0.0, 0.0], [0.5, -0.5]], atol=1e-6)
    assert prediction.valid.tolist() == [True, True]
    assert state == {}


def test_what_lies_in_the_subspace_is_given_back() -> None:
    """Trained on a plane, it reconstructs other points of that plane."""
    prediction, _ = solved(in_a_plane(400)).step({}, in_a_plane(50, seed=1))
    np.testing.assert_allclose(prediction.residual, 0, atol=2e-6)


def test_a_spike_off_the_subspace_shows_at_its_metric() -> None:
    """One metric that leaves the plane has the largest residual, whichever it is."""
    scorer, x = solved(in_a_plane(400)), in_a_plane(10, seed=1)
    x[np.arange(10), np.arange(10)] += 1.0
    residual = scorer.step({}, x)[0].residual
    assert np.abs(residual).argmax(axis=1).tolist() == list(range(10))
    assert (residual[np.arange(10), np.arange(10)] > 0.3).all()


def test_as_few_components_as_keep_four_fifths() -> None:
    """Variances 5, 3, 1 and 1 of independent metrics: two keep 80 %, and are these metrics."""
    generator = np.random.default_rng(0)
    raw = np.linalg.qr(generator.normal(size=(500, 5)) - 0)[0]
    raw -= raw.mean(axis=0)
    whitened = np.linalg.svd(raw, full_matrices=False)[0][:, :4]
    x = (whitened * np.sqrt([5.1, 3.0, 1.0, 1.0])).astype(np.float32)
    weights = PCAScorer.solve(spec_of("pca", 4), x)
    np.testing.assert_allclose(np.abs(weights["components"]), np.eye(4)[:2], atol=1e-4)
    # the two left out have variance 1
    np.testing.assert_allclose(weights["shrinkage"], [1 / 4.1, 1 / 2.0], rtol=1e-3)


def test_a_single_metric_has_a_residual() -> None:
    """Its one direction is left out: what it expects is the mean."""
    scorer = solved(np.array([[0.0], [1.0], [0.5]], np.float32))
    prediction, _ = scorer.step({}, np.array([[0.75], [NAN]], np.float32))
    assert prediction.expected.tolist() == [[0.5], [0.5]]
    assert prediction.residual.tolist() == [[0.25], [0.0]]


def test_constant_metrics_are_expected_to_stay() -> None:
    """Without variance there is no component; with some, a constant metric has no part in it."""
    x = np.full((300, 3), 0.25, np.float32)
    assert solved(x).step({}, x[:1] + 1)[0].residual.tolist() == [[1, 1, 1]]
    x[:, 0] = x[:, 2] = np.random.default_rng(0).uniform(0, 1, 300)
    jumped = x[:1] + np.array([[0, 1, 0]], np.float32)
    np.testing.assert_allclose(solved(x).step({}, jumped)[0].residual, [[0, 1, 0]], atol=1e-6)


def test_more_metrics_than_rows_keep_fewer_components_than_rows() -> None:
    """From 8 rows of 30 metrics at most 7 directions can be known."""
    x = np.random.default_rng(0).uniform(0, 1, (8, 30)).astype(np.float32)
    weights = PCAScorer.solve(spec_of("pca", 30), x)
    kept = weights["components"]
    assert 1 <= len(kept) <= 7
    np.testing.assert_allclose(kept @ kept.T, np.eye(len(kept)), atol=1e-5)
    prediction, _ = solved(x).step({}, x)
    assert np.square(prediction.residual).sum() < 0.21 * np.square(x - x.mean(axis=0)).sum()


def test_what_is_missing_is_expected_from_what_is_there() -> None:
    """In the plane, one or several missing values are found again from the others."""
    scorer, x = solved(in_a_plane(400)), in_a_plane(20, seed=1)
    gappy = x.copy()
    gappy[np.arange(20), np.arange(20) % 10] = gappy[::3, 4:8] = np.nan
    prediction, _ = scorer.run({}, gappy.reshape(5, 4, 10))
    np.testing.assert_allclose(prediction.expected.reshape(20, 10), x, atol=1e-3)
    assert not prediction.residual.reshape(20, 10)[np.isnan(gappy)].any()
    np.testing.assert_allclose(prediction.residual, 0, atol=1e-3)


def test_the_expectation_of_a_gap_is_the_conditional_mean() -> None:
    """It is that of the normal distribution with the covariance probabilistic PCA fits."""
    generator = np.random.default_rng(0)
    wide = generator.normal(size=(500, 4)) @ generator.normal(size=(4, 4))
    x: Float32 = (0.1 * wide).astype(np.float32)
    spec = spec_of("pca", 4)
    weights = PCAScorer.solve(spec, x)
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True).astype(np.float64))
    n_kept = len(weights["components"])
    noise = values[: 4 - n_kept].mean()
    kept = vectors[:, 4 - n_kept :]
    covariance = kept @ np.diag(values[4 - n_kept :] - noise) @ kept.T + noise * np.eye(4)
    there, gap, mean = [0, 2, 3], 1, x.mean(axis=0)
    slope = np.linalg.solve(covariance[np.ix_(there, there)], covariance[there, gap])
    row = x[:1].copy()
    row[0, gap] = np.nan
    expected = mean[gap] + (row[0, there] - mean[there]) @ slope
    found = PCAScorer.build(spec, weights).step({}, row)[0].expected[0, gap]
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_row_without_values_is_expected_at_the_mean() -> None:
    """Where nothing is known the mean of the training data stands."""
    scorer, x = solved(in_a_plane(400)), np.full((2, 1, 10), np.nan, np.float32)
    prediction, _ = scorer.run({}, x)
    np.testing.assert_allclose(
        prediction.expected[:, 0], [in_a_plane(400).mean(axis=0)] * 2, rtol=1e-5
    )
    assert not prediction.residual.any()


def test_equal_variances_give_finite_weights() -> None:
    """What is left out has the variance of what is kept: a gap is expected at about the mean."""
    x = rows_of([1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0])[:, 0]
    weights = PCAScorer.solve(spec_of("pca", 2), x)
    assert all(np.isfinite(one).all() for one in weights.values())
    prediction, _ = solved(x).step({}, np.array([[0.5, NAN]], np.float32))
    assert abs(float(prediction.expected[0, 1])) < 1e-3


@pytest.mark.parametrize("part", ["mean", "components", "shrinkage"])
def test_weights_that_do_not_fit_are_refused(part: str) -> None:
    """Each must be there and as long as the others."""
    spec, weights = spec_of("pca", 10), PCAScorer.solve(spec_of("pca", 10), in_a_plane(400))
    shorter, flat = weights[part][..., :-1], np.array(1, np.float32)
    for broken in ({part: shorter}, {part: flat}, {"more": weights[part]}):
        with pytest.raises(ValueError, match="weights do not fit the spec"):
            PCAScorer.build(spec, weights | broken)
    del weights[part]
    with pytest.raises(ValueError, match="weights do not fit the spec"):
        PCAScorer.build(spec, weights)
