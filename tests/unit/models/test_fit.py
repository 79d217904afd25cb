from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import registry
from models.blocks import Float64
from models.checkpoint import Checkpoint
from models.epochs import FitError, FitOptions, Progress
from models.fit import MIN_ROWS, fit
from models.scaler import MinMaxScaler
from models.scoring import residual_scale, scoring
from models.spec import ScorerSpec

METRICS = ["flow", "pressure"]
QUICK = FitOptions(scorer=ScorerSpec(sizes={"hidden": 4}), epochs=2, stride=20, learning_rate=1e-2)


@pytest.fixture
def values() -> Float64:
    steps = np.arange(400)[:, None]
    noise = np.random.default_rng(0).normal(0, 0.05, (400, 2))
    return 10 * np.sin(steps / [5.0, 9.0]) + noise


def _same_weights(left: Checkpoint, right: Checkpoint) -> bool:
    return all(np.array_equal(left.weights[name], right.weights[name]) for name in left.weights)


def test_the_checkpoint_can_be_saved_and_says_how_it_came_about(
    values: Float64, tmp_path: Path
) -> None:
    """A quick run gives a sound checkpoint with names, step, bounds and facts."""
    checkpoint = fit(values, METRICS, replace(QUICK, source="plant.csv", seed=7), step_s=60)
    loaded = Checkpoint.load(_saved_at(checkpoint, tmp_path))
    facts = loaded.spec.training
    assert loaded.spec.metrics == METRICS
    assert loaded.spec.step_s == 60.0
    assert (facts.rows, facts.epochs, facts.seed, facts.source) == (400, 2, 7, "plant.csv")
    assert 1 <= facts.best_epoch <= 2
    assert 0 < facts.validation_loss < 1
    assert facts.finished_at
    np.testing.assert_array_equal(loaded.reference_tail, values[-60:])


def _saved_at(checkpoint: Checkpoint, directory: Path) -> Path:
    checkpoint.save(directory / "pumps")
    return directory / "pumps"


