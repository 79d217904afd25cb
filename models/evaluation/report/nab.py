"""NAB's score of each scorer over the files that have NAB's windows, beside two yardsticks."""

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import numpy as np
from msgspec import Struct

from models.blocks import Float64
from models.evaluation.metrics.alarms import GAP
from models.evaluation.metrics.nab import NabFile, nab_score
from models.evaluation.metrics.windowed_gaussian import windowed_gaussian
from models.evaluation.recordings.machine import Machine
from models.evaluation.report.means import unique
from models.evaluation.trials.trial import Result

GAUSSIAN: Final = "windowed Gaussian (yardstick)"
RANDOM: Final = "random (yardstick)"
DRAWS: Final = 5
"""Random scores are drawn so often, and the mean is taken."""


class NabRow(Struct, frozen=True, kw_only=True):
    """NAB's score of one detector, standard profile.

    Attributes:
        files: Files it is of, all under one threshold.
        by_alarm: Of the severity of rows that begin an alarm, the others being silent.
        by_severity: Of severity, the score over its own threshold.
        by_score: Of the instant score as it is.
    """

    scorer: str
    files: int
    by_alarm: float | None
    by_severity: float | None
    by_score: float | None


def nab_rows(results: list[Result]) -> list[NabRow]:
    """Compute NAB's score of each scorer, and of the yardsticks on the same files.

    Returns:
        Nothing where no file has a window.

    Raises:
        ValueError: A window lies outside its file or overlaps another.
    """
    ours = [one for one in results if one.machine.windows is not None]
    if not any(one.machine.windows for one in ours):
        return []
    rows = []
    for scorer in unique(one.figures.scorer for one in ours):
        group = [one for one in ours if one.figures.scorer == scorer]
        machines = [one.machine for one in group]
        row = NabRow(
            scorer=scorer,
            files=len(group),
            by_alarm=_score(machines, [beginnings(one.run.severity) for one in group]),
            by_severity=_score(machines, [one.run.severity for one in group]),
            by_score=_score(machines, [one.run.score for one in group]),
        )
        rows.append(row)
    machines = list({one.machine.name: one.machine for one in ours}.values())
    return rows + _yardsticks(machines)


def _yardsticks(machines: list[Machine]) -> list[NabRow]:
    rng = np.random.default_rng(0)
    draws = [
        _score(machines, [rng.random(len(one.test)) for one in machines]) for _ in range(DRAWS)
    ]
    known = [draw for draw in draws if draw is not None]
    random = _yardstick(RANDOM, machines, fmean(known) if known else None)
    if any(one.test.shape[1] > 1 for one in machines):
        return [random]
    gaussian = _score(machines, [_gaussian(one) for one in machines])
    return [_yardstick(GAUSSIAN, machines, gaussian), random]


def beginnings(scores: Float64) -> Float64:
    """Keep scores that are above all of the ten before, `[N]`; the others become NaN.

    Whatever the threshold, the first score of each alarm is among them: NAB charges every row
    that is predicted, where a person is called once.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    before = np.lib.stride_tricks.sliding_window_view(
        np.concatenate([np.full(GAP, -np.inf), known])[:-1], GAP
    )
    return np.where(known > before.max(axis=1), known, np.nan)


def _gaussian(machine: Machine) -> Float64:
    """Score the test part by all that came before, the training part included."""
    whole = np.concatenate([machine.train[:, 0], machine.test[:, 0]])
    scores, is_known = np.full(len(whole), np.nan), ~np.isnan(whole)
    scores[is_known] = windowed_gaussian(whole[is_known])
    return scores[len(machine.train) :]


def _score(machines: list[Machine], scores: Sequence[Float64]) -> float | None:
    if not any(one.windows for one in machines):
        return None
    files = [
        NabFile(score=score, windows=one.windows or ())
        for one, score in zip(machines, scores, strict=True)
    ]
    return float(nab_score(files).score)


def _yardstick(detector: str, machines: list[Machine], score: float | None) -> NabRow:
    return NabRow(
        scorer=detector, files=len(machines), by_alarm=None, by_severity=None, by_score=score
    )
