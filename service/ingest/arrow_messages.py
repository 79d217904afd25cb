"""The envelopes of Arrow's IPC format: where the FlatBuffers around columns hold which number."""

import struct
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

U16, U32, I16, I32, I64 = (struct.Struct(f"<{code}") for code in "HIhiq")
SCHEMA, DICTIONARY, BATCH = 1, 2, 3
"""Kinds of messages: numbers of the union `MessageHeader`."""
MARK: Final = b"\xff\xff\xff\xff"
END: Final = MARK + bytes(4)
"""Ends a stream."""
VERSION_5: Final = 4
"""Of the metadata: that of Arrow 1.0 and later."""
PREFIX: Final = 8
"""Bytes before the metadata of a message: the mark and their length."""
_COMPRESSION: Final = 3
_AT_LEAST: Final = 4


class Message(NamedTuple):
    """One message of a stream.

    Attributes:
        kind: `SCHEMA`, `DICTIONARY`, `BATCH` or what else there may be.
        start: Where it begins, with its prefix.
        metadata: Its FlatBuffers.
        body: Where its buffers begin.
        stop: Where it ends.
    """

    kind: int
    start: int
    metadata: bytes
    body: int
    stop: int


class Head(NamedTuple):
    """Where the numbers of a record batch stand in its metadata.

    Attributes:
        length: Place of the number of rows.
        nodes: Place of the first field node, and how many there are: length and nulls of each.
        buffers: Place of the first buffer, and how many there are: offset and length of each.
        is_compressed: Whether the buffers are.
    """

    length: int
    nodes: tuple[int, int]
    buffers: tuple[int, int]
    is_compressed: bool


def messages(data: bytes) -> Iterator[Message]:
    """Go through a stream up to its end, which has to be that of the bytes.

    Raises:
        ValueError: If it is no such stream.
        struct.error: As well.
    """
    at = 0
    while data[at : at + PREFIX] != END:
        if not data.startswith(MARK, at):
            raise ValueError("a message begins with its mark")
        body = at + PREFIX + U32.unpack_from(data, at + len(MARK))[0]
        metadata = data[at + PREFIX : body]
        root = root_of(metadata)
        size = I64.unpack_from(metadata, root[3])[0] if root[3] else 0
        if size < 0 or body + size > len(data):
            raise ValueError("a body has its bytes")
        yield Message(metadata[root[1]] if root[1] else 0, at, metadata, body, body + size)
        at = body + size
    if at + len(END) != len(data):
        raise ValueError("nothing follows the end")


def root_of(metadata: Any) -> list[int]:
    """Give the places of the fields of a message: version, kind, header, length of the body."""
    return fields(metadata, U32.unpack_from(metadata, 0)[0])


def head_of(metadata: Any, kind: int) -> Head:
    """Find the numbers of a record batch, or of the one in a dictionary's message."""
    batch = followed(metadata, root_of(metadata)[2])
    if kind == DICTIONARY:
        batch = followed(metadata, fields(metadata, batch)[1])
    found = fields(metadata, batch)
    nodes, buffers = followed(metadata, found[1]), followed(metadata, found[2])
    return Head(
        found[0],
        (nodes + U32.size, U32.unpack_from(metadata, nodes)[0]),
        (buffers + U32.size, U32.unpack_from(metadata, buffers)[0]),
        found[_COMPRESSION] > 0,
    )


def pairs(metadata: Any, vector: tuple[int, int]) -> list[tuple[int, int]]:
    """Read a vector of nodes or of buffers."""
    place, count = vector
    found = np.frombuffer(metadata, "<i8", 2 * count, place).tolist()
    return list(zip(found[::2], found[1::2], strict=True))


def fields(metadata: Any, table: int) -> list[int]:
    """Give the places of a FlatBuffers table's fields, 0 where there is none; four at least."""
    vtable = table - I32.unpack_from(metadata, table)[0]
    count = (U16.unpack_from(metadata, vtable)[0] - 4) // 2
    offsets = struct.unpack_from(f"<{count}H", metadata, vtable + 4)
    places = [table + offset if offset else 0 for offset in offsets]
    return places + [0] * (_AT_LEAST - count)


def followed(metadata: Any, place: int) -> int:
    """Follow the offset that stands in a place."""
    offset: int = U32.unpack_from(metadata, place)[0]
    return place + offset
