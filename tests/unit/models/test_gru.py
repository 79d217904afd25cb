import numpy as np
import pytest
import torch

from models.base import Weights
from models.blocks import Float32
from models.gru import MAX_HIDDEN, GRUNetwork, GRUScorer
from models.spec import ScalerSpec, ScorerSpec, Spec

FEATURES, HIDDEN = 3, 5


def _spec(**sizes: int) -> Spec:
    bounds = ScalerSpec(minimum=[0.0] * FEATURES, maximum=[1.0] * FEATURES)
    return Spec(metrics=["a", "b", "c"], scaler=bounds, scorer=ScorerSpec(sizes=sizes))


@pytest.fixture
def network() -> GRUNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return GRUScorer.network(_spec(hidden=HIDDEN))


@pytest.fixture
def weights(network: GRUNetwork) -> Weights:
    return GRUScorer.weights_of(network)


@pytest.fixture
def x() -> Float32:
    return np.random.default_rng(1).uniform(-1, 2, (40, 2, FEATURES)).astype(np.float32)


def test_serving_predicts_what_the_trained_network_predicts(
    network: GRUNetwork, weights: Weights, x: Float32
) -> None:
    """The hand-written step expects for step t + 1 what the network made of steps 0 to t."""
    scorer = GRUScorer.build(_spec(hidden=HIDDEN), weights)
    prediction, _ = scorer.run(scorer.initial_state(2), x)
    with torch.inference_mode():
        trained = network(torch.from_numpy(x).transpose(0, 1)).transpose(0, 1).numpy()
    np.testing.assert_allclose(prediction.expected[1:], trained[:-1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prediction.residual, x - prediction.expected, atol=1e-6)


def test_only_the_first_step_has_nothing_to_compare_with(weights: Weights, x: Float32) -> None:
    """A stream that has seen nothing has no prediction yet; from the second step on it has."""
    scorer = GRUScorer.build(_spec(hidden=HIDDEN), weights)
    prediction, state = scorer.run(scorer.initial_state(2), x[:3])
    assert prediction.valid.tolist() == [[False, False], [True, True], [True, True]]
    prediction, _ = scorer.step(state, x[3])
    assert prediction.valid.tolist() == [True, True]


def test_running_over_nothing_changes_nothing(weights: Weights, x: Float32) -> None:
    """Zero steps give empty results and the same state."""
    scorer = GRUScorer.build(_spec(hidden=HIDDEN), weights)
    before = scorer.initial_state(2)
    prediction, state = scorer.run(before, x[:0])
    assert prediction.residual.shape == (0, 2, FEATURES)
    assert state["hidden"].tolist() == before["hidden"].tolist()
    assert not state["started"].any()


def test_weights_of_double_precision_are_taken(weights: Weights, x: Float32) -> None:
    """Weights handed over in float64 serve like the same ones in float32."""
    doubled = {name: weight.astype(np.float64) for name, weight in weights.items()}
    scorers = [GRUScorer.build(_spec(hidden=HIDDEN), w) for w in (weights, doubled)]  # type: ignore[arg-type]
    scores = [scorer.run(scorer.initial_state(2), x)[0].residual for scorer in scorers]
    np.testing.assert_array_equal(scores[0], scores[1])


def test_the_scorer_keeps_its_own_weights(weights: Weights, x: Float32) -> None:
    """What happens to the weights after building does not reach the scorer."""
    scorer = GRUScorer.build(_spec(hidden=HIDDEN), weights)
    before = scorer.run(scorer.initial_state(2), x)[0].residual
    for weight in weights.values():
        weight[...] = 0
    np.testing.assert_array_equal(scorer.run(scorer.initial_state(2), x)[0].residual, before)


def test_missing_unknown_or_misshapen_weights_are_refused(weights: Weights) -> None:
    """Building checks every name and shape."""
    spec = _spec(hidden=HIDDEN)
    without = {name: weight for name, weight in weights.items() if name != "head.bias"}
    misshapen = weights | {"head.bias": np.zeros(FEATURES + 1, np.float32)}
    for wrong in (without, weights | {"tail": weights["head.bias"]}, misshapen, {}):
        with pytest.raises(ValueError, match="weights do not fit the spec"):
            GRUScorer.build(spec, wrong)


@pytest.mark.parametrize(
    "sizes", [{}, {"hidden": 0}, {"hidden": -4}, {"hidden": MAX_HIDDEN + 1}, {"units": 8}]
)
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    """A size that is missing, unknown or out of range is named, before torch is asked."""
    with pytest.raises(ValueError, match=f"'hidden', from 1 to {MAX_HIDDEN}"):
        GRUScorer.network(_spec(**sizes))
    with pytest.raises(ValueError, match=f"'hidden', from 1 to {MAX_HIDDEN}"):
        GRUScorer.build(_spec(**sizes), {})
