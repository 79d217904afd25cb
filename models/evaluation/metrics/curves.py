"""Curves of a score against labels, row by row: precision-recall and receiver operating."""

from typing import NamedTuple

import numpy as np

from models.blocks import Bool, Float64


class Counts(NamedTuple):
    """Predicted rows at each distinct threshold, the highest first, `[K]` each.

    Attributes:
        true: Predicted rows that are anomalous.
        predicted: Predicted rows.
        threshold: A row is predicted if its score is at least this.
    """

    true: Float64
    predicted: Float64
    threshold: Float64


def average_precision(labels: Bool, score: Float64) -> float:
    """Compute the average precision: sum over thresholds of (R_n - R_(n-1)) P_n.

    The same as scikit-learn's `average_precision_score`: each distinct score is a threshold, tied
    rows enter together, and precision is not interpolated.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.

    Returns:
        A value in (0, 1].

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    precision, recall = precision_recall(labels, score)
    return float(np.sum(np.diff(recall) * precision[1:]))


def roc_auc(labels: Bool, score: Float64) -> float:
    """Compute the area under the receiver operating characteristic.

    It is the chance that an anomalous row scores higher than a normal one, ties counting half.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.

    Returns:
        A value in [0, 1].

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    counts = _counts(labels, score)
    true = np.concatenate(([0.0], counts.true))
    false = np.concatenate(([0.0], counts.predicted - counts.true))
    area = np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2)
    return float(area / (true[-1] * false[-1]))


def precision_recall(labels: Bool, score: Float64) -> tuple[Float64, Float64]:
    """List precision and recall from the highest threshold to the lowest, for a plot.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.

    Returns:
        Precision and recall, `[K + 1]` each for K distinct scores; recall rises from 0 to 1. The
        first point, precision 1 at recall 0, stands for a threshold above all scores.

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    counts = _counts(labels, score)
    precision = np.concatenate(([1.0], counts.true / counts.predicted))
    recall = np.concatenate(([0.0], counts.true / counts.true[-1]))
    return precision, recall


def ranked(labels: Bool, score: Float64) -> Float64:
    """Check what is to be compared, and give every row a score that can be ranked.

    Args:
        labels: `[N]`.
        score: `[N]`.

    Returns:
        The score with minus infinity for NaN, `[N]`.

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    if labels.shape != score.shape:
        raise ValueError(f"labels {labels.shape} and score {score.shape} must have the same length")
    if labels.all() or not labels.any():
        kind = "anomalous" if labels.size and labels.all() else "normal"
        raise ValueError(
            f"all {labels.size} rows are labelled {kind}: ranking needs both kinds; "
            "leave this recording out or give a longer one"
        )
    return np.where(np.isnan(score), -np.inf, score)


def _counts(labels: Bool, score: Float64) -> Counts:
    """Count the predicted rows at every distinct threshold."""
    values = ranked(labels, score)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    last = np.append(np.flatnonzero(values[1:] != values[:-1]), values.size - 1)
    true = np.cumsum(labels[order], dtype=np.float64)[last]
    return Counts(true, (last + 1).astype(np.float64), values[last])
