"""Trials: what is run is what live traffic gets, and nothing is computed twice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import NO_SEQ, ObservationBlock
from models.checkpoint import Checkpoint
from models.epochs import FitError, FitOptions
from models.evaluation.metrics.curves import average_precision
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials import trial
from models.evaluation.trials.cache import Cache
from models.evaluation.trials.choice import Choice, ChoiceError, choices
from models.evaluation.trials.levels import ASKED, GRID
from models.evaluation.trials.traffic import TrafficError, judged
from models.evaluation.trials.training import TrainingOptions, trained, with_rule
from models.evaluation.trials.trial import Trials
from models.fit import fit
from models.options import StreamOptions
from models.spec import ScorerSpec, ScoringSpec
from tests.unit.evaluation.machines import EVENT, TEST, labels, machine

OPTIONS = TrainingOptions(epochs=1)
PLAIN = Choice(word="persistence", network="persistence")
MSE = Choice(word="persistence/mse", network="persistence", rule="mse")


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the networks that were trained."""
    names = list[str]()

    def noted(one: Machine, network: str, options: TrainingOptions) -> Checkpoint:
        names.append(network)
        return trained(one, network, options)

    monkeypatch.setattr(trial, "trained", noted)
    return names


def one_by_one(checkpoint: Checkpoint, one: Machine) -> list[tuple[float, float, int]]:
    """Score, smoothed score and verdict of each row, sent in a block of its own."""
    bank, slot, found = StreamBank(checkpoint), np.zeros(1, np.int64), []
    bank.start(slot, StreamOptions(start="reference"))
    for time, values in zip(one.times, one.test, strict=True):
        said = bank.advance(
            ObservationBlock(
                slots=slot,
                times=np.array([time]),
                seqs=np.array([NO_SEQ]),
                values=values[None],
                explain=np.zeros(1, np.bool_),
                arrival=0,
            )
        )
        found.append((said.score[0], said.smoothed[0], said.is_anomaly[0] == 1))
    return found


def test_a_run_is_what_live_traffic_gets() -> None:
    """Scores and verdicts equal those of single observations, one after another."""
    checkpoint = trained(machine(), "persistence", OPTIONS)
    said = judged(checkpoint, machine())
    assert said.smoothed is not None
    score, smoothed, is_anomaly = zip(*one_by_one(checkpoint, machine()), strict=True)
    np.testing.assert_allclose(said.score, score, rtol=1e-5)
    np.testing.assert_allclose(said.smoothed, smoothed, rtol=1e-5)
    assert said.is_anomaly.tolist() == list(is_anomaly)
    assert said.is_anomaly[EVENT].any()
    assert said.us_per_observation > 0


def test_a_gap_has_no_scores_and_ranks_all_the_same() -> None:
    """After a gap a stream begins anew; those rows rank lowest."""
    times = machine().times.copy()
    times[20:] += 10**12
    result, _ = Trials(machine(times=times), OPTIONS, None).result(PLAIN)
    assert np.isnan(result.run.score).sum() > 0
    assert 0 < result.figures.instant.auc_pr <= 1


def test_a_refused_row_is_told() -> None:
    """No observation may be lost in silence; rows without most of their values aside."""
    test = machine().test.copy()
    test[20] = np.nan
    test[150, 0] = np.inf
    checkpoint = trained(machine(), "persistence", OPTIONS)
    with pytest.raises(TrafficError, match=r"pump-1: test row 150 .*: not finite"):
        judged(checkpoint, machine(test=test))


def test_every_level_is_tried() -> None:
    """Fewer events are found the higher z is; the level of the run is among those asked for."""
    figures = Trials(machine(), OPTIONS, None).result(PLAIN)[0].figures
    assert [level.z for level in figures.levels] == [*GRID, *[None] * len(ASKED)]
    assert [level.asked for level in figures.levels] == [*[None] * len(GRID), *ASKED]
    found = [level.events_found for level in figures.levels[: len(GRID)]]
    assert found == sorted(found, reverse=True)
    as_run = figures.levels[len(GRID) + ASKED.index(1.0)]
    assert as_run.events_found == figures.events_found
    assert as_run.false_alarms_per_day == figures.false_alarms_per_day


def test_figures_are_of_the_run() -> None:
    """Names and labels are the machine's, scores the run's."""
    result, is_kept = Trials(machine(), OPTIONS, None).result(PLAIN)
    figures = result.figures
    assert (figures.machine, figures.dataset, figures.scorer) == ("pump-1", "pump", "persistence")
    assert (figures.events, figures.events_found) == (1, 1)
    assert figures.days == TEST * 60 / 86_400
    assert figures.smoothed is not None
    assert figures.instant.auc_pr == average_precision(labels(), result.run.score)
    assert not is_kept


