"""Snapshots of what only few streams have: a window held during an episode, scales of their own."""

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Float64
from models.options import StreamOptions
from models.snapshot import WHOLE, Parts, SnapshotError, SnapshotFormat
from models.snapshot_block import SnapshotBlock
from tests.fakes import block, normal_values
from tests.kept import bits, saved_checkpoint

WINDOW = 150
LIVE = StreamOptions(start="reference")
SLOTS = np.array([3, 1])
OTHER = 1
"""A stream of the same bank to which nothing happens."""


def running() -> StreamBank:
    """Make a bank with two streams whose windows are full."""
    bank = StreamBank(saved_checkpoint(window=WINDOW))
    bank.start(SLOTS, LIVE)
    see(bank, normal_values(100), OTHER)
    see(bank, normal_values(100, seed=1))
    return bank


def see(bank: StreamBank, values: Float64, slot: int = 3) -> None:
    bank.advance(block(slot, values))


def strange(steps: int) -> Float64:
    return normal_values(steps, seed=2) + 20


def encoded(bank: StreamBank, saved: int = WHOLE) -> list[Parts]:
    form = SnapshotFormat.of(bank)
    return form.encode(bank.snapshot(SLOTS), np.full(2, saved), np.array([True, True]))


def decoded(stored: list[Parts]) -> SnapshotBlock:
    return SnapshotFormat.of(StreamBank(saved_checkpoint(window=WINDOW))).decode(stored)


def restored(stored: list[Parts]) -> StreamBank:
    """Let the streams go on in other slots of another bank: 3 in 6, 1 in 0."""
    bank = StreamBank(saved_checkpoint(window=WINDOW))
    bank.restore(np.array([6, 0]), decoded(stored), LIVE)
    return bank


def kept(bank: StreamBank, slot: int) -> dict[str, bytes]:
    """Copy all of a stream, and what only few have."""
    found, whole = bits(bank, slot), bank.snapshot(np.array([slot]))
    held = whole.held.get(0)
    if held is not None:
        found["held ring"] = held.ring.tobytes()
        found["held sums"] = np.array([held.entered, held.mean, held.m2, held.peak]).tobytes()
    if 0 in whole.scales:
        found["scale"] = whole.scales[0].tobytes()
    return found


@pytest.mark.parametrize("steps", [1, 30, 80])
def test_an_episode_under_way_goes_on_bit_for_bit(steps: int) -> None:
    """With the window that is held; when scores come back both have it again."""
    bank = running()
    see(bank, strange(steps))
    other = restored(encoded(bank))
    assert kept(other, 6) == kept(bank, 3)
    assert kept(other, 0) == kept(bank, OTHER)
    assert "held ring" in kept(bank, 3)
    assert "held ring" not in kept(bank, OTHER)
    for values in (strange(20), normal_values(100, seed=3)):
        one = bank.advance(block(3, values))
        same = other.advance(block(6, values))
        for column in ("score", "threshold", "is_anomaly"):
            assert getattr(one, column).tobytes() == getattr(same, column).tobytes()
        assert (one.shifted_since == same.shifted_since).all()
    assert kept(other, 6) == kept(bank, 3)
    assert "held ring" not in kept(bank, 3)


def test_scales_of_their_own_go_on_bit_for_bit() -> None:
    """Of a stream whose baseline was accepted; the other has none."""
    bank = running()
    see(bank, strange(70))
    assert bank.accept(np.array([3])).tolist() == [True]
    other = restored(encoded(bank))
    assert kept(other, 6) == kept(bank, 3)
    assert "scale" in kept(bank, 3)
    assert "scale" not in kept(bank, OTHER)
    one = bank.advance(block(3, strange(9)))
    same = other.advance(block(6, strange(9)))
    assert one.score.tobytes() == same.score.tobytes()


def test_a_window_held_is_written_only_during_an_episode() -> None:
    """As a scale is only where a stream has one."""
    bank = running()
    assert not {"held", "scale"} & set(encoded(bank)[0])
    see(bank, strange(5))
    assert "held" in encoded(bank)[0]
    assert "held" not in encoded(bank)[1]


def test_what_was_held_in_an_earlier_episode_is_ignored() -> None:
    """It is still stored when the episode is over, and the next one holds another window."""
    bank = running()
    see(bank, strange(5))
    stored = encoded(bank)
    see(bank, normal_values(40, seed=3))
    stored[0].update(encoded(bank)[0])
    assert decoded(stored).held == {}
    see(bank, strange(5))
    stored[0].update(encoded(bank)[0])
    assert kept(restored(stored), 6) == kept(bank, 3)
    assert "held ring" in kept(bank, 3)


def test_an_episode_that_holds_nothing_takes_nothing_from_an_earlier_one() -> None:
    """Under policy `exclude` nothing is held; what is stored is of the time before."""
    bank = running()
    see(bank, strange(5))
    stored = encoded(bank)
    see(bank, normal_values(40, seed=3))
    bank.configure(np.array([3]), StreamOptions(policy="exclude"))
    see(bank, strange(5))
    assert "held ring" not in kept(bank, 3)
    stored[0].update(encoded(bank)[0])
    assert decoded(stored).held == {}


def test_increments_of_a_window_put_back_add_up() -> None:
    """All of the ring is written again, whatever was written during the episode."""
    bank = running()
    stored = encoded(bank)
    for values in (strange(3), strange(60), normal_values(9, seed=3), normal_values(5, seed=4)):
        saved = int(bank.snapshot(SLOTS[:1]).window["entered"][0])
        see(bank, values)
        stored[0].update(encoded(bank, saved)[0])
    assert bank.snapshot(SLOTS).held == {}
    assert kept(restored(stored), 6) == kept(bank, 3)


def with_both() -> StreamBank:
    """Make a bank whose first stream has a scale of its own and an episode under way."""
    bank = running()
    bank.accept(np.array([3]))
    see(bank, normal_values(80, seed=5))
    see(bank, strange(3))
    return bank


@pytest.mark.parametrize("part", ["held", "scale"])
def test_damaged_parts_are_no_snapshot(part: str) -> None:
    """Cut, longer, or not there although the stream has it; each is named."""
    good, other = encoded(with_both())
    data = good[part]
    for damaged in (data[:-1], data + b"x", data[:1]):
        with pytest.raises(SnapshotError, match=part):
            decoded([good | {part: damaged}, other])
    with pytest.raises(SnapshotError, match=part):
        decoded([{name: one for name, one in good.items() if name != part}, other])


def test_a_scale_of_nothing_is_no_snapshot() -> None:
    """A stream that has one has it of every metric."""
    good, other = encoded(with_both())
    with pytest.raises(SnapshotError, match="scale"):
        decoded([good | {"scale": b""}, other])


def test_restoring_forgets_what_the_slot_had() -> None:
    """Neither a held window nor a scale of the stream that was there before is left."""
    bank, stored = with_both(), encoded(running())
    assert {"held ring", "scale"} <= set(kept(bank, 3))
    bank.restore(SLOTS, decoded(stored), LIVE)
    whole = bank.snapshot(SLOTS)
    assert (whole.held, whole.scales) == ({}, {})
