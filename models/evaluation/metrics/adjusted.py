"""Point-adjusted figures, as the literature gives them; they flatter, so random is beside them."""

from typing import Final, NamedTuple

import numpy as np
from msgspec import Struct

from models.blocks import Bool, Float64
from models.evaluation.metrics.curves import ranked
from models.evaluation.metrics.segments import END, FIRST, segments

DRAWS: Final = 5
"""Random scores whose F1 is averaged."""


class PointAdjusted(Struct, frozen=True, kw_only=True):
    """Point-adjusted figures at their best threshold; they flatter, random scores do too."""

    precision: float
    recall: float
    f1: float
    random_f1: float


class _Best(NamedTuple):
    """The figures at the threshold with the highest F1."""

    precision: float
    recall: float
    f1: float


def point_adjusted(labels: Bool, score: Float64, seed: int = 0) -> PointAdjusted:
    """Compute point-adjusted precision, recall and F1 at the best threshold there is.

    If any row of a true segment is predicted, all rows of the segment count as predicted (Xu et
    al., "Unsupervised Anomaly Detection via Variational Auto-Encoder for Seasonal KPIs", WWW
    2018). Long segments are hit by chance, so random scores do well too (Kim et al., "Towards a
    Rigorous Evaluation of Time-Series Anomaly Detection", AAAI 2022).

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.
        seed: Of the random scores.

    Returns:
        The figures at the threshold with the best F1 (the highest such), taken over all distinct
        scores, and the F1 of random scores.

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    best = _best(labels, score)
    return PointAdjusted(
        precision=best.precision,
        recall=best.recall,
        f1=best.f1,
        random_f1=random_f1(labels, seed),
    )


def random_f1(labels: Bool, seed: int = 0) -> float:
    """Compute the point-adjusted F1 of uniformly random scores: the mean of some draws.

    Args:
        labels: Which rows are anomalous, `[N]`.
        seed: Of the draws.

    Returns:
        A value in (0, 1].

    Raises:
        ValueError: The labels are all false or all true.
    """
    rng = np.random.default_rng(seed)
    return float(np.mean([_best(labels, rng.random(labels.size)).f1 for _ in range(DRAWS)]))


def _best(labels: Bool, score: Float64) -> _Best:
    """Find the threshold with the best F1.

    Only the maxima of the segments need trying: between two of them a lower threshold adds
    false positives and nothing else.
    """
    values = ranked(labels, score)
    runs = segments(labels)
    padded = np.append(values, -np.inf)  # so that the end of the last may be the end of all
    highest = np.maximum.reduceat(padded, runs.ravel())[::2]
    order = np.argsort(-highest, kind="stable")
    levels = highest[order]
    normal = np.sort(values[~labels])
    true = np.cumsum((runs[:, END] - runs[:, FIRST])[order])
    # A segment tied with the next is not all there is at its threshold, but its F1 is lower.
    false = normal.size - np.searchsorted(normal, levels, side="left")
    f1 = 2 * true / (true + false + true[-1])
    i = int(np.argmax(f1))
    return _Best(float(true[i] / (true[i] + false[i])), float(true[i] / true[-1]), float(f1[i]))