def test_a_machine_without_events_has_alarms_but_no_ranking() -> None:
    """There is nothing to rank; false alarms count all the same."""
    quiet = machine(labels=np.zeros(TEST, np.bool_))
    figures = Trials(quiet, OPTIONS, None).result(PLAIN)[0].figures
    assert np.isnan(figures.instant.auc_pr)
    assert np.isnan(figures.adjusted.f1)
    assert figures.events == 0
    assert figures.false_alarms_per_day > 0


@pytest.mark.parametrize("network", ["persistence", "gru"])
def test_another_rule_is_what_training_with_it_gives(network: str) -> None:
    """Weights that were trained for one rule, scored by another, are no other checkpoint."""
    sizes = {"hidden": 64} if network == "gru" else {}
    options = FitOptions(
        scorer=ScorerSpec(name=network, sizes=sizes), scoring=ScoringSpec(rule="mse"), epochs=1
    )
    expected = fit(machine().train, machine().metrics, options, step_s=60.0)
    found = with_rule(trained(machine(), network, OPTIONS), machine(), "mse")
    assert found.spec.scoring == expected.spec.scoring
    assert found.spec.threshold.sigma_floor == expected.spec.threshold.sigma_floor == 1e-6
    assert found.spec.threshold.false_alarms_per_day == 1.0
    np.testing.assert_allclose(found.validation_scores, expected.validation_scores, rtol=1e-4)
    np.testing.assert_allclose(found.residual_scale, expected.residual_scale, rtol=1e-4)


def test_scorers_that_differ_in_their_rule_train_once(trainings: list[str]) -> None:
    """The second takes the weights of the first, and scores otherwise."""
    trials = Trials(machine(), OPTIONS, None)
    one, other = (trials.result(choice)[0] for choice in (PLAIN, MSE))
    assert trainings == ["persistence"]
    assert not np.array_equal(one.run.score, other.run.score)


def test_a_second_time_nothing_is_computed(tmp_path: Path, trainings: list[str]) -> None:
    """The result is the first one's, to the bit."""
    first, _ = Trials(machine(), OPTIONS, Cache(directory=tmp_path)).result(PLAIN)
    second, is_kept = Trials(machine(), OPTIONS, Cache(directory=tmp_path)).result(PLAIN)
    assert is_kept
    assert trainings == ["persistence"]
    assert repr(second.figures) == repr(first.figures)
    np.testing.assert_array_equal(second.run.score, first.run.score)


@pytest.mark.parametrize(
    ("changes", "options", "is_trained_anew"),
    [
        ({"test": machine().test + 0.1}, OPTIONS, False),
        ({"labels": ~machine().labels}, OPTIONS, False),
        ({"times": machine().times + 1}, OPTIONS, False),
        ({"train": machine().train + 0.1}, OPTIONS, True),
        ({"step_s": 61.0}, OPTIONS, True),
        ({}, TrainingOptions(epochs=1, seed=1), True),
        ({}, TrainingOptions(epochs=2), True),
    ],
)
def test_what_a_result_is_made_of_counts(
    tmp_path: Path,
    trainings: list[str],
    changes: dict[str, Any],
    options: TrainingOptions,
    is_trained_anew: bool,
) -> None:
    """A change of data or options computes anew; weights only if they depend on it."""
    cache = Cache(directory=tmp_path)
    Trials(machine(), OPTIONS, cache).result(PLAIN)
    _, is_kept = Trials(machine(**changes), options, cache).result(PLAIN)
    assert not is_kept
    assert len(trainings) == 1 + is_trained_anew


def test_too_few_rows_to_train_on_are_told() -> None:
    """The reason is training's own."""
    with pytest.raises(FitError, match="too few"):
        Trials(machine(train=machine().train[:50]), OPTIONS, None).result(PLAIN)


def test_words_name_scorer_and_rule() -> None:
    """In the order given, with blanks around them."""
    found = choices(" var , persistence/mse")
    assert found == [Choice(word="var", network="var"), MSE]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("lstm", "no scorer 'lstm'; there are: .*gru"),
        ("gru/mae", "no scoring 'mae'; there are: .*mse"),
        ("gru/", "no scoring ''"),
        ("gru,var,gru", "'gru' is named twice"),
        (" ,", "name a scorer"),
    ],
)
def test_words_that_name_nothing_are_refused(words: str, reason: str) -> None:
    """What there is is named."""
    with pytest.raises(ChoiceError, match=reason):
        choices(words)
