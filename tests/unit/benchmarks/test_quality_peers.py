"""Detectors of others: what they are given, the level they are judged by, what is told of them."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality_peer_level import judged, result_of
from benchmarks.quality_peer_scores import (
    MissingError,
    Scores,
    half_space_trees,
    isolation_forest,
    n_normal,
)
from benchmarks.quality_peers import FOREST, TREES, main
from models.blocks import Anomaly, Float64
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials import traffic
from models.evaluation.trials.training import TrainingOptions, trained
from models.spec import ScoringSpec
from tests.fakes import normal_values
from tests.unit.evaluation.machines import EVENT, TEST, TRAIN, machine

LONG = 1500
"""Training rows of which the last fifth is more than half-space trees' first window."""


def trained_longer() -> Machine:
    """A machine whose training part suffices for windows of 250."""
    return machine(train=normal_values(LONG, 2))


def scores(test: Float64) -> Scores:
    """Scores of some detector, usually about 0.5."""
    normal = np.random.default_rng(0).normal(0.5, 0.02, 2000)
    return Scores(normal=normal, test=test, train_s=1.0, us_per_observation=2.0)


def usual() -> Float64:
    """Test scores like the normal ones."""
    return np.random.default_rng(1).normal(0.5, 0.02, TEST)


def test_scores_are_judged_by_the_level_of_the_normal_ones() -> None:
    """High scores are anomalies from the first row on; usual ones nearly never are."""
    raised = usual()
    raised[EVENT] = 0.95

    figures = result_of("other", scores(raised), machine()).figures
    quiet = result_of("other", scores(usual()), machine()).figures

    assert (figures.events_found, figures.delay_steps, figures.instant.auc_pr) == (1, 0.0, 1.0)
    assert figures.smoothed is not None
    assert quiet.events_found == 0
    assert quiet.alarm_share < 0.02
    assert np.isfinite(judged(scores(raised), machine()).threshold).all()


def test_the_level_is_that_of_a_bank() -> None:
    """Scores of one of our own scorers get the thresholds that its bank gave them."""
    one = trained_longer()
    checkpoint = trained(one, "persistence", TrainingOptions())
    said = traffic.judged(checkpoint, one)
    normal = checkpoint.validation_scores.astype(np.float64)

    found = judged(replace(scores(said.score), normal=normal), one)

    assert said.smoothed is not None
    np.testing.assert_allclose(found.threshold, said.threshold, rtol=1e-9)
    np.testing.assert_allclose(found.smoothed, said.smoothed, rtol=1e-9)
    assert (found.is_anomaly == Anomaly.YES).tolist() == said.is_anomaly.tolist()
    assert said.is_anomaly.any()


def test_smoothed_is_the_average_of_the_default_weight() -> None:
    """It begins with the first score."""
    given, weight = usual(), ScoringSpec().smoothing
    assert weight is not None
    expected = [given[0]]
    for score in given[1:]:
        expected.append(expected[-1] + weight * (score - expected[-1]))

    np.testing.assert_allclose(judged(scores(given), machine()).smoothed, expected)


def test_a_level_that_no_score_reaches_is_told() -> None:
    """Scores end at 1; where normal ones scatter widely the threshold does not."""
    wide = np.random.default_rng(0).uniform(0.0, 1.0, 2000) ** 4

    assert result_of("other", replace(scores(usual()), normal=wide), machine()).out_of_reach == 1.0
    assert result_of("other", scores(usual()), machine()).out_of_reach == 0.0


def test_half_space_trees_score_before_they_learn() -> None:
    """Rows of the test part do not change the scores of those before them."""
    pytest.importorskip("river")
    one = trained_longer()
    cut = replace(one, test=one.test[:50], labels=one.labels[:50], times=one.times[:50])

    whole, part = half_space_trees(one, 0), half_space_trees(cut, 0)

    assert (len(whole.normal), len(whole.test)) == (n_normal(one), TEST)
    assert whole.test[:50].tolist() == part.test.tolist()
    assert whole.test[EVENT.start] > np.median(whole.test)
    assert half_space_trees(one, 0, n_trees=3).test.tolist() != whole.test.tolist()


def test_the_isolation_forest_ranks_what_is_unusual_higher() -> None:
    """A higher score is more unusual, as everywhere here; seeds repeat."""
    pytest.importorskip("sklearn")
    found = isolation_forest(machine(), 0)

    assert (len(found.normal), len(found.test)) == (TRAIN // 5, TEST)
    assert found.test[EVENT].min() > np.quantile(np.delete(found.test, EVENT), 0.9)
    assert isolation_forest(machine(), 0).test.tolist() == found.test.tolist()


@pytest.mark.parametrize(
    ("module", "package"), [("river.anomaly", "river"), ("sklearn.ensemble", "scikit-learn")]
)
def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str
) -> None:
    """And how to install it."""
    monkeypatch.setitem(sys.modules, module, None)
    detector = half_space_trees if package == "river" else isolation_forest

    with pytest.raises(MissingError, match=rf"^{package} is not installed.*--group bench$"):
        detector(machine(), 0)


def test_the_comparison_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each machine and peer, means, what was run, and the same as JSON."""
    pytest.importorskip("river")
    pytest.importorskip("sklearn")
    one, out = trained_longer(), tmp_path / "out.json"
    np.savez(tmp_path / "pump-1.npz", train=one.train, test=one.test, labels=one.labels)

    status = main([str(tmp_path / "pump-1.npz"), "--step", "pump=60", "--out", str(out)])

    printed, account = capsys.readouterr().out, json.loads(out.read_text())
    assert status == 0
    assert all(f"| pump-1 | {peer} | " in printed for peer in (TREES, FOREST))
    assert all(f"| pump | {peer} | " in printed for peer in (TREES, FOREST))
    assert "one false alarm a day" in printed
    assert [run["scorer"] for run in account["runs"]] == [TREES, FOREST]
    assert [row["machine"] for row in account["means"]] == [None, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{here}/none.npz"], "there is no such file"),
        (["{here}/pump-1.npz", "--step", "smd=60"], "no such data set; there are: pump"),
    ],
)
def test_what_cannot_be_read_is_told(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 1 and the reason, no traceback."""
    one = machine()
    np.savez(tmp_path / "pump-1.npz", train=one.train, test=one.test, labels=one.labels)

    assert main([text.format(here=tmp_path) for text in arguments]) == 1
    assert message in capsys.readouterr().err
