"""A trial: one scorer trained on one machine, its test part through the bank, what came of it."""

from dataclasses import asdict, dataclass

import msgspec
import numpy as np

from models.blocks import Bool, Float64
from models.checkpoint import Checkpoint
from models.evaluation.metrics.adjusted import PointAdjusted, point_adjusted
from models.evaluation.metrics.alarms import alarms_of
from models.evaluation.metrics.curves import average_precision, roc_auc
from models.evaluation.metrics.volume import volume_under_surface
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.cache import Cache, facts_of, key_of
from models.evaluation.trials.choice import Choice
from models.evaluation.trials.figures import Figures, Ranking, Run
from models.evaluation.trials.levels import levels
from models.evaluation.trials.traffic import judged
from models.evaluation.trials.training import TrainingOptions, trained, with_rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one trial."""

    machine: Machine
    run: Run
    figures: Figures


class Trials:
    """The trials of one machine; scorers that differ in their rule alone are trained once.

    Args:
        machine: The machine.
        options: How to train.
        cache: Where results are looked for and kept; None computes all of them.
    """

    def __init__(self, machine: Machine, options: TrainingOptions, cache: Cache | None) -> None:
        self._machine = machine
        self._cache = cache
        self._options = options
        self._told_options = msgspec.msgpack.encode(asdict(options))
        self._trained = dict[str, Checkpoint]()

    def result(self, choice: Choice) -> tuple[Result, bool]:
        """Give the result of one scorer, and whether it was in the cache.

        Raises:
            FitError: If the machine can't be trained on.
            TrafficError: If the bank refuses an observation.
        """
        machine = self._machine
        key = self._result_key(choice)
        kept = self._cache.result(key) if self._cache else None
        run, figures = kept or _run(machine, choice, self._checkpoint(choice))
        if self._cache and not kept:
            self._cache.keep_result(key, run, figures)
        return Result(machine=machine, run=run, figures=figures), kept is not None

    def _result_key(self, choice: Choice) -> str:
        machine = self._machine
        arrays = (machine.train, machine.test, machine.labels, machine.times)
        asked = msgspec.msgpack.encode(asdict(choice))
        return key_of(facts_of(machine), *arrays, asked, self._told_options)

    def _checkpoint(self, choice: Choice) -> Checkpoint:
        """Train, or take the weights that were trained for another rule."""
        network, machine = choice.network, self._machine
        if network not in self._trained:
            key = key_of(facts_of(machine), machine.train, network, self._told_options)
            found = self._cache.checkpoint(key) if self._cache else None
            self._trained[network] = found or trained(machine, network, self._options)
            if self._cache and not found:
                self._cache.keep_checkpoint(key, self._trained[network])
        return with_rule(self._trained[network], machine, choice.rule)


def _run(machine: Machine, choice: Choice, checkpoint: Checkpoint) -> tuple[Run, Figures]:
    """Let the test part through the bank, and measure."""
    said = judged(checkpoint, machine)
    run = Run(
        machine=machine.name,
        scorer=choice.word,
        score=said.score,
        smoothed=said.smoothed,
        threshold=said.threshold,
        severity=said.severity,
        is_anomaly=said.is_anomaly,
        train_s=checkpoint.spec.training.seconds,
        us_per_observation=said.us_per_observation,
    )
    return run, _figures(machine, run, checkpoint)


def _figures(machine: Machine, run: Run, checkpoint: Checkpoint) -> Figures:
    alarms = alarms_of(run.is_anomaly, machine.labels, machine.step_s)
    return Figures(
        machine=machine.name,
        dataset=machine.dataset,
        scorer=run.scorer,
        instant=ranking(machine.labels, run.score),
        smoothed=None if run.smoothed is None else ranking(machine.labels, run.smoothed),
        adjusted=adjusted(machine.labels, run.score),
        events=alarms.events,
        events_found=alarms.events_found,
        delay_steps=alarms.delay_steps,
        false_alarms_per_day=alarms.false_alarms_per_day,
        alarm_share=alarms.alarm_share,
        days=alarms.days,
        train_s=run.train_s,
        us_per_observation=run.us_per_observation,
        levels=levels(checkpoint, machine),
    )


def ranking(labels: Bool, score: Float64) -> Ranking:
    """Rank by a score; NaN where there are no events, or nothing else, to tell apart.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.

    Raises:
        ValueError: Shapes differ.
    """
    if not 0 < np.count_nonzero(labels) < len(labels):
        return Ranking(auc_pr=np.nan, auc_roc=np.nan, vus_pr=np.nan, vus_roc=np.nan)
    volume = volume_under_surface(labels, score)
    return Ranking(
        auc_pr=average_precision(labels, score),
        auc_roc=roc_auc(labels, score),
        vus_pr=volume.pr,
        vus_roc=volume.roc,
    )


def adjusted(labels: Bool, score: Float64) -> PointAdjusted:
    """Give the point-adjusted figures; NaN as in `ranking`.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: As in `ranking`, `[N]`.

    Raises:
        ValueError: Shapes differ.
    """
    if not 0 < np.count_nonzero(labels) < len(labels):
        return PointAdjusted(precision=np.nan, recall=np.nan, f1=np.nan, random_f1=np.nan)
    return point_adjusted(labels, score)
