import json
import os
from math import erfc, exp, inf, nan, sqrt
from pathlib import Path

import numpy as np
import pytest

from models.blocks import Float64
from models.evaluation.metrics.nab import NabFile, nab_score
from models.evaluation.metrics.windowed_gaussian import windowed_gaussian

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("STEPWATCH_SHARED_DATA", ROOT.parent / "shared" / "data")) / "nab"
PUBLISHED = {
    "realKnownCause/ec2_request_latency_system_failure.csv": 2.02150685678,
    "realKnownCause/rogue_agent_key_hold.csv": -2.44,
    "realKnownCause/rogue_agent_key_updown.csv": -1.3964908955,
    "realKnownCause/cpu_utilization_asg_misconfiguration.csv": -1.11,
}
"""From results/windowedGaussian/windowedGaussian_standard_scores.csv of numenta/NAB at de8e91a."""


def sigmoid(position: float) -> float:
    """Scale a sigmoid as NAB does."""
    return 2.0 / (1.0 + exp(5.0 * position)) - 1.0


def of(score: list[float], *windows: tuple[int, int]) -> NabFile:
    """Make a file."""
    return NabFile(score=np.array(score), windows=windows)


def naive(files: list[NabFile], threshold: float) -> float:
    """Score one threshold as the paper says: windows by their first hit, then false positives."""
    total = 0.0
    for file in files:
        predicted = np.flatnonzero(file.score >= threshold)
        for first, last in file.windows:
            hits = [row for row in predicted if first <= row <= last]
            if not hits:
                total -= 1.0
            else:
                at = -(last - hits[0] + 1) / (last - first + 1)
                total += sigmoid(at) / sigmoid(-1.0)
        for row in predicted:
            before = [w for w in file.windows if w[1] < row]
            if any(first <= row <= last for first, last in file.windows):
                continue
            behind = (row - before[-1][1]) / (before[-1][1] - before[-1][0]) if before else inf
            total += 0.11 * (sigmoid(behind) if behind < 3 else -1.0)
    return total


def test_a_perfect_detector_scores_100() -> None:
    """The first row of each window and nothing else."""
    found = nab_score([of([0, 0, 1, 0, 0, 0], (2, 4)), of([0, 1, 0, 0], (1, 2))])
    assert found.score == pytest.approx(100.0)
    assert (found.threshold, found.null, found.perfect) == (1.0, -2.0, 2.0)


def test_a_detector_that_tells_nothing_scores_0() -> None:
    """Where any threshold costs more than it finds, predicting nothing is best."""
    found = nab_score([of([1.0] * 200, (150, 151))])
    assert found.score == 0.0
    assert found.threshold == inf
    assert found.raw == -1.0


def test_a_late_hit_counts_less() -> None:
    """The third of four rows of a window is half of it before its end."""
    found = nab_score([of([0, 0, 0, 0, 1, 0], (2, 5))])
    assert found.raw == pytest.approx(sigmoid(-0.5) / sigmoid(-1.0))


def test_false_positives_cost_by_their_distance_behind_a_window() -> None:
    """Before any window and far behind it costs 0.11, two rows behind one of five rows less."""
    score = [0.0] * 40
    score[1] = score[5] = score[11] = score[35] = 1.0
    found = nab_score([of(score, (5, 9))])
    assert found.raw == pytest.approx(1.0 + 0.11 * (-1.0 + sigmoid(2 / 4) - 1.0))


def test_a_window_counts_once_by_its_earliest_hit() -> None:
    """A lower threshold that adds an earlier row raises the worth; a later one adds nothing."""
    late = nab_score([of([0.0, 0.1, 0.1, 0.9], (0, 3))])
    assert late.threshold == 0.0
    assert late.raw == pytest.approx(1.0)
    assert nab_score([of([0.9, 0.1, 0.1, 0.9], (0, 3))]).threshold == 0.9


def test_one_threshold_serves_all_files() -> None:
    """The best for each file alone would score higher than the best for both."""
    one, other = of([0, 5, 0, 1, 1, 1], (1, 2)), of([0, 0, 1, 0, 0, 0], (2, 3))
    both = nab_score([one, other])
    assert both.raw < nab_score([one]).raw + nab_score([other]).raw
    assert both.raw == pytest.approx(max(naive([one, other], t) for t in (0, 1, 5)))


