"""Learns the form of frames from one that Arrow has read and checked."""

import struct
from typing import Any, Final

import numpy as np
import pyarrow as pa

from service.engine.columns import Columns
from service.ingest.arrow_forms import SECONDS, Column, Form, Ids, keep
from service.ingest.arrow_ids import Layout
from service.ingest.arrow_keys import ID, KEYS, SEQ, TIME
from service.ingest.arrow_lately import Lately
from service.ingest.arrow_messages import (
    BATCH,
    DICTIONARY,
    I16,
    SCHEMA,
    Message,
    fields,
    followed,
    head_of,
    messages,
    pairs,
    root_of,
)

VALUES: Final = "values"
_LENGTHS: Final = 4096
_LONGEST_FIXED: Final = 1 << 16
_seen: Lately[int, int] = Lately(entries=_LENGTHS, size=_LENGTHS)


class _UnfitError(Exception):
    """The frame is none whose columns can be read where they stand."""


_UNFIT: Final = (_UnfitError, struct.error, ValueError, LookupError)


def learn(data: bytes, schema: Any, stream_id: str | None, columns: Columns) -> None:
    """Know frames that are made like this one, if there are more like it.

    Args:
        data: The frame.
        schema: Its schema.
        stream_id: The stream the path named, if it did.
        columns: What Arrow read from it: all of its rows, none refused.
    """
    times = (_seen.get(len(data)) or 0) + 1
    _seen.put(len(data), times, 1)
    # at the 2nd, 4th, 8th ... of a length: where nothing can be learned it is tried ever less often
    if times == 1 or times & (times - 1):
        return
    try:
        form = _form_of(data, schema)
        read = form.read(data, stream_id)
    except _UNFIT:
        return
    # what numpy reads has to be what Arrow read, or the form is not understood
    if read is not None and _are_same(read, columns):
        keep(form)


def _are_same(one: Columns, other: Columns) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "values")
        for name in ("rows", "times", "seqs", "values")
    )
    return arrays and (one.stream_ids, one.metrics) == (other.stream_ids, other.metrics)


def _form_of(data: bytes, schema: Any) -> Form:
    """Find where everything stands.

    Raises:
        _UnfitError: If there are nulls, compression or several batches, or as `_UNFIT`.
    """
    found = list(messages(data))
    _check_kinds(found)
    columns = _Columns(data, schema, found[-1])
    if columns.has_indices:
        columns.ids = _dictionary_ids(_Buffers(found[1]), schema, columns)
    # the end too: of the same length, another frame may have something else there
    places = [slice(one.start, one.body) for one in found] + [slice(found[-1].stop, len(data))]
    fixed = [(place.start, data[place]) for place in places] + columns.fixed
    if sum(len(part) for _, part in fixed) > _LONGEST_FIXED:
        raise _UnfitError
    return Form(
        size=len(data),
        fixed=tuple(fixed),
        rows=columns.buffers.rows,
        claimed=sum(_Buffers(one).claimed for one in found[1:]),
        ids=columns.ids,
        times=columns.times,
        unit=columns.unit,
        seqs=columns.seqs,
        values=tuple(columns.values),
        metrics=columns.metrics,
    )


def _check_kinds(found: list[Message]) -> None:
    """Make sure of a schema, perhaps a dictionary, and one batch, numbers as they stand here."""
    if [one.kind for one in found] not in ([SCHEMA, BATCH], [SCHEMA, DICTIONARY, BATCH]):
        raise _UnfitError
    metadata = found[0].metadata
    place = fields(metadata, followed(metadata, root_of(metadata)[2]))[0]
    if place and I16.unpack_from(metadata, place)[0]:
        raise _UnfitError


