from functools import cache
from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import NO_SEQ, Float64, ObservationBlock, Phase, VerdictBlock
from models.checkpoint import Checkpoint
from models.epochs import FitError
from models.options import StreamOptions
from models.spec import REFERENCE_STEPS
from service.host.learning import (
    LEAST_READINGS,
    Lesson,
    is_stand_in,
    learn,
    ranged,
    stand_in,
)
from service.host.metrics import metric_of

NAMES = [
    "cpu_user_percent",
    "cpu_system_percent",
    "load_1m",
    "memory_used_percent",
    "context_switches_per_s",
    "disk_sda_read_bytes_per_s",
    "disk_sda_write_bytes_per_s",
    "disk_sda_busy_percent",
]


def quiet(rows: int, seed: int = 0) -> Float64:
    """Readings of a computer that does next to nothing, and never reads from its disk."""
    random = np.random.default_rng(seed)
    user, system = random.gamma(2.0, 0.8, rows), random.gamma(2.0, 0.4, rows)
    written = random.gamma(0.5, 60_000.0, rows)
    return np.column_stack(
        [
            user,
            system,
            np.full(rows, 0.1),
            np.full(rows, 23.0),
            random.normal(400, 30, rows),
            np.zeros(rows),
            written,
            written / 40_000,
        ]
    )


@cache
def learned() -> Checkpoint:
    """A model of five quiet minutes."""
    lesson = Lesson(
        names=NAMES, values=quiet(LEAST_READINGS), step_s=1.0, false_alarms_per_day=24.0
    )
    return learn(lesson, lambda _: None)


def judged(checkpoint: Checkpoint, values: Float64) -> VerdictBlock:
    """Let a stream go on from what was learned."""
    bank, slots = StreamBank(checkpoint), np.zeros(len(values), np.int64)
    bank.start(slots[:1], StreamOptions(start="reference"))
    return bank.advance(
        ObservationBlock(
            slots=slots,
            times=np.arange(len(values)) * 1_000_000,
            seqs=np.full(len(values), NO_SEQ),
            values=values,
            explain=np.zeros(len(values), np.bool_),
            arrival=0,
        )
    )


def test_watching_begins_at_once() -> None:
    """Five minutes are enough for a threshold, and what goes on as before is no anomaly."""
    found = judged(learned(), quiet(120, seed=1))
    assert set(found.phase.tolist()) == {int(Phase.LIVE)}
    assert not (found.is_anomaly > 0).any()


@pytest.mark.parametrize(
    ("metric", "value"),
    [("cpu_user_percent", 95.0), ("disk_sda_write_bytes_per_s", 100e6)],
)
def test_a_burst_is_found_for_as_long_as_an_alert_needs(metric: str, value: float) -> None:
    """Three readings in a row are anomalies, though each raises the threshold for the next."""
    values = quiet(60, seed=2)
    values[40:46, NAMES.index(metric)] = value
    found = judged(learned(), values)
    assert (found.is_anomaly[40:43] > 0).all()
    assert not (found.is_anomaly[:40] > 0).any()


def test_what_stood_still_may_stir() -> None:
    """A page read from a disk that nothing was read from while learning is no anomaly."""
    values = quiet(60, seed=3)
    values[30, NAMES.index("disk_sda_read_bytes_per_s")] = 65_536.0
    values[40, NAMES.index("load_1m")] = 0.12
    assert not (judged(learned(), values).is_anomaly > 0).any()


def test_ranges_are_stretched_to_the_least_there_are() -> None:
    """Only those that are too narrow, upward, and in a row before the readings."""
    values = quiet(50)
    values[7, 0] = 101.0 + values[:, 0].min()
    found = ranged(values, NAMES)
    assert np.array_equal(found[1:], values)
    assert found[0, 0] == values[0, 0]
    spans = found.max(axis=0) - found.min(axis=0)
    least = [metric_of(name).least_span for name in NAMES]
    assert (spans >= np.array(least) * (1 - 1e-9)).all()


def test_all_readings_behind_the_washout_tell_what_is_usual() -> None:
    """Not only those of the last minute, which are held out."""
    assert len(learned().validation_scores) == LEAST_READINGS + 1 - REFERENCE_STEPS


def test_a_model_tells_how_much_it_was_learned_from() -> None:
    """The readings, and not the row that stretches the ranges."""
    assert learned().spec.training.rows == LEAST_READINGS
    assert not is_stand_in(learned())


def test_too_few_readings_are_refused() -> None:
    """As training says it."""
    lesson = Lesson(names=NAMES, values=quiet(90), step_s=1.0, false_alarms_per_day=24.0)
    with pytest.raises(FitError, match="too few"):
        learn(lesson, lambda _: None)


@pytest.mark.parametrize("level", [{}, {"z": 0.1}, {"false_alarms_per_day": 1e5}])
def test_a_stand_in_finds_nothing(level: dict[str, Any]) -> None:
    """Whatever comes, and whatever the settings ask for: it judges nothing."""
    checkpoint = stand_in(NAMES)
    values = quiet(300)
    values[200:] *= 1e6
    assert is_stand_in(checkpoint)
    assert not (judged(checkpoint.with_threshold(**level), values).is_anomaly > 0).any()
