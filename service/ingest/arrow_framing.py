"""Writing a batch as an Arrow IPC stream from buffers: the same bytes around them every time.

Arrow makes some dozens of objects for the columns of a batch before it writes a byte, which costs
more than the numbers in them. All batches of one schema have metadata of the same form: only the
numbers in it differ, so they are filled into what Arrow wrote once.
"""

import struct
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import Bool
from service.ingest.arrow_messages import BATCH, END, I64, PREFIX, head_of, messages, root_of

Buffer = Any
"""What has bytes: `bytes`, or an array whose numbers lie side by side."""
_ALIGNED: Final = 8
_PADDING: Final = [bytes(count) for count in range(_ALIGNED)]
_EMPTY: Final = b""


@dataclass(slots=True)
class Body:
    """The columns of a batch, one array after another, children behind their parents.

    Attributes:
        nodes: Length and nulls of each array.
        places: Offset and length of each buffer.
        parts: The buffers, padded.
        size: Their bytes.
    """

    nodes: list[int] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    parts: list[Buffer] = field(default_factory=list)
    size: int = 0

    def add(self, length: int, known: Bool | None, *buffers: Buffer) -> None:
        """Add an array: its length, where it is not null (None: nowhere null), and its buffers."""
        nulls = 0 if known is None else length - int(np.count_nonzero(known))
        self.nodes += (length, nulls)
        self._put(bits(known) if nulls and known is not None else _EMPTY)
        for buffer in buffers:
            self._put(buffer)

    def add_nulls(self, length: int, *buffers: Buffer) -> None:
        """Add an array of nothing but nulls."""
        self.nodes += (length, length)
        self._put(bytes((length + 7) // 8))
        for buffer in buffers:
            self._put(buffer)

    def _put(self, buffer: Buffer) -> None:
        length = len(buffer) if type(buffer) is bytes else buffer.nbytes
        self.places += (self.size, length)
        if length:
            self.parts.append(buffer)
            padding = -length % _ALIGNED
            if padding:
                self.parts.append(_PADDING[padding])
            self.size += length + padding


def bits(flags: Bool) -> Buffer:
    """Write flags as Arrow does: eight in a byte, the first in its lowest bit."""
    return np.packbits(flags, bitorder="little")


class Framing:
    """Writes batches of one schema.

    Args:
        example: A batch of it with one row; its dictionaries are those of every batch.
    """

    def __init__(self, example: Any) -> None:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, example.schema) as writer:
            writer.write_batch(example)
        data: bytes = sink.getvalue().to_pybytes()
        *_, message = messages(data)
        root, head = root_of(message.metadata), head_of(message.metadata, message.kind)
        if message.kind != BATCH or not (root[3] and head.length):
            raise RuntimeError("this is a bug: an example ends with a batch that has its numbers")
        self._head: Final = data[: message.body]
        start = message.start + PREFIX
        self._size, self._rows = start + root[3], start + head.length
        self._nodes, self._buffers = start + head.nodes[0], start + head.buffers[0]
        self._node_numbers = struct.Struct(f"<{2 * head.nodes[1]}q")
        self._buffer_numbers = struct.Struct(f"<{2 * head.buffers[1]}q")

    def written(self, rows: int, body: Body) -> bytes:
        """Write the stream of one batch, whose body has the arrays of the schema."""
        head = bytearray(self._head)
        I64.pack_into(head, self._size, body.size)
        I64.pack_into(head, self._rows, rows)
        self._node_numbers.pack_into(head, self._nodes, *body.nodes)
        self._buffer_numbers.pack_into(head, self._buffers, *body.places)
        return b"".join((head, *body.parts, END))
