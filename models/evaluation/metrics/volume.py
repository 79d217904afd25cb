"""Volumes under the surfaces of range-AUC over many windows, as TSB-AD computes them."""

from typing import Final, NamedTuple

import numpy as np

from models.blocks import Bool, Float64, Int
from models.evaluation.metrics.curves import ranked
from models.evaluation.metrics.segments import END, FIRST, joined, segments, widened

WINDOW: Final = 100
"""Longest window of TSB-AD's scoreboard."""
THRESHOLDS: Final = 250
"""Thresholds along each curve, likewise."""


class Volume(NamedTuple):
    """Volumes under the precision-recall and the receiver operating surface; 1 is perfect."""

    pr: float
    roc: float


class _Hits(NamedTuple):
    """What is predicted at each of K thresholds, the highest first.

    Attributes:
        predicted: Predicted rows, `[K]`.
        true: Predicted rows of the segments, `[K]`.
        extension: Predicted weight of the slopes beside the segments, by window, `[W, K]`.
        found: Share of the segments, widened by the window and merged, that are hit, `[W, K]`.
    """

    predicted: Float64
    true: Float64
    extension: Float64
    found: Float64


class _Slopes(NamedTuple):
    """Rows near the segments, where their slopes fall.

    Attributes:
        bucket: First threshold at which the row is predicted, `[M]`.
        near: Steps to the nearest segment, `[M]`.
        next_near: Steps to the second nearest, `[M]`.
    """

    bucket: Int
    near: Int
    next_near: Int


def volume_under_surface(
    labels: Bool, score: Float64, window: int = WINDOW, thresholds: int = THRESHOLDS
) -> Volume:
    """Compute VUS-PR and VUS-ROC: range-AUC averaged over the windows 0 to `window`.

    For a window l, rows d <= l / 2 steps beside a segment count as anomalous by sqrt(1 - d / l);
    recall is multiplied by the share of segments (with their slopes, merged where they meet) that
    are hit at all (Paparrizos et al., "Volume Under the Surface", VLDB 2022). The thresholds and
    the ends of the curves are those of TSB-AD's published `RangeAUC_volume_opt`.

    Args:
        labels: Which rows are anomalous, `[N]`.
        score: Higher is more anomalous, `[N]`; rows without a score (NaN) rank lowest, tied.
        window: Longest window, steps, >= 0.
        thresholds: Points along each curve, >= 1; taken at even steps of the sorted scores.

    Returns:
        The volumes.

    Raises:
        ValueError: Shapes differ, or the labels are all false or all true.
    """
    values = ranked(labels, score)
    at = np.linspace(0, values.size - 1, thresholds).astype(np.int64)
    levels = -np.sort(-values)[at]
    bucket = np.searchsorted(-levels, -values, side="left")
    hits = _hits(labels, bucket, window, thresholds)
    return _areas(hits, int(np.count_nonzero(labels)), values.size)


def _hits(labels: Bool, bucket: Int, window: int, thresholds: int) -> _Hits:
    """Count what is predicted at each threshold, for all windows."""
    runs = segments(labels)
    slopes = _slopes(labels, runs, bucket, window // 2)
    return _Hits(
        predicted=_upto(bucket, thresholds),
        true=_upto(bucket[labels], thresholds),
        extension=np.stack([_extension(slopes, w, thresholds) for w in range(window + 1)]),
        found=np.stack([_found(runs, bucket, w // 2, thresholds) for w in range(window + 1)]),
    )


def _upto(bucket: Int, thresholds: int, weights: Float64 | None = None) -> Float64:
    """Add up the weights (1 if none are given) of what is predicted, at each threshold, `[K]`."""
    return np.cumsum(np.bincount(bucket, weights, minlength=thresholds), dtype=np.float64)


def _slopes(labels: Bool, runs: Int, bucket: Int, reach: int) -> _Slopes:
    """Find the normal rows within reach of a segment, and how far the two nearest ones are.

    Two are enough: a weight is at least sqrt(1 / 2), so two together already reach the limit of 1.
    """
    beside = np.zeros(labels.size + 1, dtype=np.int64)
    around = widened(runs, reach, labels.size)
    np.add.at(beside, around[:, FIRST], 1)
    np.add.at(beside, around[:, END], -1)
    rows = np.flatnonzero((np.cumsum(beside[:-1]) > 0) & ~labels)
    # Far sentinels stand for the segments that the first and the last two do not have.
    far = labels.size + 2 * reach + 2
    lasts = np.concatenate(([-far, -far], runs[:, END] - 1))
    firsts = np.concatenate((runs[:, FIRST], [2 * far, 2 * far]))
    k = np.searchsorted(runs[:, FIRST], rows)  # segments before the row
    steps = [rows - lasts[k], rows - lasts[k + 1], firsts[k] - rows, firsts[k + 1] - rows]
    ordered = np.sort(np.stack(steps), axis=0)
    return _Slopes(bucket[rows], ordered[0], ordered[1])


def _extension(slopes: _Slopes, window: int, thresholds: int) -> Float64:
    """Add up the predicted weight of the slopes for one window, `[K]`."""
    weight = np.minimum(_weight(slopes.near, window) + _weight(slopes.next_near, window), 1.0)
    return _upto(slopes.bucket, thresholds, weight)


def _weight(steps: Int, window: int) -> Float64:
    """Weigh rows by their steps to a segment: 0 beyond half the window."""
    inside = np.minimum(steps, window // 2)
    return np.where(steps <= window // 2, np.sqrt(1 - inside / max(window, 1)), 0.0)


def _found(runs: Int, bucket: Int, reach: int, thresholds: int) -> Float64:
    """Tell the share of the widened and merged segments with a predicted row in them, `[K]`."""
    merged = widened(joined(runs, 2 * reach), reach, bucket.size)
    padded = np.append(bucket, thresholds)  # so that the end of the last may be the end of all
    first_hit = np.minimum.reduceat(padded, merged.ravel())[::2]
    return _upto(first_hit, thresholds) / len(merged)


def _areas(hits: _Hits, positives: int, n: int) -> Volume:
    """Build the curves of all windows, and average the areas under them."""
    true = hits.true + hits.extension
    extended = positives + hits.extension / 2  # mean of the positives and the extended positives
    recall = np.minimum(true / extended, 1.0) * hits.found
    fall_out = (hits.predicted - true) / (n - extended)
    edge = np.zeros((len(recall), 1))
    x = np.concatenate((edge, fall_out, edge + 1), axis=1)
    y = np.concatenate((edge, recall, edge + 1), axis=1)
    roc = np.sum(np.diff(x) * (y[:, 1:] + y[:, :-1]) / 2, axis=1)
    pr = np.sum(np.diff(y[:, :-1]) * true / hits.predicted, axis=1)
    return Volume(float(pr.mean()), float(roc.mean()))
