"""From observations that are all alike to columns at once: a fast path of `rows.py`.

Most batches hold rows of one width, each with its id, all with a time in seconds or all without
one. Their columns are made here, a column at a time; of anything else nothing is made here, and
`rows.py`, which says why a row is refused, looks at every row by itself.
"""

from collections.abc import Sequence
from itertools import repeat
from struct import Struct, error
from typing import Any, Final

import numpy as np

from models.blocks import NO_SEQ, NO_TIME, Float64, Int
from service.engine.columns import Columns
from service.ingest.schemas import Observation
from service.ingest.times import FAR_SECONDS, MICROSECONDS

_LISTS: Final = {list}
_FLOATS: Final = {float}
_INTS: Final = {int}
_NONE: Final = {type(None)}


def columns_of_alike(rows: Sequence[Observation], stream_id: str | None) -> Columns | None:
    """Make the columns of rows, if they are alike.

    Args:
        rows: At least one, as the strict decoder made them: every number in them is finite.
        stream_id: The stream the path names, if it does.

    Returns:
        The columns; None where a row is not as the others, or has to be refused.
    """
    lists: list[Any] = [row.values for row in rows]
    if set(map(type, lists)) != _LISTS or len(set(map(len, lists))) != 1:
        return None
    stream_ids = _ids([row.stream_id for row in rows], stream_id)
    times = _times([row.timestamp for row in rows])
    seqs = _seqs([row.seq for row in rows])
    if stream_ids is None or times is None or seqs is None:
        return None
    return Columns(
        rows=np.arange(len(rows)),
        stream_ids=stream_ids,
        times=times,
        seqs=seqs,
        values=_values(lists),
    )


def _ids(given: list[str | None], stream_id: str | None) -> tuple[str, ...] | None:
    if stream_id is None:
        named = tuple([one for one in given if one is not None])
        return named if len(named) == len(given) else None
    if set(given) <= {None, stream_id}:
        return tuple(repeat(stream_id, len(given)))
    return None


def _times(given: list[Any]) -> Int | None:
    """Round as `microseconds` does, half to even."""
    kinds = set(map(type, given))
    if kinds == _FLOATS:
        seconds: Float64 = np.fromiter(given, np.float64, len(given))
        rounded = np.rint(np.clip(seconds, -FAR_SECONDS, FAR_SECONDS) * MICROSECONDS)
        return rounded.astype(np.int64)
    return np.full(len(given), NO_TIME) if kinds == _NONE else None


def _seqs(given: list[Any]) -> Int | None:
    kinds = set(map(type, given))
    if kinds == _INTS:
        return np.fromiter(given, np.int64, len(given))
    return np.full(len(given), NO_SEQ) if kinds == _NONE else None


def _values(lists: list[list[float | None]]) -> Float64:
    """Make rows of one width a matrix; None becomes NaN."""
    width = len(lists[0])
    pack = Struct(f"{width}d").pack
    try:
        # twice as fast as numpy, which asks every number what it is
        packed = bytearray().join([pack(*row) for row in lists])
    except error:  # a value is missing
        return np.array(lists, np.float64)
    return np.frombuffer(packed, np.float64).reshape(len(lists), width)
