import numpy as np
import pytest

from models.blocks import Float32, Float64
from models.spec import TailSpec, ThresholdSpec
from models.tail import JOINED_STEPS, MIN_CLUSTERS
from models.tail_fit import rolling_sigmas, tail_of

EVERY = 40
"""Steps between the begins of two clusters of two scores: 5 % lie in the tail."""


def pareto(size: int, shape: float, mean: float, seed: int) -> Float64:
    """Draw from the generalised Pareto distribution of this shape and mean."""
    uniform = np.random.default_rng(seed).uniform(size=size)
    scale = mean * (1 - shape)
    drawn: Float64 = (
        -scale * np.log(uniform) if shape == 0 else scale / shape * (uniform**-shape - 1)
    )
    return drawn


def clustered(clusters: int, shape: float, mean: float, seed: int = 0) -> Float64:
    """Draw scores below 1, and clusters of two above it, of which the second is half as high."""
    sigmas = np.random.default_rng(seed + 1).uniform(-1.0, 1.0, clusters * EVERY)
    excess = pareto(clusters, shape, mean, seed)
    sigmas[::EVERY], sigmas[1::EVERY] = 1 + excess, 1 + excess / 2
    return sigmas


def found(sigmas: Float64) -> TailSpec:
    tail = tail_of(sigmas)
    assert tail is not None
    return tail


@pytest.mark.parametrize("mean", [0.5, 4.0])
@pytest.mark.parametrize("shape", [0.0, 0.2, 0.35])
def test_the_distribution_of_simulated_clusters_is_found(shape: float, mean: float) -> None:
    """Shape, mean excess, gap, and where the tail begins, of four thousand clusters."""
    tail = found(clustered(4000, shape, mean))
    assert tail.shape == pytest.approx(shape, abs=0.06)
    assert tail.excess == pytest.approx(mean, rel=0.06)
    assert tail.start == pytest.approx(1.0, abs=0.01)
    assert tail.gap == pytest.approx(EVERY, rel=0.01)
    assert tail.clusters == pytest.approx(4000, abs=20)


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.35])
def test_a_few_hundred_clusters_tell_it_roughly(shape: float) -> None:
    """On average over many samples the estimate is not off, though each one scatters."""
    shapes = [found(clustered(300, shape, 1.0, seed)).shape for seed in range(40)]
    assert np.mean(shapes) == pytest.approx(shape, abs=0.05)
    assert np.std(shapes) < 0.15


@pytest.mark.parametrize(("shape", "told"), [(-2.0, -0.1), (0.95, 0.5)])
def test_a_shape_beyond_what_scores_are_like_is_cut(shape: float, told: float) -> None:
    """At either end."""
    assert found(clustered(2000, shape, 1.0)).shape == told


def test_exceedances_close_to_one_another_are_one_cluster() -> None:
    """Up to ten steps apart; only the highest of them counts."""
    for apart, clusters in ((JOINED_STEPS, 20), (JOINED_STEPS + 1, 40)):
        sigmas = np.zeros(2000)
        first = np.arange(0, 2000, 100)
        sigmas[first], sigmas[first + apart] = 2.0, 6.0
        tail = found(sigmas)
        assert (tail.clusters, tail.gap) == (clusters, 2000 / clusters)
        assert tail.excess + tail.start == pytest.approx(6.0 if clusters == 20 else 4.0)


def test_too_few_clusters_say_nothing() -> None:
    """Nor do no scores at all, nor scores of which none is higher than the others."""
    assert tail_of(np.empty(0)) is None
    assert tail_of(np.zeros(1000)) is None
    assert tail_of(clustered(MIN_CLUSTERS - 1, 0.0, 1.0)) is None
    assert tail_of(clustered(MIN_CLUSTERS, 0.0, 1.0)) is not None


def test_a_tail_begins_above_the_mean_though_nearly_all_scores_lie_below() -> None:
    """Rare spikes on a constant: z must not be at or below the mean, where usual scores are."""
    scores = np.zeros(4000, np.float32)
    scores[::50] = np.random.default_rng(0).exponential(1.0, 80) + 1
    sigmas = rolling_sigmas(scores, ThresholdSpec(window=400))
    assert np.quantile(sigmas, 0.95) < 0
    assert found(sigmas).start == 0.1


@pytest.mark.parametrize(("window", "min_scores"), [(50, 10), (10, 10), (1000, 100)])
def test_sigmas_are_those_of_the_window_before_each_score(window: int, min_scores: int) -> None:
    """As numpy computes them; the scores that the window needs first are left out."""
    scores = np.random.default_rng(3).exponential(1.0, 400).astype(np.float32)
    sigmas = rolling_sigmas(scores, ThresholdSpec(window=window, min_scores=min_scores))
    expected = [held_against(scores, at, window) for at in range(min_scores, len(scores))]
    np.testing.assert_allclose(sigmas, expected, rtol=1e-9)


def held_against(scores: Float32, at: int, window: int) -> float:
    before = scores[max(at - window, 0) : at].astype(np.float64)
    return float((scores[at] - before.mean()) / before.std())


def test_constant_scores_have_sigmas_all_the_same() -> None:
    """The floor of sigma keeps them finite."""
    sigmas = rolling_sigmas(np.full(300, 0.5, np.float32), ThresholdSpec())
    assert sigmas.tolist() == [0.0] * 200
    assert rolling_sigmas(np.empty(0, np.float32), ThresholdSpec()).tolist() == []
