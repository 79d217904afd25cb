import numpy as np
import pytest

from models.blocks import Float32, Float64
from models.ewma import GRID, EWMAScorer
from tests.unit.models.solved import flat, rows_of, spec_of

NAN = float("nan")


def built(*weight: float, start: float = 0.5) -> EWMAScorer:
    """Build a scorer with these weights, one a metric."""
    size = len(weight)
    weights = {"start": np.full(size, start, np.float32), "weight": np.array(weight, np.float32)}
    return EWMAScorer.build(spec_of("ewma", size), weights)


def looped(weight: Float32, start: float, x: Float32) -> Float64:
    """Give what is expected of each observation of one stream, `[T, F]`, by the definition."""
    expected: Float64 = np.zeros(x.shape)
    for metric in range(x.shape[1]):
        level, is_first = start, True
        for t, value in enumerate(x[:, metric].tolist()):
            expected[t, metric] = level
            if not np.isnan(value):
                level = value if is_first and t == 0 else level + weight[metric] * (value - level)
            is_first = False
    return expected


def test_a_level_by_hand() -> None:
    """The first value is the level; then the level moves by a quarter of each error."""
    scorer = built(0.25)
    prediction, state = scorer.run(scorer.initial_state(1), rows_of(1.0, 2.0, NAN, 0.25))
    assert flat(prediction.expected) == [0.5, 1.0, 1.25, 1.25]
    assert flat(prediction.residual) == [0.5, 1.0, 0.0, -1.0]
    assert prediction.valid[:, 0].tolist() == [False, True, True, True]
    assert flat(state["vector"]) == [1.0]


@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65, 129, 1000])
@pytest.mark.parametrize("share_missing", [0.0, 0.3, 0.97])
def test_a_run_is_the_plain_loop(steps: int, share_missing: float) -> None:
    """Over several blocks, with gaps anywhere, every level is that of the definition."""
    generator = np.random.default_rng(steps)
    weight = np.array([0.01, 0.3, 0.9, 1.0], np.float32)
    x = generator.uniform(-3, 3, (steps, 4)).astype(np.float32)
    x[generator.random(x.shape) < share_missing] = np.nan
    scorer = built(*weight.tolist())
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    expected = looped(weight, 0.5, x)
    np.testing.assert_allclose(prediction.expected[:, 0], expected, rtol=1e-5, atol=3e-6)


def test_a_stream_goes_on_where_its_level_was() -> None:
    """Only the first observation of all sets the level, not the first of each run."""
    scorer = built(0.5)
    _, state = scorer.run(scorer.initial_state(1), rows_of(1.0))
    prediction, _ = scorer.run(state, rows_of(3.0, 0.0))
    assert flat(prediction.expected) == [1.0, 2.0]


def test_each_metric_gets_the_weight_that_forecasts_it_best() -> None:
    """A random walk wants its last value, noise its mean, noise on a walk something between."""
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 0.1, (3, 4000))
    walk = np.cumsum(generator.normal(0, 0.01, 4000))
    x = np.stack([np.cumsum(noise[0]), noise[1], walk + 0.3 * noise[2]], axis=1)
    weight = EWMAScorer.solve(spec_of("ewma", 3), x.astype(np.float32))["weight"]
    # of a walk seen through noise: sigma 0.01 against 0.03, Muth (1960): a weight of 0.28
    assert (weight[0], weight[2]) == (1.0, np.float32(0.3))
    assert weight[1] < 0.03


def test_the_weight_is_that_of_the_least_squared_error() -> None:
    """Errors are those of a plain loop, the first observation left out."""
    x = np.random.default_rng(1).normal(0, 0.3, (300, 2)).cumsum(axis=0).astype(np.float32)
    x[:, 1] += np.random.default_rng(2).normal(0, 0.5, 300)
    errors = [
        np.square((x - looped(np.full(2, weight, np.float32), 0.0, x))[1:]).sum(axis=0)
        for weight in GRID
    ]
    weights = EWMAScorer.solve(spec_of("ewma", 2), x)
    best = np.array(GRID, np.float32)[np.argmin(errors, axis=0)]
    np.testing.assert_array_equal(weights["weight"], best)
    np.testing.assert_allclose(weights["start"], x.mean(axis=0), rtol=1e-5)


def test_a_constant_metric_keeps_its_level() -> None:
    """All weights forecast it as well: the slowest one is taken, and a jump stays a surprise."""
    weights = EWMAScorer.solve(spec_of("ewma", 1), np.full((400, 1), 0.25, np.float32))
    assert weights["weight"].tolist() == [np.float32(GRID[0])]
    scorer = EWMAScorer.build(spec_of("ewma", 1), weights)
    prediction, _ = scorer.run(scorer.initial_state(1), rows_of(0.25, 0.25, 1.0, 1.0, 1.0))
    assert (prediction.residual[2:] > 0.7).all()
