from typing import Any

import msgspec
import numpy as np
import pytest

from models.bank import StreamBank
from models.options import StreamOptions
from models.snapshot import FORMAT_VERSION, SnapshotError
from service.engine.model import Model, Stream
from service.engine.ports import Contributor, Entry
from service.engine.snapshots import (
    HEAD,
    Copied,
    ForeignSnapshot,
    entries_of,
    opened,
    sealed,
    sum_of_metrics,
)
from service.engine.watch import Watch
from tests.kept import saved_checkpoint

WATCH = Watch(is_open=True, event_id="00", since=1, peak=2.5, why=(Contributor("m0", None, 1, 1),))


def an_entry(own: dict[str, Any] | None = None) -> Entry:
    model = Model("pumps", StreamBank(saved_checkpoint()))
    stream = Stream("plant/a", model, model.take_slot(), StreamOptions(), 5, own or {})
    slots = np.array([0])
    model.bank.start(slots, StreamOptions())
    copied = Copied(model.bank, [stream], model.bank.snapshot(slots), [WATCH])
    return entries_of(copied, np.array([-1]), np.array([True]))[0]


def test_what_is_sealed_is_opened() -> None:
    """The head says everything that was known of the stream, the parts are the bank's."""
    entry = an_entry({"z": 2.5, "model": "pumps"})
    head, parts = opened("plant/a", entry.parts)
    spec = saved_checkpoint().spec
    assert (head.version, head.model, head.created_at) == (FORMAT_VERSION, "pumps", 5)
    assert (head.checkpoint, head.metrics) == (spec.content_hash, sum_of_metrics(spec))
    assert (head.own, head.watch) == ({"z": 2.5, "model": "pumps"}, WATCH)
    assert set(parts) == {
        "record",
        "memory",
        "window",
        "recent",
        *(f"scores/{n}" for n in range(3)),
    }
    assert entry.is_whole


@pytest.mark.parametrize("part", sorted(an_entry().parts))
def test_damage_anywhere_is_found(part: str) -> None:
    """One bit at either end or in the middle, some bytes less, all gone."""
    parts = an_entry().parts
    data = parts[part]
    for at in (0, len(data) // 2, len(data) - 1):
        flipped = bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]])
        with pytest.raises(SnapshotError, match=part):
            opened("plant/a", parts | {part: flipped})
    for cut in (data[:-1], data[:3], b"", data + b"\0"):
        with pytest.raises(SnapshotError, match=part):
            opened("plant/a", parts | {part: cut})


def test_parts_of_another_stream_or_name_are_found() -> None:
    """A part is good only where it belongs."""
    parts = an_entry().parts
    with pytest.raises(SnapshotError, match="another stream's"):
        opened("plant/b", parts)
    with pytest.raises(SnapshotError, match="scores/1"):
        opened("plant/a", parts | {"scores/1": parts["scores/0"]})


def test_without_a_head_there_is_nothing() -> None:
    """Whatever else is there."""
    parts = an_entry().parts
    del parts[HEAD]
    for rest in (parts, {}):
        with pytest.raises(SnapshotError, match="head"):
            opened("plant/a", rest)


@pytest.mark.parametrize("head", [{"version": 99}, {"version": 0, "more": 1}, {"version": None}])
def test_another_format_is_foreign(head: dict[str, Any]) -> None:
    """It is told apart from damage before anything else is read."""
    with pytest.raises(ForeignSnapshot, match="format"):
        opened("a", resealed("a", head))


@pytest.mark.parametrize("head", [{}, [1], 7, {"version": FORMAT_VERSION, "own": 3}, {1: 2}])
def test_a_head_of_another_shape_is_damage(head: Any) -> None:
    """No error but the one that says so gets out."""
    with pytest.raises(SnapshotError) as told:
        opened("a", resealed("a", head))
    assert not isinstance(told.value, ForeignSnapshot)


def resealed(stream_id: str, head: Any) -> dict[str, bytes]:
    """Seal a head that is none of ours."""
    return sealed(stream_id, head, {})


def test_metrics_count_with_their_order() -> None:
    """Other names, or the same in another order, have another sum."""
    spec = saved_checkpoint().spec
    sums = {
        sum_of_metrics(msgspec.structs.replace(spec, metrics=metrics))
        for metrics in (["a", "b"], ["b", "a"], ["ab"], ["a", "b", "c"])
    }
    assert len(sums) == 4
