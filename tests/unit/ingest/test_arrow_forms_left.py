"""What is left to Arrow though other frames of the form, or of the length, were not."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.engine.errors import RequestError
from service.ingest.arrow import ArrowDecoder
from tests.unit.ingest.test_arrow import stream
from tests.unit.ingest.test_arrow_forms import (
    DECODER,
    ROWS,
    decoded,
    frame,
    generally,
    known,
    learned,
    nothing_known,
)

__all__ = ["nothing_known"]


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Put other bytes in the place of some that are there once."""
    assert data.count(old) == 1
    assert len(old) == len(new)
    return data.replace(old, new)


def test_what_is_not_plain_is_left_to_arrow() -> None:
    """An index without text, text without end, and numbers out of range are told as ever."""
    learned(seqs="int64")
    data = frame(3, seqs="int64")
    indices = np.array([0, 1, 0, 2, 1, 0], np.int32).tobytes()
    seqs = np.arange(3, 3 + ROWS).tobytes()
    assert data.count(seqs) == 2
    for bad in (
        changed(data, indices, np.array([0, 1, 0, 3, 1, 0], np.int32).tobytes()),
        changed(data, indices, np.array([0, 1, 0, -1, 1, 0], np.int32).tobytes()),
        changed(data, b"baccc", b"ba\xff\xfe\xfd"),
        changed(data, b"baccc", "baé!".encode()),
        changed(
            data,
            np.array([0, 1, 2, 5], np.int32).tobytes(),
            np.array([0, 2, 1, 5], np.int32).tobytes(),
        ),
        changed(
            data,
            np.array([0, 1, 2, 5], np.int32).tobytes(),
            np.array([0, 1, 2, 99], np.int32).tobytes(),
        ),
        changed(
            data,
            np.array([0, 1, 2, 5], np.int32).tobytes(),
            np.array([-1, 1, 2, 5], np.int32).tobytes(),
        ),
        data.replace(seqs, np.arange(-1, ROWS - 1).tobytes()),
    ):
        assert known(bad) is None
        assert decoded(bad) == generally(bad)


def test_long_ids_and_odd_times_are_left_to_arrow() -> None:
    """A text that no id can be, and a time that is no number, refuse their rows."""
    tables = [
        {"stream_id": [name * 250, "a"], "timestamp": [1.0, at], "flow": [1.0, 2.0]}
        for name, at in (("a", 1.0), ("b", 2.0))
    ]
    for table in 3 * tables:
        request = DECODER.body(stream(pa.table(table))).request
        assert request.errors[0].type == "invalid-id"
    learned(times="float")
    (column,) = (pa.array(range(3, 3 + ROWS), pa.float64()),)
    bad = changed(
        frame(3, times="float"),
        column.buffers()[1].to_pybytes()[: 8 * ROWS],
        np.array([3.0, 4.0, np.nan, np.inf, 7.0, 8.0]).tobytes(),
    )
    assert known(bad) is None
    assert decoded(bad) == generally(bad)


def test_the_path_may_not_name_another_stream() -> None:
    """A form with ids says nothing of whether they are the one the path names."""
    learned()
    assert known(frame(3), "a") is None
    assert decoded(frame(3), "a") == generally(frame(3), "a")
    learned(stream_id="a", ids="named by the path")
    data = frame(3, ids="named by the path")
    assert known(data, "b") is not None
    assert known(data) is None
    assert decoded(data)[0] == "malformed-arrow"


def test_limits_are_those_of_the_door() -> None:
    """What one door takes another may refuse, though the form of the frame is known."""
    learned()
    few = ArrowDecoder(door="test", max_rows=ROWS - 1, max_bytes=1 << 20)
    small = ArrowDecoder(door="test", max_rows=ROWS, max_bytes=64)
    for decoder, slug in ((few, "too-many-rows"), (small, "body-too-large")):
        with pytest.raises(RequestError) as caught:
            decoder.body(frame(3))
        assert caught.value.slug == slug


@pytest.mark.parametrize("way", ["lz4", "batches", "nulls", "null lists", "widths"])
def test_forms_that_are_not_learned(way: str) -> None:
    """Compressed columns, several batches, nulls and lists of several widths are Arrow's."""
    table: dict[str, Any] = {"stream_id": ["a", "b"], "values": [[1.0], [2.0]]}
    if way == "nulls":
        table["seq"] = [1, None]
    elif way == "null lists":
        table["values"] = [[1.0], None]
    elif way == "widths":
        table["values"] = [[1.0], [1.0, 2.0]]
    data = stream(pa.table(table), 1 if way == "batches" else 2, "lz4" if way == "lz4" else None)
    for _ in range(9):
        assert decoded(data) == generally(data)
        assert known(data) is None


def test_bytes_that_stand_the_other_way_round() -> None:
    """Zeros look the same both ways, but the form of such a frame says nothing of others."""
    marked = b"\x01\x00\x01\x00"
    schema = pa.schema({"values": pa.list_(pa.float64(), 1)}, metadata={"e": marked})
    frames = []
    for value in (0.0, 1.0):
        table = pa.table({"values": pa.array([[value]], schema.field(0).type)}, schema=schema)
        data = bytearray(stream(table))
        message = 8 + int.from_bytes(data[8:12], "little")
        vtable = message - int.from_bytes(data[message : message + 4], "little", signed=True)
        header = message + int.from_bytes(data[vtable + 8 : vtable + 10], "little")
        place = header + int.from_bytes(data[header : header + 4], "little")
        vtable = place - int.from_bytes(data[place : place + 4], "little", signed=True)
        data[vtable + 4 : vtable + 6] = (data.find(marked) - place).to_bytes(2, "little")
        frames.append(bytes(data))
    zero, one = frames
    for _ in range(9):
        decoded(zero, "a")
    assert known(one, "a") is None
    assert decoded(one, "a") == generally(one, "a")
