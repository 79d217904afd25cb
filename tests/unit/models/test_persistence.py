import numpy as np
import pytest

from models.base import Weights
from models.persistence import PersistenceScorer
from tests.unit.models.solved import flat, rows_of, spec_of

NAN = float("nan")
_ZEROS = np.zeros(2, np.float32)


def one_metric() -> PersistenceScorer:
    """Expects 0.5 to begin with."""
    return PersistenceScorer.build(
        spec_of("persistence", 1), {"start": np.array([0.5], np.float32)}
    )


def test_each_value_is_expected_to_stay() -> None:
    """What is expected is the value before; the first has nothing before it."""
    scorer = one_metric()
    prediction, state = scorer.run(scorer.initial_state(1), rows_of(1.0, 0.25, 2.0))
    assert flat(prediction.expected) == [0.5, 1.0, 0.25]
    assert flat(prediction.residual) == [0.5, -0.75, 1.75]
    assert prediction.valid[:, 0].tolist() == [False, True, True]
    assert flat(state["vector"]) == [2.0]
    assert state["started"].tolist() == [True]


def test_a_value_is_carried_over_gaps() -> None:
    """Gaps of any length, at the beginning and the end too, hold the value before them."""
    scorer = one_metric()
    x = rows_of(NAN, NAN, 1.0, NAN, NAN, 0.0, NAN)
    prediction, state = scorer.run(scorer.initial_state(1), x)
    assert flat(prediction.expected) == [0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 0.0]
    assert flat(prediction.residual) == [0.0, 0.0, 0.5, 0.0, 0.0, -1.0, 0.0]
    assert flat(state["vector"]) == [0.0]


def test_metrics_are_carried_apart() -> None:
    """A gap in one metric does not hold another, nor one stream another."""
    spec = spec_of("persistence", 2)
    scorer = PersistenceScorer.build(spec, {"start": np.zeros(2, np.float32)})
    x = np.array([[[1, 2], [3, 4]], [[NAN, 5], [6, NAN]], [[7, 8], [9, 10]]], np.float32)
    prediction, _ = scorer.run(scorer.initial_state(2), x)
    assert prediction.expected[2].tolist() == [[1, 5], [6, 4]]


def test_the_mean_of_the_training_data_is_expected_first() -> None:
    """All there is to solve for is the mean, exact in float32 for long data too."""
    x = np.tile(np.array([[1.0, -3.0], [2.0, 3.0]], np.float32), (50_000, 1))
    weights = PersistenceScorer.solve(spec_of("persistence", 2), x)
    assert weights["start"].tolist() == [1.5, 0.0]
    assert weights["start"].dtype == np.float32


def test_a_run_over_nothing_changes_nothing() -> None:
    """No observations: no predictions, and the stream has still seen nothing."""
    scorer = one_metric()
    prediction, state = scorer.run(scorer.initial_state(1), np.zeros((0, 1, 1), np.float32))
    assert prediction.residual.shape == (0, 1, 1)
    assert flat(state["vector"]) == [0.5]
    assert state["started"].tolist() == [False]


@pytest.mark.parametrize("weights", [{}, {"start": _ZEROS}, {"mean": _ZEROS[:1]}])
def test_weights_that_do_not_fit_are_refused(weights: Weights) -> None:
    """A missing, longer or unknown weight is told."""
    with pytest.raises(ValueError, match=r"weights do not fit the spec: .*expected .*start"):
        PersistenceScorer.build(spec_of("persistence", 1), weights)
