"""Arrow IPC streams: those that are taken, and those nobody should send."""

import struct
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any, Final

import pyarrow as pa

from tests.fuzz.json_frames import KNOWN, METRICS, START_S

COMPRESSIONS: Final = (None, None, None, "lz4", "zstd")
_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_BIG_ENDIAN: Final = b"\x01\x00\x01\x00"
"""In the schema's metadata: where `big_endian` finds the number that means it."""
_LIST: Final = pa.list_(pa.float64())
_KINDS: Final = (pa.float32(), pa.float64())


def ids(random: Random, count: int) -> Any:
    """Make a column of ids, plain or as a dictionary."""
    names = [
        random.choice(KNOWN) if random.random() < 0.9 else f"new-{random.randrange(40)}"
        for _ in range(count)
    ]
    column = pa.array(names, random.choice((pa.string(), pa.string(), pa.large_string())))
    return column.dictionary_encode() if random.random() < 0.3 else column


def times(random: Random, number: int, count: int) -> Any:
    """Make a column of times a minute apart, in any unit that is taken."""
    seconds = [START_S + 60 * (number + at) for at in range(count)]
    if random.random() < 0.4:
        return pa.array([float(one) for one in seconds])
    unit, factor = random.choice((("s", 1), ("ms", 1000), ("us", 10**6), ("ns", 10**9)))
    return pa.array([one * factor for one in seconds], pa.timestamp(unit, "UTC"))


def columns(random: Random, number: int) -> dict[str, Any]:
    """Make the columns of some observations."""
    count = random.choice((1, 1, 2, 3, 8))
    found: dict[str, Any] = {"stream_id": ids(random, count)}
    if random.random() < 0.8:
        found["timestamp"] = times(random, number, count)
    if random.random() < 0.5:
        kind = random.choice((pa.int64(), pa.int64(), pa.uint64(), pa.int32()))
        found["seq"] = pa.array(range(number, number + count), kind)
    rows = [[random.random() for _ in METRICS] for _ in range(count)]
    if random.random() < 0.5:
        found |= {name: pa.array([row[at] for row in rows]) for at, name in enumerate(METRICS)}
        return found
    size = random.choice((-1, len(METRICS)))
    found["values"] = pa.array(rows, pa.list_(random.choice(_KINDS), size))
    return found


