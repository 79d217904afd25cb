"""The ids of frames: read once, then known by their bytes."""

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from service.ingest.arrow_lately import Lately

LONGEST: Final = 200
"""Characters of an id, or of a column's name: errors repeat them for every row."""
_ENTRIES: Final = 4096
_BYTES: Final = 32 << 20
_TEXT_BYTES: Final = 60
"""What a text costs beside its characters."""
_PLACE_BYTES: Final = 8

Ids = tuple[str, ...]


class Layout(NamedTuple):
    """How ids stand in the bytes of their texts and indices.

    Attributes:
        offsets: Where the offsets begin.
        kind: Type of the offsets.
        size: Texts.
        text: Where the characters begin.
        places: Type of the indices; None: the texts are the ids.
    """

    offsets: int
    kind: str
    size: int
    text: int
    places: str | None


_known: Lately[Any, Ids] = Lately(entries=_ENTRIES, size=_BYTES)


def ids_of(layout: Layout, texts: bytes, indices: bytes) -> Ids | None:
    """Read the ids of a frame; the same bytes give the same tuple.

    The engine knows the streams of a tuple it has seen, so that it is the same one counts.

    Returns:
        The ids; None if they are not all plain ones: whoever reads row by row says what is wrong.
    """
    key = (layout, texts, indices)
    known = _known.get(key)
    if known is None and (known := _read(layout, texts, indices)) is not None:
        _keep(key, known, len(texts) + len(indices))
    return known


def same_ids(ids: Ids) -> Ids:
    """Give the tuple that was given before for these ids."""
    known = _known.get(ids)
    if known is None:
        _keep(ids, ids, 0)
        return ids
    return known


def ids_named(stream_id: str, rows: int) -> Ids:
    """Give the ids of rows that are all of the stream which the path names."""
    if len(stream_id) > LONGEST:  # refused later, and too long to be remembered
        return (stream_id,) * rows
    key = (stream_id, rows)
    known = _known.get(key)
    if known is None:
        known = (stream_id,) * rows
        _known.put(key, known, len(stream_id) + _TEXT_BYTES + _PLACE_BYTES * rows)
    return known


def _keep(key: Any, ids: Ids, size: int) -> None:
    texts = set(ids)
    size += sum(map(len, texts)) + _TEXT_BYTES * len(texts) + _PLACE_BYTES * len(ids)
    _known.put(key, ids, size)


def _read(layout: Layout, texts: bytes, indices: bytes) -> Ids | None:
    offsets = np.frombuffer(texts, layout.kind, layout.size + 1, layout.offsets)
    raw, lengths = texts[layout.text :], np.diff(offsets)
    is_inside = offsets[0] >= 0 and offsets[-1] <= len(raw) and lengths.min() >= 0
    # a text that is no ASCII is no valid id, and one that is too long would be repeated in errors
    if not is_inside or lengths.max() > LONGEST or not raw.isascii():
        return None
    text, ends = raw.decode("ascii"), offsets.tolist()
    found = [text[start:stop] for start, stop in pairwise(ends)]
    if layout.places is None:
        return tuple(found)
    places = np.frombuffer(indices, layout.places)
    if places.min() < 0 or places.max() >= layout.size:
        return None
    return tuple([found[place] for place in places.tolist()])
