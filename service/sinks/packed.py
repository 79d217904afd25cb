"""Packed entries: a stream entry that holds the verdicts of one model as binary columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.blocks import NO_TIME, Float64, Int
from service.engine.ports import Scored
from service.sinks.rows import ROWS_AT_ONCE, Rows, rows_of

PackedEntry = dict[str, str | bytes]
"""An entry's values by field."""
FORMAT: Final = "2"
"""Version of what stands in an entry; another one for every change that readers would notice."""


class _Column(NamedTuple):
    """A field of an entry: which column of rows it holds, as which type, low byte first."""

    of_rows: str
    kind: str


COLUMNS: Final = {
    "timestamp": _Column("times", "<i8"),
    "seq": _Column("seqs", "<i8"),
    "phase": _Column("phase", "<i1"),
    "score": _Column("score", "<f8"),
    "smoothed_score": _Column("smoothed", "<f8"),
    "threshold": _Column("threshold", "<f8"),
    "severity": _Column("severity", "<f8"),
    "is_anomaly": _Column("is_anomaly", "<i1"),
}
SHIFT: Final = "level_shift_since"
"""A column of times as well, which has nothing in it where no level is shifted."""
_TIME: Final = np.dtype("<i8")
ROW_BYTES: Final = sum(np.dtype(column.kind).itemsize for column in COLUMNS.values())
ENTRY_BYTES: Final = 70_000
"""What a narrow link carries within the timeout; with ids of usual length some 1,000 verdicts."""

_read_ids: Final = msgspec.json.Decoder(list[str]).decode


class PackedError(ValueError):
    """An entry cannot be read: the text says which field is missing, too short or unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedVerdicts:
    """The verdicts of one packed entry, in the order they came; the arrays can only be read.

    Attributes:
        model: Name of the model of all of them.
        stream_ids: One a row, `[R]`.
        timestamp: Event times, microseconds UTC, int64 `[R]`.
        seq: Sequence numbers, -1 where there is none, int64 `[R]`.
        phase: 0 washout, 1 warm-up, 2 live, int8 `[R]`.
        score, smoothed_score, threshold, severity: NaN where unknown, float64 `[R]`.
        is_anomaly: -1 unknown, 0 no, 1 yes, int8 `[R]`.
        level_shift_since: Times since which levels are others, microseconds UTC, the smallest
            int64 where they are not, int64 `[R]`.
    """

    model: str
    stream_ids: list[str]
    timestamp: Int
    seq: Int
    phase: NDArray[np.int8]
    score: Float64
    smoothed_score: Float64
    threshold: Float64
    severity: Float64
    is_anomaly: NDArray[np.int8]
    level_shift_since: Int

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.stream_ids)


def unpacked(fields: Mapping[bytes, bytes]) -> PackedVerdicts:
    """Read one entry of the stream `Keys.packed`.

    Args:
        fields: The entry's fields as a client gives them that decodes nothing.

    Raises:
        PackedError: If the format is not one this reader knows, or a field is missing or does not
            hold as many rows as `rows` says.
    """
    found = _field(fields, "format")
    if found != FORMAT.encode():
        raise PackedError(f"format {found!r} is not known; this reader knows {FORMAT!r}")
    head = [_field(fields, name) for name in ("model", "rows", "stream_ids")]
    try:
        model, rows, stream_ids = head[0].decode(), int(head[1]), _read_ids(head[2])
    except ValueError as error:  # what msgspec and UTF-8 say is one, too
        raise PackedError(f"model, rows or stream_ids cannot be read: {error}") from error
    if len(stream_ids) != rows:
        raise PackedError(f"stream_ids holds {len(stream_ids)} rows instead of {rows}")
    columns = {name: _column(fields, name, rows) for name in COLUMNS}
    columns[SHIFT] = _shifts(fields, rows)
    return PackedVerdicts(model=model, stream_ids=stream_ids, **columns)


def packed_entries(blocks: Sequence[Scored]) -> Iterator[PackedEntry]:
    """Write blocks as entries: one a model, more where one would pass `ENTRY_BYTES`.

    The rows of a model keep their order; refused ones are left out. Merging by model keeps a
    service with many models from writing as many entries as blocks.
    """
    by_model: dict[str, list[Scored]] = {}
    for block in blocks:
        by_model.setdefault(block.model, []).append(block)
    for of_model in by_model.values():
        for part in rows_of(of_model).parts(ROWS_AT_ONCE):
            yield from _fitting(part)


def fitting_together(entries: Iterable[PackedEntry]) -> Iterator[list[PackedEntry]]:
    """Take entries together, in their order, up to `ENTRY_BYTES`: what goes into one write."""
    together: list[PackedEntry] = []
    size = 0
    for entry in entries:
        more = sum(map(len, entry.values()))
        if together and size + more > ENTRY_BYTES:
            yield together
            together, size = [], 0
        together.append(entry)
        size += more
    if together:
        yield together


def _fitting(rows: Rows) -> Iterator[PackedEntry]:
    # not kept for the next block with the same ids: to compare them takes as long as to write them
    ids = msgspec.json.encode(rows.stream_ids)
    row_bytes = ROW_BYTES + _TIME.itemsize * _is_any_shifted(rows)
    if len(rows) > 1 and len(ids) + row_bytes * len(rows) > ENTRY_BYTES:
        for half in rows.parts((len(rows) + 1) // 2):
            yield from _fitting(half)
    else:
        yield _entry(rows, ids)


def _entry(rows: Rows, ids: bytes) -> PackedEntry:
    columns = {name: _bytes_of(getattr(rows, one.of_rows), one) for name, one in COLUMNS.items()}
    texts = {"model": rows.models[0], "rows": str(len(rows)), "format": FORMAT}
    is_told = _is_any_shifted(rows)
    columns[SHIFT] = rows.shifted_since.astype(_TIME, copy=False).tobytes() if is_told else b""
    return {**texts, "stream_ids": ids, **columns}


def _is_any_shifted(rows: Rows) -> bool:
    return bool((rows.shifted_since != NO_TIME).any())


def _bytes_of(column: NDArray[Any], kind: _Column) -> bytes:
    if column.dtype.kind == "f" and not (is_known := np.isfinite(column)).all():
        column = np.where(is_known, column, np.nan)  # an infinity is left out of entries, too
    return column.astype(kind.kind, copy=False).tobytes()


def _shifts(fields: Mapping[bytes, bytes], rows: int) -> Int:
    is_any = len(_field(fields, SHIFT)) > 0
    since: Int = _numbers(fields, SHIFT, rows, _TIME) if is_any else np.full(rows, NO_TIME)
    since.flags.writeable = False
    return since


def _column(fields: Mapping[bytes, bytes], name: str, rows: int) -> Any:
    return _numbers(fields, name, rows, np.dtype(COLUMNS[name].kind))


def _numbers(fields: Mapping[bytes, bytes], name: str, rows: int, kind: np.dtype[Any]) -> Any:
    content = _field(fields, name)
    if len(content) != rows * kind.itemsize:
        wanted = rows * kind.itemsize
        raise PackedError(f"{name} has {len(content)} bytes; {rows} rows take {wanted}")
    return np.frombuffer(content, kind)


def _field(fields: Mapping[bytes, bytes], name: str) -> bytes:
    try:
        return fields[name.encode()]
    except KeyError:
        raise PackedError(f"the entry has no field {name}") from None
