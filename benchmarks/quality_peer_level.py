"""Scores from elsewhere under our own default level, judged as those of our scorers are."""

from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality_peer_scores import HIGHEST, Scores
from models.blocks import NO_SEQ, Anomaly, Float32, ObservationBlock, VerdictBlock
from models.evaluation.metrics.alarms import alarms_of
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.figures import Figures
from models.evaluation.trials.trial import adjusted, ranking
from models.judging import Judge
from models.record import Record
from models.shift import Shifts
from models.spec import ScalerSpec, Spec, ThresholdSpec
from models.tail import Tail
from models.tail_fit import rolling_sigmas, tail_of
from models.threshold import EXCLUDE, RollingThreshold

_SLOT: Final = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one detector did on one machine.

    Attributes:
        figures: As of our own scorers, but for other levels.
        out_of_reach: Share of the test rows whose threshold is above any score there can be: the
            level counts sigmas, and theirs end at 1. Nothing is found there.
    """

    figures: Figures
    out_of_reach: float


def judged(scores: Scores, machine: Machine) -> VerdictBlock:
    """Judge test scores as one stream, by the defaults of `ThresholdSpec` and `ScoringSpec`.

    The normal scores stand where our scorers have those of validation: their tail says how high
    one false alarm a day is, and they fill the window.

    Returns:
        Verdicts with score, smoothed score and threshold, `[N]`.
    """
    normal = scores.normal.astype(np.float32)
    spec = _spec(normal, machine)
    record, level = Record(), spec.threshold
    thresholds = RollingThreshold(level.window, level.min_scores, record)
    tail = Tail(level.tail, spec.step_s)
    shifts = Shifts(thresholds.scores, thresholds.window, EXCLUDE)
    record.grow(1)
    thresholds.scores.grow(1)
    thresholds.configure(_SLOT, z=level.z, sigma_floor=level.sigma_floor, policy=level.policy)
    thresholds.prime(_SLOT, normal)
    columns = record.columns(_SLOT)
    columns.asked[:], columns.smoothed[:] = level.false_alarms_per_day or 0.0, np.nan
    tail.begin(columns)
    tail.set_z(columns)
    record.put(_SLOT, columns)
    # the tail takes the step of the spec where a stream's own is not known, which 0 stands for
    taken = [(time, 0.0) for time in machine.times.tolist()]
    judge = Judge(thresholds, tail, shifts, spec)
    return judge.along(_block(machine), record.one(0), taken, scores.test)


def result_of(scorer: str, scores: Scores, machine: Machine) -> Result:
    """Measure what the scores and the alarms they lead to are worth."""
    said = judged(scores, machine)
    figures = _figures(scorer, scores, machine, said)
    return Result(figures=figures, out_of_reach=float(np.mean(said.threshold > HIGHEST)))


def _figures(scorer: str, scores: Scores, machine: Machine, said: VerdictBlock) -> Figures:
    alarms = alarms_of(said.is_anomaly == Anomaly.YES, machine.labels, machine.step_s)
    return Figures(
        machine=machine.name,
        dataset=machine.dataset,
        scorer=scorer,
        instant=ranking(machine.labels, said.score),
        smoothed=ranking(machine.labels, said.smoothed),
        adjusted=adjusted(machine.labels, said.score),
        events=alarms.events,
        events_found=alarms.events_found,
        delay_steps=alarms.delay_steps,
        false_alarms_per_day=alarms.false_alarms_per_day,
        alarm_share=alarms.alarm_share,
        days=alarms.days,
        train_s=scores.train_s,
        us_per_observation=scores.us_per_observation,
        levels=[],
    )


def _spec(normal: Float32, machine: Machine) -> Spec:
    level = ThresholdSpec()
    found = tail_of(rolling_sigmas(normal, level))
    return Spec(
        metrics=["score"],
        scaler=ScalerSpec(minimum=[0.0], maximum=[1.0]),
        threshold=msgspec.structs.replace(level, tail=found),
        washout=0,
        step_s=machine.step_s,
    )


def _block(machine: Machine) -> ObservationBlock:
    """Stand in for the observations: the judge reads no values."""
    rows = len(machine.test)
    return ObservationBlock(
        slots=np.repeat(_SLOT, rows),
        times=machine.times,
        seqs=np.full(rows, NO_SEQ),
        values=np.zeros((rows, 1)),
        explain=np.zeros(rows, np.bool_),
        arrival=0,
    )