def test_the_same_seed_gives_the_same_checkpoint(values: Float64, tmp_path: Path) -> None:
    """Content hashes are equal for equal seeds and data, and differ for another seed."""
    runs = [fit(values, METRICS, replace(QUICK, seed=seed)) for seed in (3, 3, 4)]
    hashes = [run.save(tmp_path / str(at)).spec.content_hash for at, run in enumerate(runs)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_training_leaves_the_random_state_and_the_data_alone(values: Float64) -> None:
    """Whoever calls keeps their own random numbers, thread count and values."""
    torch.manual_seed(11)
    before, threads, copy = torch.get_rng_state(), torch.get_num_threads(), values.copy()
    checkpoint = fit(values, METRICS, QUICK)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(values, copy)
    assert not np.shares_memory(checkpoint.reference_tail, values)


def test_the_held_out_part_gives_scale_and_scores(values: Float64) -> None:
    """Bounds come from the first 80 %, scale and scores from the rest, washed out before it."""
    values[350:] *= 2
    checkpoint = fit(values, METRICS, QUICK)
    spec = checkpoint.spec
    assert spec.scaler.minimum == values[:320].min(axis=0).tolist()
    assert spec.scaler.maximum == values[:320].max(axis=0).tolist()
    scorer = registry.build(spec, checkpoint.weights)
    x = MinMaxScaler.from_spec(spec.scaler).scale(values)[:, None]
    _, state = scorer.run(scorer.initial_state(1), x[260:320])
    residual = scorer.run(state, x[320:])[0].residual[:, 0]
    scores = scoring(spec.scoring).score(residual, checkpoint.residual_scale[None])
    np.testing.assert_allclose(checkpoint.residual_scale, residual_scale(residual), rtol=1e-6)
    np.testing.assert_allclose(checkpoint.validation_scores, scores, rtol=1e-6)


def test_training_stops_early_and_keeps_the_best_weights(values: Float64) -> None:
    """Without progress it stops after `patience` epochs; the weights are those of the best one."""
    wild = replace(QUICK, epochs=40, patience=3, learning_rate=0.5)
    stopped = fit(values, METRICS, wild)
    facts = stopped.spec.training
    assert facts.epochs == facts.best_epoch + 3 < 40
    up_to_best = fit(values, METRICS, replace(wild, epochs=facts.best_epoch))
    assert _same_weights(stopped, up_to_best)


def test_progress_is_told_after_each_batch(values: Float64) -> None:
    """Epochs done rise to the last, losses are there, validation is infinite in the first epoch."""
    told: list[Progress] = []
    facts = fit(values, METRICS, replace(QUICK, batch=4, on_batch=told.append)).spec.training
    done = [progress.epochs_done for progress in told]
    assert done == sorted(done)
    assert done[-1] == 2.0
    assert len(done) == 2 * 4
    assert {progress.epochs for progress in told} == {2}
    assert all(np.isfinite(progress.train_loss) for progress in told)
    assert [np.isinf(progress.validation_loss) for progress in told] == [True] * 4 + [False] * 4
    assert facts.train_loss in [told[3].train_loss, told[7].train_loss]


def test_the_fewest_rows_are_enough(values: Float64) -> None:
    """Exactly the stated number of rows trains; one less is refused with that number."""
    assert fit(values[:MIN_ROWS], METRICS, QUICK).spec.training.rows == MIN_ROWS
    with pytest.raises(FitError, match=f"{MIN_ROWS - 1} rows are too few .* at least {MIN_ROWS}"):
        fit(values[: MIN_ROWS - 1], METRICS, QUICK)


def test_a_stride_longer_than_the_recording_leaves_one_window(values: Float64) -> None:
    """However long the stride, every epoch has a window to train on."""
    for seed in range(5):
        options = replace(QUICK, stride=10_000, seed=seed, epochs=1)
        assert fit(values[:MIN_ROWS], METRICS, options).spec.training.epochs == 1


def test_a_constant_metric_is_trained_on(values: Float64, tmp_path: Path) -> None:
    """A metric that never changes is no reason to refuse, and gives finite numbers."""
    values[:, 1] = 5.0
    assert Checkpoint.load(_saved_at(fit(values, METRICS, QUICK), tmp_path))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 0}, "epochs must be 1 or more; it is 0"),
        ({"patience": 0}, "patience must be 1 or more"),
        ({"batch": 0}, "batch must be 1 or more"),
        ({"stride": -1}, "stride must be 1 or more; it is -1"),
        ({"learning_rate": 0.0}, "the learning rate must be above 0"),
        ({"learning_rate": np.nan}, "the learning rate must be above 0"),
        ({"scorer": ScorerSpec(name="oracle")}, "there is no scorer 'oracle'; there are: .*gru"),
        ({"scorer": ScorerSpec(sizes={"hidden": 0})}, "'hidden', from 1 to 4096; given: .*0"),
        ({"scorer": ScorerSpec(sizes={"hidden": 10**9})}, "'hidden', from 1 to 4096"),
        ({"scorer": ScorerSpec(sizes={})}, "'hidden', from 1 to 4096"),
    ],
)
def test_options_that_can_not_be_are_refused(
    values: Float64, changes: dict[str, Any], reason: str
) -> None:
    """An impossible option is named before anything is trained."""
    with pytest.raises(FitError, match=reason):
        fit(values, METRICS, replace(QUICK, **changes))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e301])
def test_values_that_are_not_finite_are_refused(values: Float64, bad: float) -> None:
    """The first one is named by row and metric."""
    values[123, 1] = bad
    with pytest.raises(FitError, match="row 123, metric 'pressure'"):
        fit(values, METRICS, QUICK)


def test_values_and_names_must_fit_each_other(values: Float64) -> None:
    """Width, dimensions and names of metrics are checked before the training."""
    for wrong, metrics in ((values, ["flow"]), (values[:, 0], ["flow"]), (values[:, :0], [])):
        with pytest.raises(FitError, match=r"\[T, F\] needed"):
            fit(wrong, metrics, QUICK)
    with pytest.raises(FitError, match="a name of its own"):
        fit(values, ["flow", "flow"], QUICK)


def test_a_loss_that_leaves_the_finite_numbers_is_refused(values: Float64) -> None:
    """A rate far too high ends with a reason, not with weights that are no numbers."""
    with pytest.raises(FitError, match="no longer finite in epoch 1; lower the rate"):
        fit(values, METRICS, replace(QUICK, learning_rate=1e30))
