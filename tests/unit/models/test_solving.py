from pathlib import Path

import numpy as np
import pytest

from models import registry
from models.bank import StreamBank
from models.base import is_solved
from models.blocks import Anomaly, Float64
from models.checkpoint import Checkpoint
from models.epochs import FitError, FitOptions, Progress
from models.fit import fit
from models.options import StreamOptions
from models.scaler import MinMaxScaler
from models.spec import ScorerSpec
from tests.fakes import block

SOLVED = sorted(name for name in registry.SCORERS if is_solved(registry.scorer_class(name)))
METRICS = ["flow", "pressure", "idle"]


@pytest.fixture
def values() -> Float64:
    """Two metrics with one cause and one that stands still."""
    steps = np.arange(400)
    noise = np.random.default_rng(0).normal(0, 0.05, (400, 2))
    wave = 10 * np.sin(steps / 9.0)[:, None] + noise
    return np.column_stack([wave, np.full(400, 7.0)])


def options(name: str, **more: object) -> FitOptions:
    return FitOptions(scorer=ScorerSpec(name=name, sizes={}), **more)  # type: ignore[arg-type]


def test_the_baselines_are_solved() -> None:
    """None of them is trained in epochs."""
    assert {"ewma", "pca", "persistence", "var"} <= set(SOLVED)
    assert "gru" not in SOLVED


@pytest.mark.parametrize("name", SOLVED)
def test_facts_hold_the_errors_of_both_parts(name: str, values: Float64) -> None:
    """No epochs; losses are mean squared residuals, where there was a prediction."""
    checkpoint = fit(values, METRICS, options(name, source="plant.csv", seed=5))
    facts = checkpoint.spec.training
    assert (facts.epochs, facts.best_epoch, facts.seed, facts.rows) == (0, 0, 5, 400)
    assert facts.source == "plant.csv"
    scorer = registry.build(checkpoint.spec, checkpoint.weights)
    x = MinMaxScaler.from_spec(checkpoint.spec.scaler).scale(values)
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    squares = np.square(prediction.residual[:, 0].astype(np.float64)).mean(axis=1)
    began = 0 if name == "pca" else 1
    assert facts.train_loss == pytest.approx(squares[began:320].mean(), rel=1e-4)
    assert facts.validation_loss == pytest.approx(squares[320:].mean(), rel=1e-4)


@pytest.mark.parametrize("name", SOLVED)
def test_the_held_out_part_has_no_say_in_the_weights(name: str, values: Float64) -> None:
    """Other rows behind the first 80 % give the same weights, bit for bit."""
    other = values.copy()
    other[320:] = values[:80]
    ones, others = (fit(rows, METRICS, options(name)).weights for rows in (values, other))
    assert {part: one.tobytes() for part, one in ones.items()} == {
        part: one.tobytes() for part, one in others.items()
    }


@pytest.mark.parametrize("name", SOLVED)
@pytest.mark.parametrize("n_metrics", [1, 2, 3])
def test_a_single_and_a_constant_metric_can_be_saved(
    name: str, n_metrics: int, values: Float64, tmp_path: Path
) -> None:
    """Whatever is constant or alone, the checkpoint is sound and has the scorer's weights."""
    chosen = values[:, 3 - n_metrics :]
    saved = fit(chosen, METRICS[3 - n_metrics :], options(name)).save(tmp_path / "new")
    loaded = Checkpoint.load(tmp_path / "new")
    assert loaded.spec.content_hash == saved.spec.content_hash
    assert {part: one.shape for part, one in loaded.weights.items()} == {
        part: one.shape for part, one in saved.weights.items()
    }


@pytest.mark.parametrize("name", SOLVED)
def test_more_metrics_than_rows_can_be_fitted(name: str) -> None:
    """A wide recording gives finite losses."""
    values = np.random.default_rng(0).uniform(0, 1, (310, 400))
    facts = fit(values, [f"m{at}" for at in range(400)], options(name)).spec.training
    assert 0 < facts.validation_loss < 1


@pytest.mark.parametrize("name", SOLVED)
def test_sizes_are_refused(name: str, values: Float64) -> None:
    """A size is told to belong to another scorer, when training and when building."""
    sized = ScorerSpec(name=name, sizes={"hidden": 8})
    with pytest.raises(FitError, match=f"'{name}' takes no sizes; given: .*hidden"):
        fit(values, METRICS, FitOptions(scorer=sized))


def test_progress_is_told_once(values: Float64) -> None:
    """There is one step, and it is done."""
    told: list[Progress] = []
    fit(values, METRICS, options("var", on_batch=told.append))
    assert [(one.epochs_done, one.epochs) for one in told] == [(1, 1)]
    assert np.isfinite([told[0].train_loss, told[0].validation_loss]).all()


@pytest.mark.parametrize("name", SOLVED)
def test_dust_on_what_never_moves_is_no_anomaly(name: str) -> None:
    """A metric that was always 5 may be 5.000001; it may not be 6."""
    values = np.full((1000, 2), 5.0)
    checkpoint = fit(values, ["a", "b"], options(name))
    bank = StreamBank(checkpoint)
    bank.start(np.array([0]), StreamOptions(start="reference"))
    found = bank.advance(block(0, [[5.0, 5.0], [5.000001, 5.0], [5.0, 5.0], [6.0, 5.0]]))
    assert found.is_anomaly.tolist() == [Anomaly.NO, Anomaly.NO, Anomaly.NO, Anomaly.YES]