@pytest.mark.parametrize("seed", range(20))
def test_the_score_is_the_best_of_all_thresholds(seed: int) -> None:
    """Trying every threshold with plain loops finds no better one, and the same for that one."""
    rng = np.random.default_rng(seed)
    files = []
    for _ in range(3):
        score = np.round(rng.random(120), 2)
        score[[33, 75]] += rng.random(2)
        files.append(NabFile(score=score, windows=((30, 38), (70, 80))))
    found = nab_score(files)
    thresholds = {inf, *np.concatenate([file.score for file in files])}
    assert found.raw == pytest.approx(max(naive(files, t) for t in thresholds), abs=1e-9)
    assert found.raw == pytest.approx(naive(files, found.threshold), abs=1e-9)


def test_rows_without_a_score_are_never_predicted() -> None:
    """A window of missing scores is missed, whatever the threshold."""
    assert nab_score([of([nan, nan, 1.0, nan], (0, 1), (2, 3))]).raw == 0.0


def test_a_window_that_begins_in_the_probation_keeps_its_width() -> None:
    """Its hit is as late as it is in the whole file; one wholly before is left out."""
    found = nab_score([of([1.0, 0.0, 0.0, 1.0], (-9, -8), (-2, 1))])
    assert found.raw == pytest.approx(sigmoid(-0.5) / sigmoid(-1.0) + 0.11 * sigmoid(2 / 3))
    assert found.perfect == 1.0


def test_a_false_positive_behind_a_window_of_one_row_costs_all() -> None:
    """A window of one row has no width to be close behind."""
    assert nab_score([of([0.0, 1.0, 1.0, 0.0], (1, 1))]).raw == pytest.approx(1.0 - 0.11, abs=1e-12)


def test_what_makes_no_sense_is_refused() -> None:
    """Windows outside the file, over each other, or none at all."""
    with pytest.raises(ValueError, match="do not fit"):
        nab_score([of([0.0, 1.0], (1, 2))])
    with pytest.raises(ValueError, match="overlap"):
        nab_score([of([0.0] * 9, (1, 4), (4, 6))])
    with pytest.raises(ValueError, match="at least one anomaly window"):
        nab_score([of([0.0, 1.0])])


def naive_gaussian(values: Float64, window: int, step: int) -> list[float]:
    """Score value by value with a list and a buffer, as a stream would."""
    held: list[float] = []
    waiting: list[float] = []
    scores = []
    for value in values.tolist():
        z = abs(value - np.mean(held)) / (np.std(held) or 1e-6) if held else None
        scores.append(0.0 if z is None else 1.0 - 0.5 * erfc(z / sqrt(2)))
        if len(held) < window:
            held.append(value)
            continue
        waiting.append(value)
        if len(waiting) == step:
            held, waiting = held[step:] + waiting, []
    return scores


@pytest.mark.parametrize("n", [1, 2, 7, 8, 9, 11, 60])
def test_windowed_gaussian_slides_as_a_stream_would(n: int) -> None:
    """The scores are those of going value by value, around the first full window too."""
    values = np.random.default_rng(n).normal(size=n)
    values[:3] = 2.0
    assert windowed_gaussian(values, 8, 3) == pytest.approx(naive_gaussian(values, 8, 3), abs=1e-12)


def test_windowed_gaussian_of_values_that_never_change() -> None:
    """A millionth stands for their standard deviation: a millionth more is one of it above."""
    scores = windowed_gaussian(np.array([0.0, 0.0, 0.0, 1e-6]))
    assert scores == pytest.approx([0.0, 0.5, 0.5, 0.8413447], abs=1e-7)


def test_windowed_gaussian_of_nothing_is_nothing() -> None:
    """A step beyond the window has no meaning, no values have no scores."""
    assert windowed_gaussian(np.zeros(0)).size == 0
    with pytest.raises(ValueError, match="step 5"):
        windowed_gaussian(np.zeros(9), 4, 5)


@pytest.mark.integration
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_scores_of_the_windowed_gaussian(name: str) -> None:
    """On NAB's files, scores kept to 12 digits as its results are, at 1 give its own figures."""
    if not (DATA / "data" / name).exists():
        pytest.skip(f"{name} is not in STEPWATCH_SHARED_DATA or ../shared/data")
    lines = (DATA / "data" / name).read_text().splitlines()[1:]
    times = [line.split(",")[0] for line in lines]
    values = np.array([float(line.split(",")[1]) for line in lines])
    every = json.loads((DATA / "labels" / "combined_windows.json").read_text())
    probation = min(int(0.15 * len(lines)), 750)
    windows = [[times.index(time[:19]) - probation for time in window] for window in every[name]]
    score = np.round(windowed_gaussian(values), 12)[probation:]
    file = NabFile(score=score, windows=tuple((first, last) for first, last in windows))
    assert naive([file], 1.0) == pytest.approx(PUBLISHED[name], abs=1e-9)
