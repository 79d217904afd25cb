"""The rolling threshold against numpy on the same window."""

from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import Float32, Float64
from models.spec import Policy
from models.threshold import RELATIVE_SIGMA_FLOOR
from tests.windows import Windows

ONE: Final = np.array([0])
POLICIES: Final[tuple[Policy, ...]] = ("clip", "all", "exclude")
UPDATES: Final = 1_000_000
LOOKS: Final = 200
WINDOW, MIN_SCORES, Z, FLOOR = 1000, 100, 8.0, 1e-9

policies = st.sampled_from(POLICIES)
windows = st.integers(2, 12)
scores = st.one_of(
    st.floats(0, 1e8),
    st.floats(0, 1e-8),
    st.sampled_from([0.0, 1.0, 1e-8, 1e8, np.nextafter(np.float32(1e8), np.float32(2e8)).item()]),
)


def _threshold(window: int, policy: Policy, z: float = 3.0, *, is_one: bool = False) -> Windows:
    threshold = Windows(window, min(window, 3), is_one=is_one)
    threshold.grow(1)
    threshold.configure(ONE, z, FLOOR, policy)
    return threshold


def _entering(score: float, threshold: float, policy: Policy) -> float | None:
    """Say what a window should take, None for nothing."""
    if policy == "all" or not score > threshold:
        return score
    return threshold if policy == "clip" else None


@settings(deadline=None, max_examples=300)
@given(
    series=st.lists(scores, min_size=1, max_size=80),
    window=windows,
    policy=policies,
    is_one=st.booleans(),
)
def test_mean_and_sigma_are_those_of_numpy(
    series: list[float], window: int, policy: Policy, *, is_one: bool
) -> None:
    """After any scores, under any policy, statistics are those of the last ones that entered."""
    threshold, entered = _threshold(window, policy, is_one=is_one), list[float]()
    for score in series:
        judged = threshold.judged(ONE)
        entering = _entering(score, judged[0], policy)
        if entering is not None:
            entered.append(float(np.float32(entering)))
        threshold.take(ONE, np.array([score]), judged)
        held = np.array(entered[-window:])
        mean, sigma = threshold.spread(ONE)
        assert threshold.held(ONE) == [len(held)]
        np.testing.assert_allclose(mean, held.mean(), rtol=1e-9)
        # below the floor that goes with the mean, sigma has no say in the threshold
        without_effect = 1e-9 * RELATIVE_SIGMA_FLOOR * held.mean()
        np.testing.assert_allclose(sigma, held.std(), rtol=1e-9, atol=without_effect)


@settings(deadline=None)
@given(
    history=st.lists(scores, max_size=30),
    today=scores,
    other=scores,
    window=windows,
    policy=policies,
)
def test_a_score_does_not_move_the_threshold_of_its_day(
    history: list[float], today: float, other: float, window: int, policy: Policy
) -> None:
    """Two streams of one history are judged alike, whatever either of them brings next."""
    threshold, both = Windows(window, 2), np.array([0, 1])
    threshold.grow(2)
    threshold.configure(both, 3.0, FLOOR, policy)
    for score in history:
        threshold.take(both, np.array([score, score]), threshold.judged(both))
    judged = threshold.judged(both)
    np.testing.assert_array_equal(judged[0], judged[1])
    kept = judged.copy()
    threshold.take(both, np.array([today, other]), judged)
    np.testing.assert_array_equal(judged, kept)


@settings(deadline=None)
@given(
    level=st.one_of(st.floats(0, 1e30), st.integers(-30, 30).map(lambda power: 10.0**power)),
    window=windows,
    policy=policies,
    z=st.floats(1, 100),
    is_one=st.booleans(),
)
def test_a_constant_series_never_alarms(
    level: float, window: int, policy: Policy, z: float, *, is_one: bool
) -> None:
    """A score that never changes is never above its threshold, whatever its magnitude."""
    threshold = _threshold(window, policy, z, is_one=is_one)
    for _ in range(3 * window):
        judged = threshold.judged(ONE)
        assert not (level > judged).any()
        threshold.take(ONE, np.array([level]), judged)


def _million() -> Float64:
    """Draw scores from 1e-8 to 1e8: levels that wander and jump, and bursts, `[UPDATES, 3]`."""
    generator = np.random.default_rng(2024)
    place = np.abs(np.linspace(0, 20, UPDATES) % 2 - 1)
    power = -7.0 + 13.0 * place
    calm = (np.arange(UPDATES) // 25_000) % 2 == 0
    jumps = generator.uniform(-7, 7, UPDATES // 5000 + 1).repeat(5000)[:UPDATES]
    power = np.where(calm, power, jumps)
    bursts = np.repeat(generator.random(UPDATES // 20) < 0.002, 20) * generator.uniform(1, 9)
    noise = generator.normal(0, 0.1, (3, UPDATES)) + bursts
    scattered: Float64 = np.clip(10.0 ** (power + noise), 1e-8, 1e8).T
    return np.ascontiguousarray(scattered)


def _entered(series: Float64, judged: Float64, policy: Policy) -> tuple[Float32, Float64]:
    """Say what entered, in order, and how many had by each update."""
    above = series > judged
    whole = np.where(above, judged, series) if policy == "clip" else series
    kept = ~above if policy == "exclude" else np.ones(len(series), np.bool_)
    return whole[kept].astype(np.float32), np.cumsum(kept)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("is_one", [False, True])
def test_a_million_updates_later_it_is_still_that_of_numpy(is_one: bool) -> None:
    """Under each policy, mean, sigma and threshold stay exact over a million wild updates."""
    slots, series = np.arange(3), _million()
    threshold = Windows(WINDOW, MIN_SCORES, is_one=is_one)
    threshold.grow(3)
    for slot, policy in enumerate(POLICIES):
        threshold.configure(np.array([slot]), Z, FLOOR, policy)
    judged, looks = np.empty_like(series), {}
    for at, row in enumerate(series):
        judged[at] = threshold.judged(slots)
        threshold.take(slots, row, judged[at])
        if (at + 1) % (UPDATES // LOOKS) == 0:
            looks[at] = (*threshold.spread(slots), threshold.judged(slots))
    for slot, policy in enumerate(POLICIES):
        entered, count = _entered(series[:, slot], judged[:, slot], policy)
        for at, (mean, sigma, limit) in looks.items():
            held = entered[: count[at]][-WINDOW:].astype(np.float64)
            floor = max(FLOOR, RELATIVE_SIGMA_FLOOR * held.mean())
            np.testing.assert_allclose(mean[slot], held.mean(), rtol=1e-9)
            np.testing.assert_allclose(sigma[slot], held.std(), rtol=1e-9)
            expected = held.mean() + Z * max(held.std(), floor)
            np.testing.assert_allclose(limit[slot], expected, rtol=1e-9)
