import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.blocks import NO_SEQ, NO_TIME
from service.engine.columns import Columns, Request
from service.engine.errors import RequestError
from service.ingest.arrow import ArrowDecoder

DECODER = ArrowDecoder(door="test", max_rows=100, max_bytes=1 << 20)
NAN = float("nan")
UTC_MS = pa.timestamp("ms", "UTC")
FUZZED = 5000


def stream(table: Any, rows: int = 2, compression: str | None = None) -> bytes:
    """Write a table as an Arrow IPC stream, so many rows a batch."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decoded(columns: dict[str, Any], stream_id: str | None = None) -> Request:
    """Decode a table of these columns."""
    return DECODER.body(stream(pa.table(columns)), stream_id=stream_id).request


def refused(data: bytes) -> RequestError:
    """Decode what has to be refused as a whole."""
    with pytest.raises(RequestError) as caught:
        DECODER.body(data)
    return caught.value


def only(request: Request) -> Columns:
    """Give the one set of columns of a request without refusals."""
    assert request.errors == {}
    (columns,) = request.columns
    return columns


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), "dictionary"])
def test_ids_plain_or_as_a_dictionary(kind: Any) -> None:
    """Texts with offsets of either width are taken for the ids, and dictionaries of them."""
    ids = pa.array(["a", "b", "a"])
    ids = ids.dictionary_encode() if kind == "dictionary" else ids.cast(kind)
    columns = only(decoded({"stream_id": ids, "flow": [1.0, 2.0, 3.0]}))
    assert columns.stream_ids == ("a", "b", "a")
    assert columns.metrics == ("flow",)


@pytest.mark.parametrize("width", [pa.float32(), pa.float64()])
@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, lambda width: pa.list_(width, 2)])
def test_values_as_lists(kind: Any, width: Any) -> None:
    """Every kind of list is taken; nulls and NaN inside mean missing, infinities stay."""
    values = pa.array([[1, None], [NAN, 4], [float("inf"), 6]], kind(width))
    columns = only(decoded({"values": values}, "a"))
    np.testing.assert_array_equal(columns.values, [[1, np.nan], [np.nan, 4], [np.inf, 6]])
    assert columns.values.dtype == np.float64
    assert columns.metrics is None
    assert columns.times.tolist() == [NO_TIME] * 3
    assert columns.seqs.tolist() == [NO_SEQ] * 3


def test_rows_of_different_widths() -> None:
    """Each width has its own columns, rows in their places; a null list is refused in its place."""
    values = pa.array([[1.0], [2.0, 3.0], None, [4.0], [], [5.0, 6.0]])
    request = decoded({"stream_id": list("abcdef"), "values": values})
    found = {one.values.shape[1]: one for one in request.columns}
    assert {width: one.rows.tolist() for width, one in found.items()} == {
        0: [4], 1: [0, 3], 2: [1, 5],
    }  # fmt: skip
    assert found[1].values.tolist() == [[1], [4]]
    assert found[2].values.tolist() == [[2, 3], [5, 6]]
    assert found[2].stream_ids == ("b", "f")
    assert {place: error.type for place, error in request.errors.items()} == {
        2: "invalid-observation"
    }


def test_null_lists_of_a_fixed_size_leave_no_gap() -> None:
    """Behind a null row of fixed-size lists every row keeps its own values."""
    values = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.float32(), 2))
    request = decoded({"values": values}, "a")
    assert request.columns[0].values.tolist() == [[1, 2], [3, 4]]
    assert request.columns[0].rows.tolist() == [0, 2]


def test_one_column_a_metric() -> None:
    """Columns of either float type are metrics by name; nulls and NaN mean missing."""
    pressure = pa.array([None, 4, NAN], pa.float32())
    columns = only(decoded({"flow": [1.0, None, 3.0], "pressure": pressure}, "a"))
    assert columns.metrics == ("flow", "pressure")
    nan = np.nan
    np.testing.assert_array_equal(columns.values, [[1, nan], [nan, 4], [3, nan]])


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([1.5, None]), [1_500_000, NO_TIME]),
        (pa.array([1e300, -1e300]), [9 * 10**18, -9 * 10**18]),
        (pa.array([2, None], pa.timestamp("s", "UTC")), [2_000_000, NO_TIME]),
        (pa.array([2, -(2**63)], pa.timestamp("s", "UTC")), [2_000_000, -9 * 10**18]),
        (pa.array([2, 2**62], UTC_MS), [2_000, 9 * 10**18]),
        (pa.array([2, -(2**63)], pa.timestamp("us", "+00:00")), [2, -9 * 10**18]),
        (pa.array([2999, None], pa.timestamp("ns", "UTC")), [2, NO_TIME]),
    ],
)
def test_times(times: Any, expected: list[int]) -> None:
    """Times of any unit become microseconds, null means on arrival, and nothing overflows."""
    columns = only(decoded({"timestamp": times, "flow": [1.0, 2.0]}, "a"))
    assert columns.times.tolist() == expected


def test_rows_that_cannot_be_taken() -> None:
    """A time that is no number, a seq out of range and a foreign id refuse their row alone."""
    request = decoded(
        {
            "stream_id": ["a", "a", None, "b", "a"],
            "timestamp": [NAN, 1.0, None, 1.0, float("inf")],
            "seq": pa.array([1, 2**64 - 1, None, 1, 1], pa.uint64()),
            "flow": [1.0] * 5,
        },
        "a",
    )
    assert request.columns[0].rows.tolist() == [2]
    assert {place: error.type for place, error in request.errors.items()} == {
        0: "not-finite", 1: "invalid-observation", 3: "invalid-id", 4: "not-finite",
    }  # fmt: skip
    nameless = decoded({"stream_id": ["a", None], "flow": [1.0, 2.0]})
    assert nameless.errors[1].type == "invalid-id"


def test_a_few_bytes_that_grow() -> None:
    """What a dictionary, aliases or compression would make large is refused before it is."""
    long = pa.DictionaryArray.from_arrays(pa.array([0] * 100), pa.array(["a" * (1 << 19)]))
    request = decoded({"stream_id": long, "flow": [1.0] * 100})
    assert request.columns == []
    assert {error.type for error in request.errors.values()} == {"invalid-id"}
    name = pa.table({"stream_id": ["a"], "m" * 201: [1.0]})
    assert "name of a column" in str(refused(stream(name)))
    zeros = pa.table({"stream_id": ["a"], "values": [np.zeros(1 << 22)]})
    for compression in ("lz4", "zstd"):
        data = stream(zeros, 1, compression)
        pool = pa.default_memory_pool()
        before = pool.bytes_allocated()
        assert refused(data).slug == "body-too-large"
        assert pool.bytes_allocated() == before


FLOW = pa.array([1.0])
BAD = {
    "stream_id' is missing": {"flow": FLOW},
    "neither a column": {"stream_id": ["a"]},
    "beside 'values'": {"stream_id": ["a"], "values": [[1.0]], "flow": FLOW},
    "'flow' is int64": {"stream_id": ["a"], "flow": [1]},
    "'values' is list<": {"stream_id": ["a"], "values": [["1"]]},
    "'values' is string": {"stream_id": ["a"], "values": ["1"]},
    "'stream_id' is int64": {"stream_id": [1], "flow": FLOW},
    "'flow' is bool, which is not taken": {"stream_id": ["a"], "flow": [True]},
    "'seq' is double": {"stream_id": ["a"], "seq": [1.0], "flow": FLOW},
    "the zone UTC": {"timestamp": pa.array([1], pa.timestamp("s")), "flow": FLOW},
    "float64 epoch seconds": {"stream_id": ["a"], "timestamp": [1], "flow": FLOW},
}


@pytest.mark.parametrize("told", BAD)
def test_columns_that_are_not_taken(told: str) -> None:
    """Missing columns, wrong types and both layouts at once are refused, saying which."""
    error = refused(stream(pa.table(BAD[told])))
    assert error.slug == "malformed-arrow"
    assert told in str(error)


def test_a_name_that_stands_twice() -> None:
    """Which of two columns of one name is meant, nobody knows."""
    table = pa.Table.from_arrays([pa.array(["a"]), FLOW, FLOW], ["stream_id", "flow", "flow"])
    assert "more than once" in str(refused(stream(table)))


def test_bytes_that_are_no_whole_stream() -> None:
    """No Arrow, half a stream, and more than one stream are refused as a whole."""
    whole = stream(pa.table({"stream_id": ["a"] * 4, "flow": [1.0] * 4}))
    for data in (b"", b"{}", whole[: len(whole) // 2], whole[:100], whole + whole, whole + b"x"):
        assert refused(data).slug == "malformed-arrow"


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_limits(compression: str | None) -> None:
    """No rows, too many rows and too many bytes are refused, also where they are compressed."""
    assert refused(stream(pa.table({"stream_id": pa.array([], "str"), "flow": FLOW[:0]}))).slug == (
        "empty-batch"
    )
    many = pa.table({"stream_id": ["a"] * 101, "flow": [1.0] * 101})
    assert refused(stream(many, 101, compression)).slug == "too-many-rows"
    assert refused(stream(many, 10, compression)).slug == "too-many-rows"
    wide = pa.table({"stream_id": ["a"], "values": [np.zeros(1 << 18)]})
    assert refused(stream(wide, 1, compression)).slug == "body-too-large"
    several = pa.table({"stream_id": ["a"] * 8, "values": [np.zeros(1 << 15)] * 8})
    assert refused(stream(several, 1, compression)).slug == "body-too-large"
    good = pa.table({"stream_id": ["a"] * 100, "values": [[1.0] * 10] * 100})
    assert DECODER.body(stream(good, 7, compression)).request.size == 100


def samples() -> list[bytes]:
    """Make good streams of every layout, plain and compressed."""
    times = pa.array([1, None, 3], UTC_MS)
    ids = pa.array(["a", None, "b"])
    tables = [
        {"stream_id": ids.dictionary_encode(), "timestamp": times, "values": [[1.0], None, []]},
        {"stream_id": ids, "values": pa.array([[1, 2]] * 3, pa.list_(pa.float32(), 2))},
        {"timestamp": times, "seq": [1, 2, None], "stream_id": ids, "flow": [1.0, 2.0, None]},
    ]
    ways = [(2, None), (3, "lz4"), (3, "zstd")]
    return [stream(pa.table(table), *way) for table in tables for way in ways]


def mutated(data: bytes, source: random.Random) -> bytes:
    """Cut bytes off, or change some."""
    changed = bytearray(data)
    if source.random() < 0.2:
        del changed[source.randrange(len(changed)) :]
    for _ in range(source.choice([1, 1, 2, 4, 16]) if changed else 0):
        changed[source.randrange(len(changed))] = source.choice([0, 1, 127, 128, 255])
    return bytes(changed)


def test_damaged_streams_are_refused_or_decoded() -> None:
    """Whatever is cut off or changed, there is a refusal or a request, and never anything else."""
    source, good = random.Random(1), samples()
    outcomes = set()
    for _ in range(FUZZED):
        try:
            request = DECODER.body(mutated(source.choice(good), source)).request
        except RequestError as error:
            outcomes.add(error.slug)
        else:
            outcomes.add("decoded")
            rows = [place for columns in request.columns for place in columns.rows.tolist()]
            assert sorted([*rows, *request.errors]) == list(range(request.size))
    assert {"decoded", "malformed-arrow"} <= outcomes
