"""Frames of a form that is known are read without Arrow, and as Arrow reads them."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from service.engine.columns import Columns, Request
from service.engine.errors import RequestError
from service.ingest import arrow_forms, arrow_learning
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_lately import Lately
from tests.unit.ingest.test_arrow import mutated, stream

DECODER = ArrowDecoder(door="test", max_rows=100, max_bytes=1 << 20)
ROWS = 6
DAMAGED = 2000
IDS: dict[str, Callable[[], Any]] = {
    "dictionary": lambda: pa.array(["b", "a", "b", "ccc", "a", "b"]).dictionary_encode(),
    "large dictionary": lambda: pa.DictionaryArray.from_arrays(
        pa.array([1, 0, 1, 1, 0, 1], pa.uint16()), pa.array(["x", "y/z"], pa.large_string())
    ),
    "plain": lambda: pa.array(["b", "a", "", "ccc", "a", "b"]),
    "large": lambda: pa.array(["b", "a", "b", "ccc", "a", "b"], pa.large_string()),
    "named by the path": lambda: None,
}
TIMES = {
    **{unit: pa.timestamp(unit, "UTC") for unit in ("s", "ms", "us", "ns")},
    "float": pa.float64(),
    "none": None,
}
SEQS = {"int64": pa.int64(), "uint64": pa.uint64(), "int8": pa.int8(), "none": None}
VALUES = {
    "fixed": pa.list_(pa.float32(), 3),
    "fixed double": pa.list_(pa.float64(), 3),
    "list": pa.list_(pa.float32()),
    "large list": pa.large_list(pa.float64()),
    "metrics": None,
}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow_forms, "_forms", Lately(entries=50, size=1 << 20))
    monkeypatch.setattr(arrow_learning, "_seen", Lately(entries=50, size=1 << 20))


def frame(
    number: int,
    ids: str = "dictionary",
    times: str = "us",
    seqs: str = "none",
    values: str = "fixed",
) -> bytes:
    """Write the frame of this number: others have other numbers in the same columns."""
    source = np.random.default_rng(number)
    columns: dict[str, Any] = {"stream_id": IDS[ids]()}
    if TIMES[times] is not None:
        at = pa.array(range(number, number + ROWS), pa.int64())
        columns["timestamp"] = at.cast(TIMES[times])
    if SEQS[seqs] is not None:
        columns["seq"] = pa.array(range(number, number + ROWS), SEQS[seqs])
    rows = source.random((ROWS, 3))
    rows[number % ROWS, 1] = np.nan
    if VALUES[values] is not None:
        columns["values"] = pa.array(list(rows), VALUES[values])
    else:
        columns |= {"flow": rows[:, 0].astype(np.float32), "level": rows[:, 1]}
    present = {name: column for name, column in columns.items() if column is not None}
    return stream(pa.table(present), ROWS)


def known(data: bytes, stream_id: str | None = None) -> Columns | None:
    """Read a frame if its form is known."""
    return arrow_forms.read_known(data, stream_id, max_rows=100, max_bytes=1 << 20)


def learned(*numbers: int, stream_id: str | None = None, **kinds: str) -> None:
    """Send two frames, as many as it takes until their form is known."""
    for number in numbers or (1, 2):
        DECODER.body(frame(number, **kinds), stream_id=stream_id)


def told(request: Request | RequestError) -> Any:
    """Say all of a request, or of why there is none, so that two can be compared."""
    if isinstance(request, RequestError):
        return request.slug, str(request)
    columns = [
        (one.stream_ids, one.metrics, *map(_bits, (one.rows, one.times, one.seqs, one.values)))
        for one in request.columns
    ]
    return request.size, columns, request.errors


def _bits(array: Any) -> Any:
    return array.dtype, array.shape, array.tobytes()


def generally(data: bytes, stream_id: str | None = None) -> Any:
    """Say what Arrow makes of a frame."""
    try:
        found = DECODER._read(data, stream_id)
    except RequestError as error:
        return told(error)
    return told(Request(door="", size=found.size, columns=found.columns, errors=found.errors))


def decoded(data: bytes, stream_id: str | None = None) -> Any:
    """Say what comes of a frame, whichever way it is read."""
    try:
        return told(DECODER.body(data, stream_id=stream_id).request)
    except RequestError as error:
        return told(error)


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("ids", IDS)
def test_layouts(ids: str, values: str) -> None:
    """Whatever the types of ids and values, the third frame is read as Arrow reads it."""
    stream_id = "a/b" if ids == "named by the path" else None
    learned(stream_id=stream_id, ids=ids, values=values)
    data = frame(3, ids=ids, values=values)
    assert known(data, stream_id) is not None
    assert decoded(data, stream_id) == generally(data, stream_id)


@pytest.mark.parametrize("seqs", SEQS)
@pytest.mark.parametrize("times", TIMES)
def test_times_and_seqs(times: str, seqs: str) -> None:
    """Whatever the types of times and seqs, the third frame is read as Arrow reads it."""
    learned(times=times, seqs=seqs)
    data = frame(3, times=times, seqs=seqs)
    assert known(data) is not None
    assert decoded(data) == generally(data)


def test_the_same_ids_are_the_same_tuple() -> None:
    """Whoever knows the streams of a tuple finds them again, whichever way frames were read."""
    ids = [DECODER.body(frame(number)).request.columns[0].stream_ids for number in range(6)]
    assert all(one is ids[0] for one in ids[:2])
    assert all(one is ids[2] for one in ids[3:])
    packed = [
        DECODER.body(stream(pa.table({"stream_id": ["a", "b"], "flow": [1.0, at]}), 2, "lz4"))
        for at in (2.0, 3.0)
    ]
    first, second = (one.request.columns[0].stream_ids for one in packed)
    assert first is second


def test_columns_are_not_those_of_the_frame_before() -> None:
    """Nothing but the ids is shared between frames, and nothing is read-only."""
    learned(seqs="int64")
    one, other = known(frame(3, seqs="int64")), known(frame(4, seqs="int64"))
    assert one is not None
    assert other is not None
    for name in ("rows", "times", "seqs", "values"):
        array = getattr(one, name)
        assert array.flags.writeable
        assert not np.shares_memory(array, getattr(other, name))


def test_a_frame_may_be_a_bytearray() -> None:
    """What a WebSocket hands over need not be bytes."""
    for number in range(4):
        data = frame(number)
        taken = DECODER.body(bytearray(data)).request  # type: ignore[arg-type]
        assert told(taken) == generally(data)


def test_damaged_frames_are_read_as_arrow_reads_them() -> None:
    """Whatever bytes of a known frame are changed, the outcome is that of the general way."""
    source = random.Random(2)
    kinds = [
        {"ids": source.choice([*IDS][:-1]), "values": values, "times": source.choice([*TIMES])}
        for values in VALUES
        for _ in range(2)
    ]
    for kind in kinds:
        learned(**kind)
    hits = 0
    for number in range(DAMAGED):
        data = mutated(frame(number % 100, **source.choice(kinds)), source)
        hits += known(data) is not None
        assert decoded(data) == generally(data)
    assert hits > DAMAGED // 20
