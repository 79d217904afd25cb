"""From an Arrow IPC stream to columns: numpy from end to end, no Python per row but the ids."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import NO_SEQ, NO_TIME, Bool, Float64, Int
from service.engine.columns import Columns, Request
from service.engine.errors import RowError
from service.ingest.arrow_reading import is_list, read_table, refusing, texts
from service.ingest.decode import Decoded
from service.ingest.errors import MalformedArrow

ID, TIME, SEQ, VALUES = "stream_id", "timestamp", "seq", "values"
_KEYS: Final = {ID, TIME, SEQ}
_LONGEST: Final = 200
"""Characters of an id, or of a column's name: errors repeat them for every row."""
_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS: Final = 1_000_000
_FAR_SECONDS: Final = 9e12
"""Seconds beyond which microseconds would leave 64 bits; refused later as out of range."""


@dataclass(slots=True)
class _Rows:
    """What every row has whatever its metrics, and why some rows are refused."""

    stream_ids: list[str | None]
    times: Int
    seqs: Int
    errors: dict[int, RowError] = field(default_factory=dict)

    def refuse(self, bad: Bool, kind: str, detail: str) -> None:
        """Refuse the rows of a mask; what was wrong first stays."""
        for place in np.flatnonzero(bad).tolist():
            self.errors.setdefault(place, RowError(kind, detail))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowDecoder:
    """Decodes bodies and frames of one door.

    Attributes:
        door: The label in metrics.
        max_rows: Observations one body or frame may hold.
        max_bytes: Bytes it may hold once it is no longer compressed.
    """

    door: str
    max_rows: int
    max_bytes: int

    def body(self, data: bytes, *, stream_id: str | None = None, explain: bool = False) -> Decoded:
        """Decode a body or a frame: one complete Arrow IPC stream.

        Args:
            data: The bytes.
            stream_id: The stream the path names, if it does.
            explain: Whether every verdict gets contributors.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        table = read_table(data, max_rows=self.max_rows, max_bytes=self.max_bytes)
        # names and zones are no text until they are read, and the check leaves out both
        with refusing(UnicodeError, pa.ArrowException), np.errstate(invalid="ignore"):
            rows, columns = _converted(table, stream_id)
        request = Request(
            door=self.door,
            size=table.num_rows,
            columns=columns,
            errors=rows.errors,
            explain=explain,
        )
        return Decoded(request, is_single=False)


def _converted(table: Any, stream_id: str | None) -> tuple[_Rows, list[Columns]]:
    _check_names(table.column_names)
    rows = _Rows([], _times(table), np.full(table.num_rows, NO_SEQ))
    _take_ids(rows, table, stream_id)
    _refuse_times(rows, table)
    _take_seqs(rows, table)
    if VALUES in table.column_names and is_list(table[VALUES].type):
        return rows, _of_lists(rows, table)
    return rows, _of_metrics(rows, table)


def _check_names(names: list[str]) -> None:
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if any(len(name) > _LONGEST for name in names):
        raise MalformedArrow(f"the name of a column has more than {_LONGEST} characters")
    if times > 1:
        raise MalformedArrow(f"column '{name}' stands there more than once")


def _wrong_type(name: str, found: Any, wanted: str) -> MalformedArrow:
    return MalformedArrow(f"column '{name}' is {found}; {wanted} is wanted")


def _numpy(column: Any) -> Any:
    return column.to_numpy(zero_copy_only=False)


def _nulls(column: Any) -> Bool:
    found: Bool = _numpy(column.is_null())
    return found.astype(np.bool_)


def _take_ids(rows: _Rows, table: Any, stream_id: str | None) -> None:
    """Find the stream of each row; beside one that the path names there is no other."""
    size = table.num_rows
    if ID not in table.column_names:
        if stream_id is None:
            raise MalformedArrow("column 'stream_id' is missing, and the path names no stream")
        rows.stream_ids = [stream_id] * size
        return
    column = table[ID]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise _wrong_type(ID, column.type, "utf8 or large_utf8, plain or as a dictionary,")
    ids = texts(column)
    if stream_id is None:
        rows.stream_ids = ids
        rows.refuse(np.array([one is None for one in ids]), "invalid-id", "'stream_id' is missing")
        # repeated in the answer, a long text of a dictionary could grow without bounds
        far = np.array([one is not None and len(one) > _LONGEST for one in ids])
        rows.refuse(far, "invalid-id", f"'stream_id' has more than {_LONGEST} characters")
        return
    rows.stream_ids = [stream_id] * size
    other = np.fromiter((one not in (None, stream_id) for one in ids), np.bool_, size)
    detail = "'stream_id' is not the one the path names; leave it out"
    rows.refuse(other, "invalid-id", detail)


def _times(table: Any) -> Int:
    """Read microseconds; `NO_TIME` where no time is given."""
    if TIME not in table.column_names:
        return np.full(table.num_rows, NO_TIME)
    column = table[TIME]
    if pa.types.is_float64(column.type):
        seconds = np.nan_to_num(_numpy(column), posinf=_FAR_SECONDS, neginf=-_FAR_SECONDS)
        far = np.clip(seconds, -_FAR_SECONDS, _FAR_SECONDS)
        times: Int = np.rint(far * _MICROSECONDS).astype(np.int64)
    elif pa.types.is_timestamp(column.type):
        times = _whole_microseconds(column)
    else:
        raise _wrong_type(TIME, column.type, "timestamp with zone UTC or float64 epoch seconds")
    times[_nulls(column)] = NO_TIME
    return times


def _whole_microseconds(column: Any) -> Int:
    if column.type.tz is None:
        raise _wrong_type(TIME, column.type, "a timestamp with the zone UTC")
    per_second = _PER_SECOND[column.type.unit]
    raw: Int = _numpy(column.cast(pa.int64()).fill_null(0))
    if per_second > _MICROSECONDS:
        raw = raw // (per_second // _MICROSECONDS)
    # within these bounds nothing overflows, nor reads as "none given"
    far = int(_FAR_SECONDS) * min(per_second, _MICROSECONDS)
    factor = max(_MICROSECONDS // per_second, 1)
    return np.clip(raw, -far, far) * factor


def _refuse_times(rows: _Rows, table: Any) -> None:
    if TIME in table.column_names and pa.types.is_float64(table[TIME].type):
        # NaN and null look the same in numpy, but only null is "on arrival"
        beyond = ~np.isfinite(_numpy(table[TIME])) & ~_nulls(table[TIME])
        detail = "the timestamp is no finite number; epoch seconds are wanted, null on arrival"
        rows.refuse(beyond, "not-finite", detail)


def _take_seqs(rows: _Rows, table: Any) -> None:
    if SEQ not in table.column_names:
        return
    column = table[SEQ]
    if not pa.types.is_integer(column.type):
        raise _wrong_type(SEQ, column.type, "an integer")
    nulls = _nulls(column)
    # unsigned numbers beyond 63 bits come out negative, and are refused with those
    rows.seqs = _numpy(column.cast(pa.int64(), safe=False).fill_null(0)).copy()
    detail = "'seq' lies outside 0 and 2^63 - 1"
    rows.refuse((rows.seqs < 0) & ~nulls, "invalid-observation", detail)
    rows.seqs[nulls | (rows.seqs < 0)] = NO_SEQ


def _is_float(kind: Any) -> bool:
    return bool(pa.types.is_float32(kind) or pa.types.is_float64(kind))


def _of_lists(rows: _Rows, table: Any) -> list[Columns]:
    """Take a column of lists: one set of columns for each width."""
    beside = [name for name in table.column_names if name not in _KEYS | {VALUES}]
    if beside:
        raise MalformedArrow(f"beside 'values' there is no column for a metric: '{beside[0]}'")
    column = table[VALUES].combine_chunks()
    if not _is_float(column.type.value_type):
        raise _wrong_type(VALUES, column.type, "a list of float32 or float64")
    nulls = _nulls(column)
    rows.refuse(nulls, "invalid-observation", "'values' is null")
    widths: Int = _numpy(column.value_lengths().fill_null(0)).astype(np.int64)
    widths[nulls] = 0
    flat: Float64 = _numpy(column.flatten()).astype(np.float64)
    ends = np.cumsum(widths)
    found = []
    for width in np.unique(widths[~nulls]).tolist():
        chosen = np.flatnonzero((widths == width) & ~nulls)
        values = flat[(ends[chosen] - width)[:, None] + np.arange(width)]
        found += _columns(rows, chosen, values, None)
    return found


def _of_metrics(rows: _Rows, table: Any) -> list[Columns]:
    """Take one column a metric."""
    names = [name for name in table.column_names if name not in _KEYS]
    if not names:
        raise MalformedArrow("neither a column 'values' nor one column a metric is there")
    for name in names:
        if not _is_float(table[name].type):
            raise _wrong_type(name, table[name].type, "float32 or float64")
    values = np.column_stack([_numpy(table[name]).astype(np.float64) for name in names])
    return _columns(rows, np.arange(table.num_rows), values, tuple(names))


def _columns(
    rows: _Rows, chosen: Int, values: Float64, metrics: tuple[str, ...] | None
) -> list[Columns]:
    """Leave out the rows that are refused already."""
    refused = np.isin(chosen, np.fromiter(rows.errors, np.int64, len(rows.errors)))
    places = chosen[~refused]
    if not len(places):
        return []
    return [
        Columns(
            rows=places,
            stream_ids=[rows.stream_ids[place] or "" for place in places.tolist()],
            times=rows.times[places],
            seqs=rows.seqs[places],
            values=values[~refused],
            metrics=metrics,
        )
    ]
