"""What the load client sends: the same rows for every service, written before anything is timed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from models.blocks import Float64

STREAMS: Final = 1000
METRICS: Final = 38
VARIANTS: Final = 8
"""Vectors a stream sends in turn."""
BEGIN_S: Final = 1_763_762_400
STEP_S: Final = 10
"""Seconds of event time between two observations of a stream."""
IDS: Final = [f"plant/pump-{number:04d}" for number in range(STREAMS)]
_PLACE_S: Final = 1_111_111_111
"""Stands for the time in what was written before; as long as any."""
_PLACE_US: Final = 1_122_334_455_667_788
_MICROSECONDS: Final = 1_000_000

Format = Literal["json", "arrow"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "json": "application/json",
    "arrow": "application/vnd.apache.arrow.stream",
}


class Message(NamedTuple):
    """A request or frame: its bytes, and which rows it holds."""

    data: bytes
    first: int
    rows: int
    step: int


@dataclass(frozen=True, slots=True)
class Template:
    """A request or frame but for the time, which all its rows share.

    Attributes:
        parts: What stands between the times.
        is_binary: Whether the one time is a column of int64 microseconds.
        first: Number of the first stream; the others follow it.
        rows: Streams.
    """

    parts: list[bytes]
    is_binary: bool
    first: int
    rows: int

    def at(self, step: int) -> Message:
        """Fill in the time of a step."""
        seconds = time_of(step)
        if self.is_binary:
            times = (seconds * _MICROSECONDS).to_bytes(8, "little") * self.rows
        else:
            times = b"%d" % seconds
        return Message(times.join(self.parts), self.first, self.rows, step)


def time_of(step: int) -> int:
    """Tell the time of a step, epoch seconds."""
    return BEGIN_S + step * STEP_S


def values_of() -> Float64:
    """Make the values of every variant and stream, `[V, S, F]`, six digits as recordings have."""
    random = np.random.default_rng(0)
    noise = random.normal(0.5, 0.1, (VARIANTS, STREAMS, METRICS))
    return np.round(noise.clip(0.0, 1.0), 6)


class Feed:
    """What one service is sent: every stream's observations in the order of time.

    Attributes:
        step: Observations of each stream sent so far.
    """

    def __init__(self) -> None:
        self.step = 0

    def messages(self, templates: list[list[Template]], steps: int) -> Iterator[Message]:
        """Give so many observations of every stream, one stream after another."""
        for _ in range(steps):
            for template in templates[self.step % VARIANTS]:
                yield template.at(self.step)
            self.step += 1


def http_templates(path: str, rows: int, kind: Format, *, is_plain: bool) -> list[list[Template]]:
    """Write requests for every variant.

    Args:
        path: Where to.
        rows: Observations in a request.
        kind: Format of the body.
        is_plain: Whether a JSON body is one observation by itself.
    """
    found = []
    for values in values_of():
        made = bodies(values, rows, kind, is_plain=is_plain)
        found.append([template_of(http_head(path, kind, len(one)) + one, *at) for one, *at in made])
    return found


def frame_templates(rows: int, kind: Format) -> list[list[Template]]:
    """Write WebSocket frames for every variant; the mask, which a client must give, is 0."""
    found = []
    for values in values_of():
        made = bodies(values, rows, kind, is_plain=True)
        found.append([template_of(_frame_head(len(one), kind) + one, *at) for one, *at in made])
    return found


def http_head(path: str, kind: Format, length: int) -> bytes:
    """Write what stands before the body of a request."""
    lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {MEDIA_TYPES[kind]}")
    return "\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode()


def _frame_head(length: int, kind: Format) -> bytes:
    first = 0x81 if kind == "json" else 0x82
    if length < 126:  # noqa: PLR2004 - RFC 6455, 5.2, as what follows
        size = bytes([0x80 | length])
    elif length < 1 << 16:
        size = b"\xfe" + length.to_bytes(2, "big")
    else:
        size = b"\xff" + length.to_bytes(8, "big")
    return bytes([first]) + size + bytes(4)


def bodies(
    values: Float64, rows: int, kind: Format, *, is_plain: bool
) -> Iterator[tuple[bytes, int, int]]:
    """Write what stands in requests or frames; gives also the first stream and the rows.

    Args:
        values: One vector of each stream, `[S, F]`.
        rows: Observations in a request or frame.
        kind: Format.
        is_plain: Whether one JSON observation stands by itself.
    """
    for first in range(0, STREAMS, rows):
        ids, part = IDS[first : first + rows], values[first : first + rows]
        if kind == "arrow":
            yield arrow_body(ids, part), first, rows
            continue
        many = [
            {"stream_id": one, "timestamp": _PLACE_S, "values": row}
            for one, row in zip(ids, part.tolist(), strict=True)
        ]
        wanted = many[0] if is_plain and rows == 1 else {"observations": many}
        yield json.dumps(wanted, separators=(",", ":")).encode(), first, rows


def arrow_body(ids: Sequence[str], values: Float64) -> bytes:
    """Write values, `[S, F]`, as float32 lists of a fixed size, ids as a dictionary."""
    flat = pa.array(values.astype(np.float32).ravel())
    columns = {
        "stream_id": pa.array(ids).dictionary_encode(),
        "timestamp": pa.array(np.full(len(ids), _PLACE_US), pa.timestamp("us", "UTC")),
        "values": pa.FixedSizeListArray.from_arrays(flat, values.shape[1]),
    }
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def template_of(data: bytes, first: int, rows: int) -> Template:
    """Cut out the places of the time."""
    column = _PLACE_US.to_bytes(8, "little") * rows
    is_binary = column in data
    parts = data.split(column) if is_binary else data.split(b"%d" % _PLACE_S)
    return Template(parts, is_binary, first, rows)
