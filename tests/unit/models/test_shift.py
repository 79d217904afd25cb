"""Level shifts: what is told of them, and what an anomaly leaves behind in the window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import NO_TIME
from models.numbers import EPISODE, WINDOW_SUMS
from models.shift import BACK, LONG, SHIFTED, shifted_since
from models.spec import Policy
from tests.episodes import BEGUN, WINDOW, Streams, running, usual

ONE = np.array([0])
both = pytest.mark.parametrize("is_one", [False, True])


@both
def test_the_threshold_follows_a_long_anomaly_and_the_shift_is_told(is_one: bool) -> None:
    """Window 1000, z 8, scores x 100 for 200 steps: within 40 to 100 steps; told at the 48th."""
    streams = running(is_one=is_one)
    _, is_anomaly, since = streams.see(usual(200, seed=1, level=100.0))
    followed = int(np.flatnonzero(~is_anomaly)[0])
    assert 40 <= followed <= 100
    assert since[: SHIFTED - 1, 0].tolist() == [NO_TIME] * (SHIFTED - 1)
    assert set(since[SHIFTED - 1 :, 0].tolist()) == {BEGUN}


@both
def test_a_shift_is_told_of_scores_most_of_which_are_above(is_one: bool) -> None:
    """48 of the last 60, whichever; 47 are none. The time is that of the first anomaly."""
    for below, is_told in ((12, True), (13, False)):
        streams = running(is_one=is_one)
        scores = np.full(60, 100.0)
        scores[1 : 1 + 4 * below : 4] = 1.0
        _, is_anomaly, since = streams.see(scores)
        assert is_anomaly[0]
        assert bool(since[-1, 0] == BEGUN) is is_told
        assert shifted_since(streams.record.columns(ONE))[0] == since[-1, 0]


@both
@pytest.mark.parametrize("steps", [LONG, 48, 200, WINDOW - 2 * BACK])
def test_when_scores_come_back_the_window_is_what_it_was(is_one: bool, steps: int) -> None:
    """Bit for bit: as if only the last of the ten scores that tell it had entered."""
    streams, other = running(is_one=is_one), running(is_one=is_one)
    after = usual(BACK, seed=2)
    streams.see(usual(steps, seed=1, level=100.0))
    streams.see(after[:-1])
    assert len(streams.shifts.held) == 1
    streams.see(after[-1:])
    other.see(after[-1:])
    assert len(streams.shifts.held) == 0
    assert streams.state() == other.state()
    assert streams.judged(ONE).tolist() == other.judged(ONE).tolist()


@both
def test_a_burst_right_after_a_long_anomaly_is_found(is_one: bool) -> None:
    """A plain rolling threshold is blind for it a whole window long."""
    streams, plain = running(is_one=is_one), running(is_one=is_one, has_episodes=False)
    for one in (streams, plain):
        one.see(usual(200, seed=1, level=100.0))
        one.see(usual(BACK, seed=2))
    burst = usual(5, seed=3, level=20.0)
    assert streams.see(burst)[1].all()
    assert not plain.see(burst)[1].any()
    plain.see(usual(700, seed=4))
    assert not plain.see(burst)[1].any()


@both
@pytest.mark.parametrize("policy", ["clip", "all", "exclude"])
def test_a_short_burst_leaves_what_the_policy_leaves(is_one: bool, policy: Policy) -> None:
    """Two scores hardly move the threshold: the window is as without episodes."""
    streams = running(policy, is_one=is_one)
    plain = running(policy, is_one=is_one, has_episodes=False)
    scores = np.concatenate([usual(LONG - 1, seed=1, level=100.0), usual(50, seed=2)])
    found, expected = streams.see(scores), plain.see(scores)
    assert found[0].tobytes() == expected[0].tobytes()
    assert streams.state() == plain.state()
    assert streams.record["lasted"][0] == len(streams.shifts.held) == 0


@both
def test_a_level_that_stays_is_the_usual_one_after_a_window(is_one: bool) -> None:
    """No shift is told any more, the threshold is as if it had never been another."""
    streams = running(is_one=is_one)
    _, is_anomaly, since = streams.see(usual(2 * WINDOW, seed=1, level=100.0))
    assert (since[SHIFTED - 1 : WINDOW, 0] == BEGUN).all()
    assert (since[WINDOW + 1 :] == NO_TIME).all()
    assert not is_anomaly[300:].any()
    assert len(streams.shifts.held) == 0
    fresh = Streams(is_one=is_one)
    fresh.see(usual(WINDOW, seed=1, level=100.0))
    assert streams.judged(ONE) == pytest.approx(fresh.judged(ONE), rel=0.1)
    assert streams.see(np.full(1, 1000.0))[1].all()
    assert streams.see(usual(BACK, seed=5))[0][-1] > 100.0


@both
def test_a_slow_drift_is_no_shift(is_one: bool) -> None:
    """To the tenfold level over five windows; the threshold goes with it."""
    streams, plain = running(is_one=is_one), running(is_one=is_one, has_episodes=False)
    scores = usual(5000, seed=1) * np.linspace(1.0, 10.0, 5000)
    found, expected = streams.see(scores), plain.see(scores)
    assert (found[2] == NO_TIME).all()
    assert found[0].tobytes() == expected[0].tobytes()


@both
def test_policy_all_gets_its_window_back_too(is_one: bool) -> None:
    """Its threshold follows at once, and the shift is told all the same."""
    streams, other = running("all", is_one=is_one), running("all", is_one=is_one)
    _, is_anomaly, since = streams.see(usual(100, seed=1, level=100.0))
    assert 1 <= is_anomaly.sum() < SHIFTED
    assert (since[SHIFTED - 1 :, 0] == BEGUN).all()
    after = usual(BACK, seed=2)
    streams.see(after)
    other.see(after[-1:])
    assert streams.state() == other.state()


@both
def test_policy_exclude_alarms_as_long_as_it_lasts(is_one: bool) -> None:
    """Nothing enters, so nothing is held and nothing given up; the shift is told to the end."""
    streams = running("exclude", is_one=is_one)
    before = streams.state()
    _, is_anomaly, since = streams.see(usual(2 * WINDOW, seed=1, level=100.0))
    assert is_anomaly.all()
    assert (since[SHIFTED - 1 :, 0] == BEGUN).all()
    assert len(streams.shifts.held) == 0
    assert streams.state() == before
    streams.see(usual(BACK, seed=2))
    assert streams.record["lasted"].tolist()[0] == 0
    assert (streams.see(usual(50, seed=3))[2] == NO_TIME).all()


@both
def test_a_window_that_is_not_full_is_put_back_full(is_one: bool) -> None:
    """What it held is repeated until it is full: mean, sigma and threshold are as they were."""
    streams = Streams(is_one=is_one)
    before = streams.see(usual(400))[0][-1, 0]
    found = streams.see(usual(70, seed=1, level=100.0))
    assert found[2][60, 0] == BEGUN + 400
    assert found[0][-1, 0] > 5 * before
    after = streams.see(usual(30, seed=2))
    assert after[0][-1, 0] == pytest.approx(before, rel=0.05)
    assert streams.record["entered"][0] % WINDOW == 30 - BACK + 1
    assert len(streams.shifts.held) == streams.record["lasted"][0] == 0


@both
def test_scores_that_are_nan_do_nothing_in_an_episode(is_one: bool) -> None:
    """A washout after a gap is neither back nor above, however long."""
    streams, other = running(is_one=is_one), running(is_one=is_one)
    for one in (streams, other):
        one.see(usual(30, seed=1, level=100.0))
    streams.see(np.full(60, np.nan))
    streams.time = other.time
    assert streams.state() == other.state()
    for name in EPISODE:
        assert streams.record[name][0] == other.record[name][0]
    later = np.concatenate([usual(30, seed=2, level=100.0), usual(30, seed=3)])
    for found, same in zip(streams.see(later), other.see(later), strict=True):
        assert found.tobytes() == same.tobytes()


@both
def test_an_episode_begins_anew_with_a_time_of_its_own(is_one: bool) -> None:
    """The bits of the one before are forgotten."""
    streams = running(is_one=is_one)
    streams.see(usual(50, seed=1, level=100.0))
    streams.see(usual(BACK, seed=2))
    begun = streams.time
    _, _, since = streams.see(usual(60, seed=3, level=100.0))
    assert (since[: SHIFTED - 1] == NO_TIME).all()
    assert (since[SHIFTED - 1 :, 0] == begun).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), window=st.sampled_from([20, 70]))
def test_one_stream_in_plain_numbers_is_one_of_many(seed: int, window: int) -> None:
    """Bursts, long anomalies, NaN and every policy, in any order: the same is said and kept."""
    random = np.random.default_rng(seed)
    scores = random.gamma(9.0, 1 / 9.0, (250, 6))
    for column in range(6):
        for begin in random.integers(0, 250, 5):
            scores[begin : begin + random.integers(1, 90), column] *= random.choice([5.0, 100.0])
    scores[random.random(scores.shape) < 0.03] = np.nan
    many, ones = Streams(6, window), Streams(6, window, is_one=True)
    policies: list[Policy] = ["clip", "all", "exclude", "clip", "clip", "all"]
    for streams in (many, ones):
        for slot, policy in enumerate(policies):
            streams.configure(np.array([slot]), 4.0, 1e-6, policy)
    found, expected = many.see(scores), ones.see(scores)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    assert found[2].tolist() == expected[2].tolist()
    assert many.shifts.held.rows(many.slots).keys() == ones.shifts.held.rows(ones.slots).keys()
    for name in (*EPISODE, *WINDOW_SUMS):
        np.testing.assert_allclose(
            many.record[name][:6], ones.record[name][:6], rtol=1e-6, atol=1e-9, err_msg=name
        )
