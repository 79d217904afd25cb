"""Texts as Arrow columns: the ids of an answer, and what only some rows have."""

from typing import Final

import numpy as np

from models.blocks import Int
from service.engine.columns import Request
from service.ingest.arrow_framing import Body, Buffer
from service.ingest.arrow_ids import Ids
from service.ingest.arrow_lately import Lately

_ENTRIES: Final = 4096
_BYTES: Final = 32 << 20
_TEXTS: Final = 2
_ID_BYTES: Final = 80
"""What an id costs beside its characters: a text, its place in the tuple, its offset."""

_written: Lately[int, tuple[Ids, Buffer, bytes]] = Lately(entries=_ENTRIES, size=_BYTES)
"""By the identity of the tuple, which is held so that no other can have it."""


def add_ids(body: Body, request: Request) -> None:
    """Name the streams, of refused rows too where they could be read."""
    columns = request.columns
    if len(columns) == 1 and is_all(columns[0].rows, request.size):
        body.add(request.size, None, *_of_tuple(columns[0].stream_ids))
        return
    ids: list[str | None] = [None] * request.size
    for one in columns:
        for place, stream_id in zip(one.rows.tolist(), one.stream_ids, strict=True):
            ids[place] = stream_id
    known = np.array([one is not None for one in ids], np.bool_)
    body.add(request.size, known, *_texts([(one or "").encode() for one in ids]))


def is_all(places: Int, size: int) -> bool:
    """Tell whether places are those of all rows, in order."""
    return len(places) == size and np.array_equal(places, np.arange(size))


def add_structs(body: Body, size: int, rows: dict[int, tuple[str, ...]]) -> None:
    """Add a struct of two texts, null but for some rows.

    Args:
        body: What it is added to.
        size: Rows in all.
        rows: The texts of those that have some, by place.
    """
    if not rows:
        body.add_nulls(size)
        nothing = bytes(4 * (size + 1))
        for _ in range(_TEXTS):
            body.add(size, None, nothing, b"")
        return
    known = np.zeros(size, np.bool_)
    known[list(rows)] = True
    body.add(size, known)
    for at in range(_TEXTS):
        texts = [b""] * size
        for place, row in rows.items():
            texts[place] = row[at].encode()
        body.add(size, None, *_texts(texts))


def _of_tuple(ids: Ids) -> tuple[Buffer, bytes]:
    """Give offsets and characters of ids; the engine and the doors hold on to the same tuples."""
    known = _written.get(id(ids))
    if known is not None and known[0] is ids:
        return known[1:]
    offsets, data = _texts([one.encode() for one in ids])
    _written.put(id(ids), (ids, offsets, data), 2 * len(data) + _ID_BYTES * len(ids))
    return offsets, data


def _texts(texts: list[bytes]) -> tuple[Buffer, bytes]:
    lengths = np.fromiter(map(len, texts), np.int32, len(texts))
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return offsets, b"".join(texts)
