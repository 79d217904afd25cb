from typing import Any

import numpy as np
import pytest

from models.blocks import Float64, Int
from models.spec import Policy
from models.threshold import LARGEST
from tests.windows import Windows

ONE = np.array([0])


def _threshold(
    window: int = 8,
    min_scores: int = 4,
    *,
    z: float = 3.0,
    sigma_floor: float = 1e-6,
    policy: Policy = "clip",
) -> Windows:
    threshold = Windows(window, min_scores)
    threshold.grow(1)
    threshold.configure(ONE, z, sigma_floor, policy)
    return threshold


def _enter(threshold: Windows, scores: list[float], slots: Int = ONE) -> Float64:
    """Judge and enter one score after the other; gives the thresholds they were judged by."""
    judged = []
    for score in scores:
        judged.append(threshold.judged(slots))
        threshold.take(slots, np.full(len(slots), score), judged[-1])
    return np.concatenate(judged)


def test_there_is_no_threshold_before_enough_scores() -> None:
    """Until the window holds `min_scores` the threshold is NaN, then mean + z * sigma."""
    threshold = _threshold()
    judged = _enter(threshold, [1, 2, 3, 4, 2])
    assert np.isnan(judged[:4]).all()
    assert judged[4] == pytest.approx(2.5 + 3 * np.std([1, 2, 3, 4]))
    assert threshold.held(ONE).tolist() == [5]


def test_the_oldest_score_leaves_a_full_window() -> None:
    """Mean and sigma are those of the last `window` scores."""
    threshold = _threshold(policy="all")
    _enter(threshold, [float(score) for score in range(20)])
    mean, sigma = threshold.spread(ONE)
    assert mean == pytest.approx([15.5])
    assert sigma == pytest.approx([np.std(range(12, 20))])
    assert threshold.held(ONE).tolist() == [8]


@pytest.mark.parametrize(("policy", "entered"), [("clip", None), ("all", 1000.0), ("exclude", 0)])
def test_policies_for_a_score_above_the_threshold(policy: Policy, entered: float | None) -> None:
    """It enters as the threshold, whole, or not at all."""
    threshold = _threshold(policy=policy)
    _enter(threshold, [1, 2, 1, 2])
    limit = _enter(threshold, [1000])[0]
    assert limit < 1000
    expected = [1, 2, 1, 2] + ([] if entered == 0 else [limit if entered is None else entered])
    assert threshold.held(ONE).tolist() == [len(expected)]
    assert threshold.spread(ONE)[0] == pytest.approx([np.mean(expected)])


def test_warm_up_takes_every_score_whole() -> None:
    """While there is no threshold yet, nothing is above it, whatever the policy."""
    for policy in ("clip", "all", "exclude"):
        threshold = _threshold(policy=policy)
        _enter(threshold, [1, 500, 1])
        assert threshold.spread(ONE)[0] == pytest.approx([502 / 3])


def test_clip_follows_a_level_shift_and_exclude_does_not() -> None:
    """After a lasting shift the clipped window stops alarming within some windows."""
    shifted = [1.0, 1.1] * 10 + [50.0, 51.0] * 50
    still_above = {
        policy: int((shifted[-1] > _enter(_threshold(policy=policy), shifted)[-10:]).sum())
        for policy in ("clip", "exclude")
    }
    assert still_above == {"clip": 0, "exclude": 10}


def test_sigma_has_a_floor() -> None:
    """A constant series has a threshold above itself: by the floor, or by a share of the mean."""
    low, high = _threshold(sigma_floor=0.5), _threshold()
    _enter(low, [0.0] * 10)
    _enter(high, [1e6] * 10)
    assert low.judged(ONE).tolist() == [1.5]
    assert high.judged(ONE) == pytest.approx([1e6 + 3 * 1e3])


def test_priming_fills_the_window_with_the_last_scores() -> None:
    """More scores than the window holds: the last ones count, and the oldest leaves first."""
    threshold = _threshold(policy="all")
    threshold.prime(ONE, np.arange(20, dtype=np.float32))
    assert threshold.held(ONE).tolist() == [8]
    _enter(threshold, [100.0])
    assert threshold.spread(ONE)[0] == pytest.approx([np.mean([*range(13, 20), 100])])


