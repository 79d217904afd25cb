import numpy as np
import pytest

from models.blocks import Bool, Float64
from models.evaluation.metrics.curves import average_precision, precision_recall, roc_auc

LABELS = np.array([False, False, True, True])
SCORE = np.array([0.1, 0.4, 0.35, 0.8])


def tied(seed: int) -> tuple[Bool, Float64]:
    """Draw labels and scores of few distinct values, some of them missing."""
    rng = np.random.default_rng(seed)
    labels = rng.random(40) < 0.3
    labels[:2] = [False, True]
    score = rng.integers(0, 8, 40) + 2.0 * labels
    score[rng.random(40) < 0.1] = np.nan
    return labels, score


def lowest(score: Float64) -> Float64:
    """Put what is missing below all else."""
    return np.where(np.isnan(score), -1.0, score)


def test_the_textbook_example() -> None:
    """The example of scikit-learn's documentation gives the numbers that it gives there."""
    assert average_precision(LABELS, SCORE) == pytest.approx(0.8333333333333333)
    assert roc_auc(LABELS, SCORE) == 0.75


@pytest.mark.parametrize("seed", range(10))
def test_average_precision_is_the_sum_over_thresholds(seed: int) -> None:
    """Each distinct score is a threshold; precision counts by the recall that it adds."""
    labels, score = tied(seed)
    values, total, before = lowest(score), 0.0, 0.0
    for threshold in sorted(set(values), reverse=True):
        hits = [
            bool(label) for label, value in zip(labels, values, strict=True) if value >= threshold
        ]
        recall = sum(hits) / labels.sum()
        total += (recall - before) * sum(hits) / len(hits)
        before = recall
    assert average_precision(labels, score) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_roc_auc_is_the_share_of_pairs_in_order(seed: int) -> None:
    """It is the share of pairs, anomalous and normal, ranked right, a tie being half right."""
    labels, score = tied(seed)
    values = lowest(score)
    pairs = [(a > b) + 0.5 * (a == b) for a in values[labels] for b in values[~labels]]
    assert roc_auc(labels, score) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_a_constant_score_ranks_nothing() -> None:
    """All rows tie: precision is the share of anomalies, and the area is a half."""
    score = np.ones(4)
    labels = np.array([True, False, False, False])
    assert average_precision(labels, score) == 0.25
    assert roc_auc(labels, score) == 0.5


def test_points_run_from_the_highest_threshold_to_the_lowest() -> None:
    """The curve begins at precision 1, recall 0, and ends with everything predicted."""
    precision, recall = precision_recall(LABELS, SCORE)
    assert precision.tolist() == pytest.approx([1.0, 1.0, 0.5, 2 / 3, 0.5])
    assert recall.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]


def test_rows_without_a_score_rank_lowest() -> None:
    """A missed anomaly without a score is no better than one with the lowest score."""
    missing = np.array([0.1, 0.4, np.nan, 0.8])
    assert average_precision(LABELS, missing) == average_precision(LABELS, lowest(missing))
    assert roc_auc(LABELS, missing) == 0.5


@pytest.mark.parametrize("kind", ["normal", "anomalous"])
def test_labels_of_one_kind_are_refused(kind: str) -> None:
    """There is nothing to rank; the message says which kind is all there is."""
    labels = np.full(4, kind == "anomalous")
    with pytest.raises(ValueError, match=f"all 4 rows are labelled {kind}"):
        average_precision(labels, SCORE)
    with pytest.raises(ValueError, match=kind):
        roc_auc(labels, SCORE)


def test_different_lengths_are_refused() -> None:
    """One score a row is needed."""
    with pytest.raises(ValueError, match="same length"):
        roc_auc(LABELS, SCORE[:3])
