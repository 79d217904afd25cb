import numpy as np

from service.demo.plant import METRICS, SEASON_STEPS, Plant

THERMAL = ["bearing_temp_c", "motor_temp_c"]
NAMES = [metric.name for metric in METRICS]


def test_same_seed_gives_the_same_day() -> None:
    """A plant is repeatable by its seed, and another seed is another day."""
    first, again, other = (Plant(2, seed).normal(50) for seed in (3, 3, 4))

    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).all(axis=1).any()


def test_stepping_equals_recording() -> None:
    """What is streamed is what would have been recorded."""
    recorded = Plant(1, 5).normal(20)
    plant = Plant(1, 5)

    streamed = [plant.step()["plant-a/pump-1"] for _ in range(20)]

    np.testing.assert_array_equal(streamed, recorded)


def test_recording_holds_the_pumps_end_to_end() -> None:
    """The recording is one array with every pump's steps, finite throughout."""
    recording = Plant(3, 1).normal(40)

    assert recording.shape == (3 * 40, len(METRICS))
    assert np.isfinite(recording).all()


def test_readings_cover_the_stated_normal_range() -> None:
    """Each metric's range is the one that faults are measured by, within a tenth of its width."""
    recording = Plant(6, 11).normal(4 * SEASON_STEPS)
    low, high = np.percentile(recording, [0.5, 99.5], axis=0)

    for column, metric in enumerate(METRICS):
        tolerance = 0.1 * (metric.high - metric.low)
        assert abs(low[column] - metric.low) < tolerance, metric.name
        assert abs(high[column] - metric.high) < tolerance, metric.name


def test_metrics_are_correlated() -> None:
    """All metrics follow one demand; the temperatures lag behind it."""
    readings = Plant(1, 2).normal(1_000)
    fast = [column for column, name in enumerate(NAMES) if name not in THERMAL]

    assert np.min(np.corrcoef(readings[:, fast].T)) > 0.95
    assert 0.7 < np.min(np.corrcoef(readings.T)) < 0.95


def test_demand_is_seasonal() -> None:
    """A season apart the flow is alike, half a season apart it is the opposite."""
    flow = Plant(1, 2).normal(8 * SEASON_STEPS)[:, NAMES.index("flow_m3h")]
    flow -= flow.mean()

    assert np.corrcoef(flow[:-SEASON_STEPS], flow[SEASON_STEPS:])[0, 1] > 0.7
    assert np.corrcoef(flow[: -SEASON_STEPS // 2], flow[SEASON_STEPS // 2 :])[0, 1] < -0.7


def test_noise_is_that_of_the_instruments() -> None:
    """Around its smooth course a reading scatters by the metric's stated noise."""
    recording = Plant(1, 9).normal(5_000)
    third_difference = np.diff(recording, 3, axis=0)
    measured = third_difference.std(axis=0) / np.sqrt(1 + 9 + 9 + 1)

    np.testing.assert_allclose(measured, [metric.noise for metric in METRICS], rtol=0.1)


def test_pumps_differ_a_little() -> None:
    """No two pumps are the same, yet all are of one kind."""
    plant = Plant(4, 6)
    flow_per_speed = []
    for pump in plant.pumps.values():
        readings = np.array([pump.step() for _ in range(2_000)])
        flow_per_speed.append(readings[:, 1].sum() / readings[:, 0].sum())

    spread = np.ptp(flow_per_speed) / np.mean(flow_per_speed)
    assert 0.001 < spread < 0.1


def test_pumps_are_the_same_individuals_on_every_day() -> None:
    """Training and demo see the same pumps: the seed changes the day, not the plant."""
    trained_on, streamed = Plant(2, 1), Plant(2, 2)
    ratios = [
        [
            np.mean([readings[1] / readings[0] for readings in (pump.step() for _ in range(500))])
            for pump in plant.pumps.values()
        ]
        for plant in (trained_on, streamed)
    ]

    np.testing.assert_allclose(ratios[0], ratios[1], rtol=0.001)
    assert trained_on.stream_ids == streamed.stream_ids == ["plant-a/pump-1", "plant-a/pump-2"]