class _Buffers:
    """Goes through the nodes and buffers of a batch in the order of its columns."""

    def __init__(self, message: Message) -> None:
        head = head_of(message.metadata, message.kind)
        if head.is_compressed:
            raise _UnfitError
        self.rows = int(np.frombuffer(message.metadata, "<i8", 1, head.length)[0])
        self._nodes = iter(pairs(message.metadata, head.nodes))
        buffers = pairs(message.metadata, head.buffers)
        self.claimed = sum(length for _, length in buffers)
        self._buffers = iter(buffers)
        self._message = message

    def node(self) -> int:
        """Give the length of the next array and pass its validity over: it has no nulls."""
        length, nulls = next(self._nodes, (0, 1))
        if nulls:
            raise _UnfitError
        next(self._buffers, None)
        return length

    def column(self, kind: str, count: int) -> Column:
        """Give the place of the next buffer, which has so many numbers at least."""
        start, length = next(self._buffers, (-1, 0))
        is_inside = 0 <= start <= start + length <= self._message.stop - self._message.body
        if not is_inside or np.dtype(kind).itemsize * count > length:
            raise _UnfitError
        return Column(self._message.body + start, kind, count)

    def text(self, kind: str, count: int) -> tuple[slice, int]:
        """Give the part of the frame that offsets and characters are in, and how far apart."""
        offsets = self.column(kind, count + 1)
        start, length = next(self._buffers, (-1, 0))
        part = slice(offsets.place, self._message.body + start + length)
        apart = self._message.body + start - offsets.place
        if start + length > self._message.stop - self._message.body or length < 0:
            raise _UnfitError
        if apart < (count + 1) * np.dtype(kind).itemsize:
            raise _UnfitError
        return part, apart


class _Columns:
    """What the columns of a batch are for, and where they stand."""

    def __init__(self, data: bytes, schema: Any, batch: Message) -> None:
        self.buffers = _Buffers(batch)
        self.ids: Ids | None = None
        self.has_indices = False
        self.index: Column | None = None
        self.times: Column | None = None
        self.unit = SECONDS
        self.seqs: Column | None = None
        self.values: list[Column] = []
        self.fixed: list[tuple[int, bytes]] = []
        names = [name for name in schema.names if name not in KEYS]
        is_list = VALUES in names and not pa.types.is_floating(schema.field(VALUES).type)
        self.metrics = None if is_list else tuple(names)
        for field in schema:
            if self.buffers.node() != self.buffers.rows:
                raise _UnfitError
            self._take(data, field.name, field.type)

    def _take(self, data: bytes, name: str, kind: Any) -> None:
        rows = self.buffers.rows
        if name == ID:
            self._take_ids(kind)
        elif name == TIME:
            is_float = pa.types.is_float64(kind)
            self.unit = SECONDS if is_float else kind.unit
            self.times = self.buffers.column("<f8" if is_float else "<i8", rows)
        elif name == SEQ:
            self.seqs = self.buffers.column(_kind_of(kind), rows)
        elif self.metrics is None:
            self._take_lists(data, kind)
        else:
            self.values.append(self.buffers.column(_kind_of(kind), rows))

    def _take_ids(self, kind: Any) -> None:
        rows = self.buffers.rows
        if pa.types.is_dictionary(kind):
            self.has_indices = True
            self.index = self.buffers.column(_kind_of(kind.index_type), rows)
            return
        offsets = _offsets_of(kind)
        part, apart = self.buffers.text(offsets, rows)
        self.ids = Ids(part, slice(0, 0), Layout(0, offsets, rows, apart, None))

    def _take_lists(self, data: bytes, kind: Any) -> None:
        """Take lists that are all of one width; offsets saying so are the same in every frame."""
        rows, offsets = self.buffers.rows, None
        if not pa.types.is_fixed_size_list(kind):
            width = "<i8" if pa.types.is_large_list(kind) else "<i4"
            offsets = self.buffers.column(width, rows + 1)
        count = self.buffers.node()
        if count % rows:
            raise _UnfitError
        if offsets is not None:
            found = offsets.of(data)
            if not np.array_equal(found, np.arange(rows + 1) * (count // rows)):
                raise _UnfitError
            self.fixed.append((offsets.place, found.tobytes()))
        self.values.append(self.buffers.column(_kind_of(kind.value_type), count))


def _dictionary_ids(texts: _Buffers, schema: Any, columns: _Columns) -> Ids:
    kind = _offsets_of(schema.field(ID).type.value_type)
    count = texts.node()
    part, apart = texts.text(kind, count)
    index = columns.index
    if index is None or count < 1:
        raise _UnfitError
    size = np.dtype(index.kind).itemsize * index.size
    indices = slice(index.place, index.place + size)
    return Ids(part, indices, Layout(0, kind, count, apart, index.kind))


def _kind_of(kind: Any) -> str:
    found: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
    return found.newbyteorder("<").str


def _offsets_of(kind: Any) -> str:
    return "<i8" if pa.types.is_large_string(kind) else "<i4"
