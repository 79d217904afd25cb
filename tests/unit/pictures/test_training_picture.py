from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.epochs import EpochLoss, FitOptions
from models.fit import fit, validation_residual
from models.pictures.training import dominating, first_threshold, training_run
from models.recording import Recording
from models.spec import ScorerSpec, ThresholdSpec
from tests.fakes import normal_values
from tests.unit.pictures.made_runs import T0, made_training

pytest.importorskip("matplotlib")

from models.pictures.training_picture import SHOWN_AT_MOST, drawn
from tests.unit.pictures.extents import all_axes, outside, overlapping

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = 800
METRICS = ["flow", "pressure"]


def _titled(picture: "Figure", begin: str) -> Any:
    (found,) = [one for one in all_axes(picture) if one.get_title(loc="left").startswith(begin)]
    return found


def _legend(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("rows", "n_metrics", "epochs"),
    [(61, 1, 0), (61, 8, 60), (20_000, 1, 60), (20_000, 40, 0), (20_000, 100, 1)],
)
def test_every_size_is_legible(rows: int, n_metrics: int, epochs: int) -> None:
    """No text leaves the picture or lies on another."""
    picture = drawn(made_training(rows, n_metrics, epochs))
    assert outside(picture) == []
    assert overlapping(picture) == []


def test_losses_are_drawn_by_epoch() -> None:
    """Both losses of each epoch are there, and the best is marked with its number."""
    axes = _titled(drawn(made_training(epochs=5)), "loss")
    train, validation, best = axes.get_lines()
    assert train.get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert validation.get_ydata().tolist() == [0.9 / one for one in range(1, 6)]
    assert best.get_xdata().tolist() == [4]
    assert best.get_label() == "best: epoch 4, 0.2"


def test_without_epochs_it_is_said() -> None:
    """A scorer that is solved for has no curve but its losses in words."""
    axes = _titled(drawn(made_training(epochs=0)), "loss")
    assert not axes.get_lines()
    told = " ".join(text.get_text() for text in axes.texts)
    assert "no epochs" in told
    assert "validation loss 0.2" in told


def test_residuals_are_sorted_and_the_widest_kept() -> None:
    """The metric predicted worst is on top; of very many it is said how many are left out."""
    run = made_training(n_metrics=3)
    run.residual[:] = run.residual[:, ::-1].copy()
    axes = _titled(drawn(run), "residual")
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names == run.metrics[::-1]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    many = _titled(drawn(made_training(n_metrics=100)), "residual")
    assert len(many.get_yticklabels()) == SHOWN_AT_MOST
    assert f"{100 - SHOWN_AT_MOST} more" in many.get_title(loc="left")


def test_a_far_residual_does_not_press_the_others_together() -> None:
    """It is marked at the edge as lying beyond the axis."""
    run = made_training(n_metrics=3)
    run.residual[7, 2] = 50.0
    axes = _titled(drawn(run), "residual")
    assert axes.get_xlim()[1] < 2.0
    assert "beyond the axis" in _legend(axes)


def test_scores_stand_against_the_first_threshold() -> None:
    """It is drawn over the scores and their distribution, and said how many lie above."""
    run = made_training(threshold=1.0)
    picture = drawn(run)
    axes = _titled(picture, "scores")
    assert axes.get_lines()[-1].get_ydata() == [1.0, 1.0]
    told = _legend(picture.axes[-1])
    above = int(np.count_nonzero(run.score > 1.0))
    assert told == [f"1, the threshold\nof a new stream\n(z 8):\n{above:,} of 400 above"]
    assert picture.axes[-1].get_ylim() == axes.get_ylim()


def test_distribution_shares_a_logarithmic_axis() -> None:
    """Bars stand beside the scores they count, also where one score is far above all others."""
    run = made_training()
    run.score[3] = 1e4
    picture = drawn(run)
    axes: Any = picture.axes[-1]
    assert axes.get_yscale() == "log"
    counts = [bar.get_width() for bar in axes.patches]
    assert sum(counts) == len(run.score)


def test_without_a_threshold_it_is_said() -> None:
    """Too few validation scores give a new stream none."""
    picture = drawn(made_training(threshold=np.nan))
    (told,) = _legend(picture.axes[-1])
    assert "no\nthreshold yet" in told


def test_constant_metrics_are_drawn() -> None:
    """Without any residual there is nothing to share and no width to scale by."""
    run = made_training(n_metrics=2)
    still = replace(run, residual=np.zeros_like(run.residual), score=np.zeros_like(run.score))
    assert outside(drawn(still)) == []


def test_dominating_are_the_fewest_that_make_half() -> None:
    """The largest come first, until half of the whole is reached."""
    assert dominating(np.array([0.1, 0.3, 0.3, 0.2, 0.1])).tolist() == [0, 1, 1, 0, 0]
    assert dominating(np.array([0.1, 0.9])).tolist() == [False, True]
    assert dominating(np.zeros(2)).tolist() == [False, False]


@pytest.mark.parametrize("scorer", ["gru", "var"])
def test_a_training_is_put_together(scorer: str) -> None:
    """Scores and residuals are those the checkpoint was made of, places those of the last fifth."""
    values = normal_values(ROWS, 2)
    options = FitOptions(
        scorer=ScorerSpec(name=scorer, sizes={"hidden": 4} if scorer == "gru" else {}),
        threshold=ThresholdSpec(window=200),
        epochs=2,
        on_epoch=(losses := list[EpochLoss]()).append,
    )
    checkpoint = fit(values, METRICS, options, step_s=60.0)
    times = T0 + 60_000_000 * np.arange(ROWS)
    recording = Recording(values=values, metrics=METRICS, times=times)
    run = training_run(checkpoint, recording, losses, "new")
    np.testing.assert_allclose(run.score, checkpoint.validation_scores, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(run.residual, validation_residual(checkpoint, values))
    assert run.timeline.at[0] * 86_400e6 == pytest.approx(times[640], abs=1.0)
    assert [one.epoch for one in losses] == ([1, 2] if scorer == "gru" else [])
    assert len(run.score) == len(run.timeline.at) == 160
    assert run.loss_share.sum() == pytest.approx(1.0)
    assert outside(drawn(run)) == []


def test_losses_told_are_those_of_the_facts() -> None:
    """The best epoch's losses are what the checkpoint says of its training."""
    losses = list[EpochLoss]()
    options = FitOptions(scorer=ScorerSpec(sizes={"hidden": 4}), epochs=3, on_epoch=losses.append)
    facts = fit(normal_values(ROWS, 2), METRICS, options).spec.training
    best = losses[facts.best_epoch - 1]
    assert (best.train, best.validation) == (facts.train_loss, facts.validation_loss)
    assert min(one.validation for one in losses) == best.validation


def test_the_first_threshold_is_that_of_a_new_stream() -> None:
    """Where the window begins with enough scores there is one; with too few there is none."""
    options = FitOptions(scorer=ScorerSpec(name="var", sizes={}))
    checkpoint = fit(normal_values(ROWS, 2), METRICS, options)
    by_z = checkpoint.with_threshold(z=8.0)
    scores = by_z.validation_scores.astype(np.float64)
    assert first_threshold(by_z) == pytest.approx(scores.mean() + 8 * scores.std(), rel=1e-4)
    few = fit(normal_values(400, 2), METRICS, options)
    assert np.isnan(first_threshold(few))