def written(table: Any, random: Random, *, batches: int = 1) -> bytes:
    """Write a table as a stream, once or over and over."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=random.choice(COMPRESSIONS))
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        for _ in range(batches):
            writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def stream(random: Random, number: int) -> bytes:
    """Write a stream that is fine."""
    return written(pa.table(columns(random, number)), random)


def odd_stream(random: Random, number: int) -> bytes:
    """Write a stream that has something odd about it as a whole."""
    return random.choice(_ODDITIES)(random, number)


def _odd_columns() -> tuple[Any, ...]:
    """Make one column of one row of every type that no column should have."""
    text = pa.array(["a"])
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1.5])])
    return (
        pa.array([True]), pa.array([None]), pa.array([Decimal("1.5")]), pa.array([b"a"]),
        pa.array([b"ab"], pa.binary(2)), pa.array([{"a": 1.5}]), pa.array([[[1.5]]]), union,
        pa.array([[("a", 1.5)]], pa.map_(pa.string(), pa.float64())),
        pa.array([1], pa.date32()), pa.array([1], pa.time64("us")), pa.array([1], pa.duration("s")),
        pa.array([1], pa.timestamp("us")), pa.array([1], pa.timestamp("us", "Nowhere/At-All")),
        pa.array([1.5], pa.float16()), pa.array(["a"], pa.string_view()), pa.array(["a"]),
        pa.array([["a"]]), pa.array([[1]]), pa.array([[1.5]], pa.list_view(pa.float64())),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), text), pa.array([1.5]),
        pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([1.5])), pa.array([1]),
        pa.DictionaryArray.from_arrays(pa.array([0], pa.uint64()), pa.array(["a"])),
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16))),
        pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1], pa.int8())),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()), pa.array(["x" * 50_000]),
        pa.array(["a/"]), pa.array([""]), pa.array([[]], _LIST), pa.array([[1.5] * 3000], _LIST),
        pa.array([float("nan")]), pa.array([float("-inf")]), pa.array([1e308]), pa.array([-1]),
        pa.array([2**64 - 1], pa.uint64()), pa.array([-(2**63)], pa.timestamp("s", "UTC")),
        pa.array([2**63 - 1], pa.timestamp("ns", "UTC")), pa.array([[float("inf"), None, 1.5]]),
    )  # fmt: skip


ODD_COLUMNS: Final = _odd_columns()
NAMES: Final = ("stream_id", "timestamp", "seq", "values", "m1", "x", "", "n" * 300, "é")


def _wrong_types(random: Random, number: int) -> bytes:
    count, found = 1, columns(random, number)
    found = {name: column.slice(0, count) for name, column in found.items()}
    for _ in range(random.choice((1, 1, 2))):
        found[random.choice(NAMES)] = random.choice(ODD_COLUMNS)
    return written(pa.table(found), random)


def _nulls(random: Random, number: int) -> bytes:
    """Leave nothing but nulls in some columns, or in all."""
    found = columns(random, number)
    share = random.choice((0.3, 1.0))
    for name, column in found.items():
        if random.random() < share:
            found[name] = pa.nulls(len(column), column.type)
    return written(pa.table(found), random)


def _no_rows(random: Random, number: int) -> bytes:
    table = pa.table(columns(random, number)).slice(0, 0)
    return written(table, random, batches=random.choice((0, 1, 300)))


def _no_columns(random: Random, number: int) -> bytes:
    return written(pa.table(columns(random, number)).select([]), random)


def _many_batches(random: Random, number: int) -> bytes:
    """Repeat rows in batch after batch: each stream takes them but once."""
    return written(pa.table(columns(random, number)), random, batches=random.choice((2, 5, 60)))


def _same_names(random: Random, number: int) -> bytes:
    table = pa.table(columns(random, number))
    name = random.choice(table.column_names)
    return written(table.append_column(name, table[name]), random)


def _bad_indices(random: Random, number: int) -> bytes:
    """Name texts that the dictionary does not have."""
    found = columns(random, number)
    count = len(found["stream_id"])
    indices = pa.array([random.choice((0, 1, 2, 99, -1, -128, 127)) for _ in range(count)])
    names = pa.array(list(KNOWN[:2]))
    kind = indices.cast(random.choice((pa.int8(), pa.int16(), pa.int64())))
    found["stream_id"] = pa.DictionaryArray.from_arrays(kind, names, safe=False)
    return written(pa.table(found), random)


def _ends(random: Random, number: int) -> bytes:
    """Say the end often, never, or first."""
    data, much = stream(random, number), random.choice((1, 2, 5000))
    bare = data.removesuffix(_END)
    return random.choice((data + _END * much, bare, _END * much + data, _END * much, bare + bare))


def _twice(random: Random, number: int) -> bytes:
    return stream(random, number) + stream(random, number + 1)


def _file(random: Random, number: int) -> bytes:
    """Write the format for files in place of that for streams."""
    table, sink = pa.table(columns(random, number)), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _old_version(random: Random, number: int) -> bytes:
    table, sink = pa.table(columns(random, number)), pa.BufferOutputStream()
    version = pa.ipc.MetadataVersion.V4
    legacy = pa.ipc.IpcWriteOptions(metadata_version=version, use_legacy_format=True)
    with pa.ipc.new_stream(sink, table.schema, options=legacy) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _big_endian(random: Random, number: int) -> bytes:
    """Say that the bytes of all numbers stand the other way round, which they do not."""
    table = pa.table(columns(random, number)).replace_schema_metadata({"e": _BIG_ENDIAN})
    data = bytearray(written(table, random))
    message = 8 + struct.unpack_from("<I", data, 8)[0]
    header = message + struct.unpack_from("<H", data, _vtable(data, message) + 8)[0]
    schema = header + struct.unpack_from("<I", data, header)[0]
    # the first field of a schema; left out, it means that they stand as they do here
    struct.pack_into("<H", data, _vtable(data, schema) + 4, data.find(_BIG_ENDIAN) - schema)
    return bytes(data)


def _vtable(data: bytearray, table: int) -> int:
    place: int = table - struct.unpack_from("<i", data, table)[0]
    return place


_ODDITIES: Final[tuple[Callable[[Random, int], bytes], ...]] = (
    _wrong_types, _wrong_types, _wrong_types, _nulls, _no_rows, _no_columns, _many_batches, _ends,
    _same_names, _bad_indices, _twice, _file, _old_version, _big_endian,
)  # fmt: skip
