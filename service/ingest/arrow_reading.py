"""Reading an Arrow IPC stream that nobody vouches for: bounded, and checked before it is used."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import pyarrow as pa

from service.ingest.arrow_messages import (
    BATCH,
    DICTIONARY,
    I16,
    I64,
    VERSION_5,
    head_of,
    pairs,
    root_of,
)
from service.ingest.decode import check_size
from service.ingest.errors import BodyTooLarge, MalformedArrow

_TROUBLES: Final = (
    pa.ArrowException, ValueError, TypeError, OSError, LookupError, MemoryError, OverflowError,
    NotImplementedError, struct.error,
)  # fmt: skip
_BATCHES: Final = {"record batch": BATCH, "dictionary": DICTIONARY}
_OPTIONS: Final = pa.ipc.IpcReadOptions(use_threads=False)


def read_table(data: bytes, *, max_rows: int, max_bytes: int) -> Any:
    """Read a whole stream.

    Args:
        data: The bytes.
        max_rows: Rows it may have.
        max_bytes: Bytes of its columns once they are no longer compressed.

    Raises:
        RequestError: If it is no complete stream, or holds nothing or too much.
    """
    with refusing(*_TROUBLES):
        table = _read(data, max_rows, max_bytes)
        check_size(table.num_rows, max_rows)
        # Arrow trusts offsets and indexes it reads: unchecked they lead out of the buffers
        table.validate(full=True)
    return table


def texts(column: Any) -> list[str | None]:
    """Give the texts of a column, each text of a dictionary but once, however often it is named."""
    found: list[str | None] = []
    known: dict[tuple[int, ...], list[str | None]] = {}
    for chunk in column.chunks:
        if not pa.types.is_dictionary(chunk.type):
            found += chunk.to_numpy(zero_copy_only=False).tolist()
            continue
        dictionary = chunk.dictionary
        # batches share their dictionary: it is told by its place in memory
        place = (len(dictionary), *(part.address for part in dictionary.buffers() if part))
        if place not in known:
            known[place] = [*dictionary.to_numpy(zero_copy_only=False).tolist(), None]
        named = known[place]
        indices = chunk.indices.cast(pa.int64()).fill_null(len(dictionary))
        found += [named[at] for at in indices.to_numpy(zero_copy_only=False).tolist()]
    return found


@contextmanager
def refusing(*troubles: type[Exception]) -> Iterator[None]:
    """Blame the stream for errors of these types."""
    try:
        yield
    except troubles as error:
        detail = " ".join(str(error).split()) or type(error).__name__
        raise MalformedArrow(f"this is no complete Arrow IPC stream: {detail}") from error


def _read(data: bytes, max_rows: int, max_bytes: int) -> Any:
    _check_claims(data, max_bytes)
    source = pa.BufferReader(data)
    batches: list[Any] = []
    size = 0
    with pa.ipc.open_stream(source, options=_OPTIONS) as reader:
        _check_types(reader.schema)
        for batch in reader:
            size += batch.num_rows
            if size:
                check_size(size, max_rows)
            batches.append(batch)
        schema = reader.schema
    if source.tell() < len(data):
        raise MalformedArrow("bytes follow the end of the Arrow IPC stream; send one at a time")
    return pa.Table.from_batches(batches, schema)


def _check_types(schema: Any) -> None:
    """Let only types come near that are wanted somewhere: damaged views have felled Arrow."""
    types = pa.types
    for field in schema:
        kind = field.type
        if types.is_dictionary(kind) or is_list(kind):
            kind = kind.value_type
        known = (types.is_integer, types.is_floating, types.is_string, types.is_large_string)
        if not any(is_known(kind) for is_known in (*known, types.is_timestamp)):
            raise MalformedArrow(f"column '{field.name}' is {field.type}, which is not taken")


def is_list(kind: Any) -> bool:
    """Tell whether a type is one of the lists that are taken."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _check_claims(data: bytes, max_bytes: int) -> None:
    """Add up what compressed buffers say to hold: Arrow makes room for it before it looks."""
    size = 0
    reader = pa.ipc.MessageReader.open_stream(pa.BufferReader(data))
    with suppress(StopIteration):
        while True:
            message = reader.read_next_message()
            size += _claimed(message) if message.type in _BATCHES else 0
            if size > max_bytes:
                raise _too_large(max_bytes)


def _claimed(message: Any) -> int:
    """Read from the FlatBuffers of a batch how large it is without compression."""
    metadata = memoryview(message.metadata)
    version = root_of(metadata)[0]
    if not version or I16.unpack_from(metadata, version)[0] < VERSION_5:
        raise MalformedArrow("it is of a version before Arrow 1.0")
    head = head_of(metadata, _BATCHES[message.type])
    buffers = pairs(metadata, head.buffers)
    if not head.is_compressed:
        # not the body's length: many buffers may be at the same place of it
        return sum(max(length, 0) for _, length in buffers)
    body = memoryview(message.body)
    return sum(_uncompressed(body, offset, length) for offset, length in buffers)


def _uncompressed(body: memoryview, offset: int, length: int) -> int:
    if length == 0:
        return 0
    claimed: int = I64.unpack_from(body, offset)[0]
    # -1 stands before a buffer that compression would have made larger
    return length if claimed == -1 else max(claimed, 0)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"uncompressed the columns have more than {max_bytes} bytes; send fewer observations at "
        "a time (STEPWATCH_MAX_BODY_BYTES)"
    )
