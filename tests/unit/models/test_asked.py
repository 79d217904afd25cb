"""Which level a stream of a bank gets: z, or what false alarms per day lead to."""

from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.checkpoint import Checkpoint
from models.numbers import TAIL
from models.options import StreamOptions
from models.spec import ScoringSpec, ThresholdSpec
from tests.fakes import block, make_checkpoint, normal_values

ZERO = np.array([0])


def checkpoint(asked: float | None = 1.0, steps: int = 2000) -> Checkpoint:
    """Make one whose default level is asked for, or z 8."""
    return make_checkpoint(
        threshold=ThresholdSpec(window=300, false_alarms_per_day=asked),
        scoring=ScoringSpec(rule="top", top=2),
        validation_steps=steps,
    )


def level(asked: float | None, **options: Any) -> tuple[float, float]:
    """Give z and false alarms per day of a stream with these options."""
    bank = StreamBank(checkpoint(asked))
    bank.start(ZERO, StreamOptions(**options))
    found = bank.inspect(ZERO)
    return float(found["z"][0]), float(found["asked"][0])


def test_the_default_of_the_checkpoint_counts_where_nothing_is_said() -> None:
    """Either false alarms per day, or z."""
    assert level(None) == (8.0, 0.0)
    z, asked = level(1.0)
    assert asked == 1.0
    assert z != 8.0
    assert level(0.01)[0] > z > level(300.0)[0]


def test_false_alarms_per_day_beat_z() -> None:
    """Of the same stream; and the z of the checkpoint."""
    z, asked = level(None, false_alarms_per_day=2.0, z=30.0)
    assert asked == 2.0
    assert level(2.0) == (z, asked)


def test_z_switches_off_what_the_checkpoint_asks_for() -> None:
    """It stays as it was set, and the stream learns no tail."""
    bank = StreamBank(checkpoint(1.0))
    bank.start(ZERO, StreamOptions(z=4.5, start="reference"))
    before = bank.slabs["record"].gather(ZERO)
    values = normal_values(400, seed=3)
    values[::40] *= 3
    bank.advance(block(0, values))
    after = bank.slabs["record"].gather(ZERO)
    assert bank.inspect(ZERO)["z"].tolist() == [4.5]
    assert bank.inspect(ZERO)["asked"].tolist() == [0.0]
    assert all(before[name].tobytes() == after[name].tobytes() for name in TAIL)


def test_what_is_asked_for_can_change_while_a_stream_runs() -> None:
    """To and fro: what it has learned of its tail stays."""
    bank = StreamBank(checkpoint(1.0))
    bank.start(ZERO, StreamOptions(start="reference"))
    values = normal_values(300, seed=3)
    values[::40] *= 3
    bank.advance(block(0, values))
    learned = bank.slabs["record"].gather(ZERO)
    bank.configure(ZERO, StreamOptions(z=7.0))
    assert bank.inspect(ZERO)["z"].tolist() == [7.0]
    bank.configure(ZERO, StreamOptions())
    after = bank.slabs["record"].gather(ZERO)
    assert all(learned[name].tobytes() == after[name].tobytes() for name in (*TAIL, "z"))


@pytest.mark.parametrize("asked", [0.0, -1.0, np.inf, np.nan])
def test_impossible_rates_are_refused(asked: float) -> None:
    """By name."""
    with pytest.raises(ValueError, match="false_alarms_per_day"):
        level(None, false_alarms_per_day=asked)


def test_streams_of_one_checkpoint_may_ask_for_different_rates() -> None:
    """Side by side: the rarer the alarms, the higher the level."""
    bank = StreamBank(checkpoint(None))
    rates = [0.1, 1.0, 10.0, 200.0]
    for slot, asked in enumerate(rates):
        options = StreamOptions(start="reference", false_alarms_per_day=asked)
        bank.start(np.array([slot]), options)
    slots = np.arange(4)
    for step, values in enumerate(normal_values(200, seed=8), start=1):
        bank.advance(block(slots, np.tile(values, (4, 1)), times=np.full(4, step * 60_000_000)))
    z = bank.inspect(slots)["z"].tolist()
    assert z == sorted(z, reverse=True)
    assert len(set(z)) == 4


def test_a_z_too_small_to_matter_harms_nobody() -> None:
    """A threshold at the mean itself is an odd wish, and no division by zero."""
    bank = StreamBank(checkpoint(1.0))
    bank.start(np.array([0, 1]), StreamOptions(start="reference"))
    bank.configure(ZERO, StreamOptions(z=1e-18))
    for slots in (ZERO, np.array([0, 1])):
        found = bank.advance(block(slots, normal_values(len(slots))))
        assert np.isfinite(found.threshold).all()


def test_a_stream_in_a_used_slot_gets_the_level_of_a_new_one() -> None:
    """The usual step of the stream that was there before plays no part."""
    bank = StreamBank(checkpoint(1.0))
    options = StreamOptions(start="reference")
    bank.start(ZERO, options)
    before = bank.inspect(ZERO)["z"][0]
    bank.advance(block(0, normal_values(50), times=1_000_000 * np.arange(50)))
    bank.start(ZERO, options)
    assert bank.inspect(ZERO)["z"][0] == before


def test_a_stream_goes_on_with_the_level_it_had_found() -> None:
    """Its usual step may have changed since, and nothing is computed anew but by its scores."""
    bank, other = StreamBank(checkpoint(1.0)), StreamBank(checkpoint(1.0))
    options = StreamOptions(start="reference")
    bank.start(ZERO, options)
    bank.advance(block(0, normal_values(50), times=1_000_000 * np.arange(50)))
    other.restore(ZERO, bank.snapshot(ZERO), options)
    assert other.inspect(ZERO)["z"][0] == bank.inspect(ZERO)["z"][0]
    other.restore(ZERO, bank.snapshot(ZERO), StreamOptions(false_alarms_per_day=0.01))
    assert other.inspect(ZERO)["z"][0] > bank.inspect(ZERO)["z"][0]