def test_priming_with_few_or_no_scores_leaves_warm_up() -> None:
    """A window that is not full enough after priming has no threshold yet."""
    threshold = _threshold()
    threshold.prime(ONE, np.empty(0, np.float32))
    assert threshold.held(ONE).tolist() == [0]
    threshold.prime(ONE, np.array([1, 2], np.float32))
    assert np.isnan(_enter(threshold, [1.0, 2.0, 1.0])).tolist() == [True, True, False]


def test_a_cleared_window_is_like_a_new_one() -> None:
    """Nothing of what a window held before it was cleared is left."""
    used, fresh = _threshold(policy="all"), _threshold(z=5.0)
    _enter(used, [1e8, 1e-8] * 10)
    used.configure(ONE, 5.0, 1e-6, "clip")
    used.clear(ONE)
    scores = [1.0, 2.0, 3.0, 2.0, 9.0, 1.0]
    np.testing.assert_array_equal(_enter(used, scores), _enter(fresh, scores))
    assert used.scores["ring"].tobytes() == fresh.scores["ring"].tobytes()


def test_slots_do_not_see_each_other() -> None:
    """Each slot has its own window, z and policy, also after making room for more."""
    threshold = _threshold(policy="all")
    _enter(threshold, [1, 2, 3, 4, 5])
    before = threshold.judged(ONE)
    threshold.grow(7)
    threshold.configure(np.array([6, 2]), 9.0, 1.0, "exclude")
    _enter(threshold, [7, 7, 7, 7, 7], np.array([2, 6]))
    assert threshold.judged(ONE).tolist() == before.tolist()
    assert threshold.judged(np.array([6, 2])).tolist() == [16.0, 16.0]
    assert np.isnan(threshold.judged(np.array([4]))).all()


def test_a_score_beyond_float32_does_not_blind_the_stream() -> None:
    """It enters as the largest float32; once it has left, the window is exact again."""
    threshold = _threshold(policy="all")
    _enter(threshold, [1, 2, 1, np.inf, 1e300])
    assert threshold.spread(ONE)[0] == pytest.approx([(4 + 2 * LARGEST) / 5])
    _enter(threshold, [1, 2] * 4)
    assert threshold.judged(ONE) == pytest.approx([1.5 + 3 * 0.5])


def test_entering_nothing_changes_nothing() -> None:
    """An empty batch is fine."""
    threshold = _threshold()
    none = np.empty(0, np.int64)
    threshold.take(none, np.empty(0), threshold.judged(none))
    assert threshold.held(ONE).tolist() == [0]


@pytest.mark.parametrize("sizes", [(8, 1), (8, 0), (1, 1), (8, 9)])
def test_impossible_sizes_are_refused(sizes: tuple[int, int]) -> None:
    """A window needs two scores at least, and can't wait for more than it holds."""
    with pytest.raises(ValueError, match="2 <= min_scores"):
        Windows(*sizes)


@pytest.mark.parametrize(
    "options",
    [{"z": 0.0}, {"z": np.nan}, {"sigma_floor": 0.0}, {"sigma_floor": -1.0}, {"policy": "median"}],
)
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    """The factor and the floor must be above 0, the policy known; the slot stays as it was."""
    threshold = _threshold()
    _enter(threshold, [1, 2, 1, 2])
    before = threshold.judged(ONE)
    possible: dict[str, Any] = {"z": 1.0, "sigma_floor": 1.0, "policy": "all"}
    with pytest.raises(ValueError, match="must be > 0"):
        threshold.configure(ONE, **(possible | options))
    assert threshold.judged(ONE).tolist() == before.tolist()


def test_configuring_keeps_the_window() -> None:
    """Another z judges by the same scores."""
    threshold = _threshold()
    _enter(threshold, [1, 2, 1, 2])
    threshold.configure(ONE, 5.0, 1e-6, "all")
    assert threshold.judged(ONE) == pytest.approx([1.5 + 5 * 0.5])
