"""What every row of an Arrow table has, whatever its metrics: stream, time and sequence number."""

from dataclasses import dataclass, field
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa

from models.blocks import NO_SEQ, NO_TIME, Bool, Int
from service.engine.errors import RowError
from service.ingest.arrow_ids import LONGEST
from service.ingest.arrow_reading import texts
from service.ingest.arrow_times import rounded_microseconds, whole_microseconds
from service.ingest.errors import MalformedArrow
from service.ingest.rows import NO_ID, OTHER_ID

ID, TIME, SEQ = "stream_id", "timestamp", "seq"
KEYS: Final = {ID, TIME, SEQ}
_LONG_ID: Final = RowError("invalid-id", f"'stream_id' has more than {LONGEST} characters")
_NOT_FINITE: Final = RowError(
    "not-finite",
    "the timestamp is no finite number; epoch seconds are wanted, null on arrival",
)
_FAR_SEQ: Final = RowError("invalid-observation", "'seq' lies outside 0 and 2^63 - 1")


@dataclass(slots=True)
class Keys:
    """Stream, time and sequence number of every row, and why some rows are refused.

    Attributes:
        stream_ids: One a row; None where none is named.
        times: Microseconds UTC, `[N]`; `NO_TIME` where none was given.
        seqs: `[N]`; `NO_SEQ` where none was given.
        errors: The rows that are refused, by their place.
    """

    stream_ids: list[str | None]
    times: Int
    seqs: Int
    errors: dict[int, RowError] = field(default_factory=dict)

    @classmethod
    def of(cls, table: Any, stream_id: str | None) -> Self:
        """Read the three columns, as far as they are there.

        Args:
            table: A table that was checked, `[N]` rows.
            stream_id: The stream the path names, if it does.

        Raises:
            MalformedArrow: If one has a type that is not taken, or no stream is named at all.
        """
        keys = cls([], _times(table), np.full(table.num_rows, NO_SEQ))
        keys._take_ids(table, stream_id)
        keys._refuse_times(table)
        keys._take_seqs(table)
        return keys

    def refuse(self, bad: Bool, error: RowError) -> None:
        """Refuse the rows of a mask, `[N]`; what was wrong first stays."""
        for place in np.flatnonzero(bad).tolist():
            self.errors.setdefault(place, error)

    def _take_ids(self, table: Any, stream_id: str | None) -> None:
        """Find the stream of each row; beside one that the path names there is no other."""
        size = table.num_rows
        ids = _ids(table)
        if stream_id is not None:
            self.stream_ids = [stream_id] * size
            others = (one not in (None, stream_id) for one in ids or ())
            self.refuse(np.fromiter(others, np.bool_, len(ids or ())), OTHER_ID)
            return
        if ids is None:
            raise MalformedArrow("column 'stream_id' is missing, and the path names no stream")
        self.stream_ids = ids
        if None in ids:
            self.refuse(np.array([one is None for one in ids]), NO_ID)
        # repeated in the answer, a long text of a dictionary could grow without bounds
        if max(map(len, filter(None, ids)), default=0) > LONGEST:
            far = np.array([one is not None and len(one) > LONGEST for one in ids])
            self.refuse(far, _LONG_ID)

    def _refuse_times(self, table: Any) -> None:
        if TIME in table.column_names and pa.types.is_float64(table[TIME].type):
            # NaN and null look the same in numpy, but only null is "on arrival"
            beyond = ~np.isfinite(numpy_of(table[TIME])) & ~nulls_of(table[TIME])
            self.refuse(beyond, _NOT_FINITE)

    def _take_seqs(self, table: Any) -> None:
        if SEQ not in table.column_names:
            return
        column = table[SEQ]
        if not pa.types.is_integer(column.type):
            raise wrong_type(SEQ, column.type, "an integer")
        nulls = nulls_of(column)
        # unsigned numbers beyond 63 bits come out negative, and are refused with those
        self.seqs = _whole(column).copy()
        self.refuse((self.seqs < 0) & ~nulls, _FAR_SEQ)
        self.seqs[nulls | (self.seqs < 0)] = NO_SEQ


def wrong_type(name: str, found: Any, wanted: str) -> MalformedArrow:
    """Say what type a column has and which one it should have."""
    return MalformedArrow(f"column '{name}' is {found}; {wanted} is wanted")


def numpy_of(column: Any) -> Any:
    """Give a column of numbers as an array; nulls of floats are NaN."""
    return column.to_numpy(zero_copy_only=False)


def nulls_of(column: Any) -> Bool:
    """Tell which rows are null."""
    if not column.null_count:
        return np.zeros(len(column), np.bool_)
    found: Bool = numpy_of(column.is_null())
    return found.astype(np.bool_)


def _ids(table: Any) -> list[str | None] | None:
    """Read the ids; None if there is no such column."""
    if ID not in table.column_names:
        return None
    kind = table[ID].type
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(plain) or pa.types.is_large_string(plain)):
        raise wrong_type(ID, kind, "utf8 or large_utf8, plain or as a dictionary,")
    return texts(table[ID])


def _times(table: Any) -> Int:
    """Read microseconds, `[N]`; `NO_TIME` where no time is given."""
    if TIME not in table.column_names:
        return np.full(table.num_rows, NO_TIME)
    column = table[TIME]
    if pa.types.is_float64(column.type):
        times = rounded_microseconds(numpy_of(column))
    elif pa.types.is_timestamp(column.type):
        times = _whole_microseconds(column)
    else:
        raise wrong_type(TIME, column.type, "timestamp with zone UTC or float64 epoch seconds")
    if column.null_count:
        times[nulls_of(column)] = NO_TIME
    return times


def _whole_microseconds(column: Any) -> Int:
    if column.type.tz is None:
        raise wrong_type(TIME, column.type, "a timestamp with the zone UTC")
    return whole_microseconds(_whole(column), column.type.unit)


def _whole(column: Any) -> Int:
    """Give whole numbers as they are, 0 for null."""
    whole = column.cast(pa.int64(), safe=False)
    found: Int = numpy_of(whole.fill_null(0) if whole.null_count else whole)
    return found
