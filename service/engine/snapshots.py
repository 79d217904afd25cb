"""What is stored of one stream: the bank's parts, and a head that says what they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import msgspec

from models.bank import StreamBank
from models.blocks import Bool, Int
from models.snapshot import FORMAT_VERSION, WHOLE, Parts, SnapshotError, SnapshotFormat
from models.snapshot_block import SnapshotBlock
from models.spec import Spec
from service.engine.model import Stream
from service.engine.ports import Entry
from service.engine.watch import Watch

HEAD: Final = "head"
_SUM_BYTES: Final = 4


class ForeignSnapshot(SnapshotError):  # noqa: N818 - says what it is
    """It was written by a program that writes another format."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known before the other parts can be read.

    Attributes:
        version: Of the format of all parts.
        model: Name of the model that served the stream.
        checkpoint: Content hash of its checkpoint.
        layout: Of memory and window; `models.snapshot` reads them only where it is the same.
        metrics: Sum over the names of the metrics in their order.
        created_at: Microseconds UTC.
        own: What was PUT on the stream.
        watch: What is remembered of its alert.
    """

    version: int
    model: str
    checkpoint: str
    layout: str
    metrics: int
    created_at: int
    own: dict[str, Any]
    watch: Watch | None


@dataclass(frozen=True, slots=True)
class Copied:
    """Streams of one bank as they stood at one moment."""

    bank: StreamBank
    streams: list[Stream]
    block: SnapshotBlock
    watches: list[Watch | None]


def head_of(stream: Stream, watch: Watch | None, spec: Spec, layout: str) -> Head:
    """Describe a stream as it stands."""
    return Head(
        version=FORMAT_VERSION,
        model=stream.model.name,
        checkpoint=spec.content_hash,
        layout=layout,
        metrics=sum_of_metrics(spec),
        created_at=stream.created_at,
        own=stream.own,
        watch=watch,
    )


def sum_of_metrics(spec: Spec) -> int:
    """Tell apart lists of metrics."""
    return crc32("\n".join(spec.metrics).encode())


def sealed(stream_id: str, head: Head, parts: Parts) -> Parts:
    """Put head and parts together, each with a sum that tells of damage and of another's parts."""
    whole = {HEAD: msgspec.msgpack.encode(head), **parts}
    return {
        name: data + _sum(stream_id, name, data).to_bytes(_SUM_BYTES, "little")
        for name, data in whole.items()
    }


def entries_of(copied: Copied, scores_saved: Int, with_recent: Bool) -> list[Entry]:
    """Encode streams that were copied, as `SnapshotFormat.encode` does."""
    spec, form = copied.bank.spec, SnapshotFormat.of(copied.bank)
    encoded = form.encode(copied.block, scores_saved, with_recent)
    layout, entries = form.layout, []
    for stream, watch, parts, saved in zip(
        copied.streams, copied.watches, encoded, scores_saved.tolist(), strict=True
    ):
        head = head_of(stream, watch, spec, layout)
        whole = sealed(stream.stream_id, head, parts)
        entries.append(Entry(stream.stream_id, whole, is_whole=saved == WHOLE))
    return entries


def opened(stream_id: str, stored: Mapping[str, bytes]) -> tuple[Head, Parts]:
    """Check what was sealed, and take it apart.

    Raises:
        ForeignSnapshot: If it is of another format.
        SnapshotError: If it is damaged or another stream's.
    """
    parts = {}
    for name, data in stored.items():
        content, its_sum = data[:-_SUM_BYTES], data[-_SUM_BYTES:]
        if _sum(stream_id, name, content).to_bytes(_SUM_BYTES, "little") != its_sum:
            raise SnapshotError(f"part '{name}' is damaged or another stream's")
        parts[name] = content
    try:
        version = msgspec.msgpack.decode(parts[HEAD], type=dict[str, Any])["version"]
        if version != FORMAT_VERSION:
            raise ForeignSnapshot(f"format {version}, this program reads {FORMAT_VERSION}")
        head = msgspec.msgpack.decode(parts.pop(HEAD), type=Head)
    except (KeyError, msgspec.MsgspecError) as error:
        raise SnapshotError(f"the head is missing or unreadable: {error}") from error
    return head, parts


def _sum(stream_id: str, name: str, data: bytes) -> int:
    return crc32(data, crc32(f"{stream_id}\n{name}".encode()))
