import numpy as np
import pytest

from models.blocks import Bool, Float64
from models.evaluation.metrics.adjusted import point_adjusted, random_f1


def naive_f1(labels: Bool, score: Float64) -> float:
    """Adjust the predictions at every distinct score, segment by segment; return the best F1."""
    best = 0.0
    for threshold in set(score):
        predicted = (score >= threshold).tolist()
        row = 0
        while row < len(labels):
            end = row
            while end < len(labels) and labels[end]:
                end += 1
            if any(predicted[row:end]):
                predicted[row:end] = [True] * (end - row)
            row = end + 1
        true = sum(p for p, label in zip(predicted, labels, strict=True) if label)
        best = max(best, 2 * true / (sum(predicted) + int(labels.sum())))
    return best


@pytest.mark.parametrize("seed", range(20))
def test_f1_is_the_best_of_all_thresholds(seed: int) -> None:
    """It equals the F1 of adjusting at each distinct score, ties among them."""
    rng = np.random.default_rng(seed)
    labels = rng.random(60) < rng.choice([0.1, 0.5])
    labels[:2] = [seed % 2 == 0, seed % 2 == 1]
    score = np.round(rng.normal(size=60) + labels, 1 if seed % 3 else 0)
    assert point_adjusted(labels, score).f1 == pytest.approx(naive_f1(labels, score), abs=1e-12)


def test_one_row_of_a_segment_finds_all_of_it() -> None:
    """One hit in three anomalous rows counts three; one false positive costs precision."""
    labels = np.array([False, True, True, True, False, False, True])
    score = np.array([0.0, 0.1, 0.9, 0.1, 0.95, 0.0, 0.2])
    figures = point_adjusted(labels, score)
    assert figures.precision == pytest.approx(4 / 5)
    assert figures.recall == 1.0
    assert figures.f1 == pytest.approx(8 / 9)


def test_random_scores_do_well_on_long_segments() -> None:
    """The same share of anomalies, in one piece or in single rows: only the first flatters."""
    long, single = np.zeros((2, 2000), np.bool_)
    long[500:700] = True
    single[::10] = True
    assert random_f1(long) > 0.9
    assert random_f1(single) < 0.3
    assert point_adjusted(long, np.zeros(2000)).random_f1 == random_f1(long)


def test_random_f1_is_fixed_by_the_seed() -> None:
    """The same seed gives the same figure, another one another."""
    labels = np.arange(300) % 30 == 0
    assert random_f1(labels, 1) == random_f1(labels, 1)
    assert random_f1(labels, 1) != random_f1(labels, 2)


def test_rows_without_a_score_are_predicted_last() -> None:
    """A segment that has no scores is found only where everything is predicted."""
    labels = np.array([True, False, False, False, True])
    figures = point_adjusted(labels, np.array([0.9, 0.1, 0.1, 0.2, np.nan]))
    assert (figures.precision, figures.recall) == (1.0, 0.5)


def test_labels_of_one_kind_are_refused() -> None:
    """Without a segment there is nothing to find."""
    with pytest.raises(ValueError, match="labelled normal"):
        point_adjusted(np.zeros(3, np.bool_), np.ones(3))
