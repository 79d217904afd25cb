from itertools import pairwise
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import Bool, Float64
from models.evaluation.metrics.segments import segments
from models.evaluation.metrics.volume import volume_under_surface


def extended(labels: Bool, window: int) -> list[float]:
    """Weigh every row: 1 in a segment, less beside one, together at most 1."""
    weights = []
    for row in range(len(labels)):
        total = 0.0
        for first, end in segments(labels):
            steps = max(first - row, row - (end - 1), 0)
            if steps == 0:
                total += 1.0
            elif steps <= window // 2:
                total += sqrt(1 - steps / window)
        weights.append(min(total, 1.0))
    return weights


def ranges(labels: Bool, window: int) -> list[list[int]]:
    """List the rows of each segment with its slopes, merged where they touch or overlap."""
    merged: list[list[int]] = []
    last = -1
    for first, end in segments(labels).tolist():
        rows = range(max(first - window // 2, 0), min(end + window // 2, len(labels)))
        if merged and first - window // 2 <= last:
            merged[-1].extend(rows)
        else:
            merged.append(list(rows))
        last = end - 1 + window // 2
    return merged


def naive(labels: Bool, score: Float64, window: int, thresholds: int) -> tuple[float, float]:
    """Compute both volumes from the definition, one window, threshold and row at a time."""
    pr = roc = 0.0
    descending = sorted(score.tolist(), reverse=True)
    positives = int(labels.sum())
    for w in range(window + 1):
        weights, around = extended(labels, w), ranges(labels, w)
        curve = [(0.0, 0.0)]
        for k in np.linspace(0, len(score) - 1, thresholds).astype(int):
            predicted = [value >= descending[k] for value in score]
            true = sum(x for x, p in zip(weights, predicted, strict=True) if p)
            slopes = sum(
                x for x, p, a in zip(weights, predicted, labels, strict=True) if p and not a
            )
            extent = (positives + positives + slopes) / 2
            found = sum(any(predicted[row] for row in rows) for rows in around) / len(around)
            recall = min(true / extent, 1.0) * found
            pr += (recall - curve[-1][1]) * true / sum(predicted)
            curve.append(((sum(predicted) - true) / (len(labels) - extent), recall))
        curve.append((1.0, 1.0))
        roc += sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in pairwise(curve))
    return pr / (window + 1), roc / (window + 1)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Bool, Float64, int]:
    """Draw labels of both kinds, scores that may tie, and a window."""
    labels = draw(st.lists(st.booleans(), min_size=2, max_size=40))
    values = draw(st.integers(1, 50))
    n = len(labels)
    score = draw(st.lists(st.integers(0, values), min_size=n, max_size=n))
    flags = np.array(labels)
    flags[draw(st.integers(0, n - 1))] ^= flags.all() or not flags.any()
    return flags, np.array(score, dtype=np.float64), draw(st.integers(0, 12))


@settings(max_examples=60, deadline=None)
@given(cases())
def test_volumes_are_those_of_the_definition(case: tuple[Bool, Float64, int]) -> None:
    """Plain loops give the same, for ties, constant scores and segments at either end."""
    labels, score, window = case
    volume = volume_under_surface(labels, score, window, thresholds=9)
    assert tuple(volume) == pytest.approx(naive(labels, score, window, 9), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_volumes_of_longer_runs(seed: int) -> None:
    """The same for more rows than thresholds, with long windows that merge segments."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(120, np.bool_)
    for first in rng.integers(0, 115, 4):
        labels[first : first + rng.integers(1, 12)] = True
    score = np.round(rng.normal(size=120) + labels, 1)
    volume = volume_under_surface(labels, score, 25, thresholds=30)
    assert tuple(volume) == pytest.approx(naive(labels, score, 25, 30), abs=1e-9)


@pytest.mark.parametrize(
    ("window", "pr", "roc"),
    [
        (0, 0.5763869603189326, 0.7599984226507354),
        (10, 0.6183720086090885, 0.8133198555064631),
        (100, 0.7965513298954865, 0.9248159402314552),
    ],
)
def test_volumes_are_those_of_the_published_code(window: int, pr: float, roc: float) -> None:
    """`RangeAUC_volume_opt` of the packages TSB-AD 1.5 and vus 0.0.6 (PyPI) gave these numbers."""
    labels = np.zeros(400, np.bool_)
    for first, end in ((0, 7), (60, 61), (70, 90), (250, 300), (399, 400)):
        labels[first:end] = True
    score = (37 * np.arange(400) % 101) / 100 + 0.4 * labels
    volume = volume_under_surface(labels, score, window)
    assert (volume.pr, volume.roc) == pytest.approx((pr, roc), abs=1e-9)


def test_the_window_and_thresholds_of_the_scoreboard_are_the_default() -> None:
    """Left out, they are 100 and 250."""
    labels = np.arange(500) // 20 % 7 == 3
    score = np.sin(np.arange(500.0)) + labels
    assert volume_under_surface(labels, score) == volume_under_surface(labels, score, 100, 250)
    assert volume_under_surface(labels, score) != volume_under_surface(labels, score, 99, 250)


def test_rows_without_a_score_rank_lowest() -> None:
    """Missing scores and ones below all others give the same."""
    labels = np.arange(60) // 6 == 4
    score = np.cos(np.arange(60.0))
    missing, low = score.copy(), score.copy()
    missing[20:30], low[20:30] = np.nan, -5.0
    assert volume_under_surface(labels, missing, 10) == volume_under_surface(labels, low, 10)


def test_labels_of_one_kind_are_refused() -> None:
    """There is no volume without segments, nor without anything beside them."""
    with pytest.raises(ValueError, match="labelled normal"):
        volume_under_surface(np.zeros(5, np.bool_), np.ones(5))
    with pytest.raises(ValueError, match="labelled anomalous"):
        volume_under_surface(np.ones(5, np.bool_), np.ones(5))
