from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.options import StreamOptions
from models.snapshot import WHOLE, Parts, SnapshotError, SnapshotFormat
from tests.fakes import block, normal_values
from tests.kept import bits, saved_checkpoint

LIVE = StreamOptions(start="reference")
SLOTS = np.array([3, 1])
NO = np.array([False, False])
YES = ~NO


def filled(steps: int, window: int = 250, *, prime: bool = True) -> StreamBank:
    """Make a bank with two streams that have seen different values."""
    bank = StreamBank(saved_checkpoint(window=window))
    bank.start(SLOTS, StreamOptions(start="reference", prime=prime))
    for seed, slot in enumerate(SLOTS.tolist()):
        bank.advance(block(slot, normal_values(steps, seed=seed)))
    return bank


def encoded(bank: StreamBank, saved: Any = (WHOLE, WHOLE), with_recent: Any = YES) -> list[Parts]:
    form = SnapshotFormat.of(bank)
    return form.encode(bank.snapshot(SLOTS), np.array(saved), np.array(with_recent))


def names(parts: Parts) -> list[str]:
    return sorted(name for name in parts if name.startswith("scores/"))


@pytest.mark.parametrize("steps", [0, 1, 59, 130, 400])
@pytest.mark.parametrize("window", [100, 250])
def test_what_is_encoded_is_decoded_bit_for_bit(steps: int, window: int) -> None:
    """Another bank of the same checkpoint, in other slots, holds the same and goes on the same."""
    first, second = filled(steps, window), StreamBank(saved_checkpoint(window=window))
    there = np.array([0, 5])
    form = SnapshotFormat.of(second)
    second.restore(there, form.decode(encoded(first)), LIVE)
    for slot, other in zip(SLOTS.tolist(), there.tolist(), strict=True):
        assert bits(first, slot) == bits(second, other)
        more = normal_values(70, seed=9)
        ones = first.advance(block(slot, more))
        others = second.advance(block(other, more))
        assert ones.score.tobytes() == others.score.tobytes()
        assert ones.threshold.tobytes() == others.threshold.tobytes()


@pytest.mark.parametrize(
    ("fresh", "pieces"),
    [
        (0, []),
        (1, ["scores/1"]),
        (80, ["scores/1"]),
        (81, ["scores/1", "scores/2"]),
        (130, ["scores/1", "scores/2"]),
        (131, ["scores/0", "scores/1", "scores/2"]),
        (1000, ["scores/0", "scores/1", "scores/2"]),
    ],
)
def test_only_pieces_that_changed_are_written(fresh: int, pieces: list[str]) -> None:
    """Primed with 120 scores a ring of 250 is written from there on, wrapping around."""
    bank = filled(fresh)
    parts = encoded(bank, saved=(120, 120), with_recent=NO)
    assert [names(one) for one in parts] == [pieces, pieces]
    assert set(parts[0]) - set(pieces) == {"record", "memory", "window"}


@pytest.mark.parametrize("step", [1, 37, 99, 249, 250, 251, 600])
def test_increments_add_up(step: int) -> None:
    """What is written bit by bit is what would be written at once, over several times round."""
    bank = filled(0)
    stored = encoded(bank)
    for at in range(1 if step > 250 else 4):
        saved = bank.snapshot(SLOTS).window["entered"]
        for slot in SLOTS.tolist():
            bank.advance(block(slot, normal_values(step, seed=at)))
        for old, new in zip(stored, encoded(bank, saved), strict=True):
            old.update(new)
        assert stored == encoded(bank)


def test_the_last_observations_come_when_they_are_wanted() -> None:
    """Stream by stream; as many as there are, with the range they are shares of."""
    parts = encoded(filled(7), with_recent=(True, False))
    assert "recent" not in parts[1]
    assert len(parts[0]["recent"]) == 8 + 16 * 3 + 7 * 4 * 3


@pytest.mark.parametrize("part", ["record", "memory", "window", "scores/2", "recent"])
def test_missing_and_cut_parts_are_no_snapshot(part: str) -> None:
    """Each is named."""
    bank = filled(130)
    form = SnapshotFormat.of(bank)
    good, bad = encoded(bank)
    for data in (bad[part][:-1], bad[part] + b"x", b""):
        with pytest.raises(SnapshotError, match=part.split("/", maxsplit=1)[0]):
            form.decode([good, bad | {part: data}])
    del bad[part]
    with pytest.raises(SnapshotError, match=part):
        form.decode([good, bad])


def test_layouts_tell_windows_and_memories_apart() -> None:
    """The same checkpoint with the same window has the same one."""
    same = {SnapshotFormat.of(filled(steps)).layout for steps in (0, 5)}
    other = SnapshotFormat.of(filled(0, window=251)).layout
    assert len(same) == 1
    assert other not in same


def test_another_checkpoint_reads_record_and_last_observations() -> None:
    """Both are of the same form for any checkpoint with as many metrics."""
    parts = encoded(filled(80))
    other = SnapshotFormat.of(StreamBank(saved_checkpoint(1, window=101)))
    assert other.decode_record(parts)["seen"].tolist() == [80, 80]
    recent = other.decode_recent(parts)
    np.testing.assert_allclose(recent.raw()[0], normal_values(80)[20:], atol=1e-6)
    narrow = SnapshotFormat.of(StreamBank(saved_checkpoint(n_features=2)))
    with pytest.raises(SnapshotError, match="recent"):
        narrow.decode_recent([{"recent": parts[0]["recent"][:-4]}])
