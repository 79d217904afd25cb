"""Frames that are made like earlier ones: read where their columns stand, without Arrow.

Opening a stream, reading a batch and checking it in full costs Arrow far more than the columns
of a small frame do, and the frames of one client differ in nothing but the numbers in their
columns. So a frame that Arrow read and checked leaves its form behind: all bytes of it that say
how it is made (schema, and the metadata of dictionary and batch) and where its columns stand.
A later frame of the same length with the same bytes there is made the same way, whatever stands
in its columns; these are read by numpy, which never leaves the bytes, and whatever is not plain
in them (an index beyond the dictionary, an id that can't be one, a time out of range) is left to
the general way, which says what is wrong.
"""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from models.blocks import NO_SEQ, NO_TIME, Float64, Int
from service.engine.columns import Columns
from service.ingest.arrow_ids import Layout, ids_named, ids_of
from service.ingest.arrow_lately import Lately
from service.ingest.arrow_times import rounded_microseconds, whole_microseconds

_FORMS: Final = 1024
_BYTES: Final = 8 << 20
SECONDS: Final = ""
_ALIKE: Final = 4
"""Forms of one length that are known at a time."""


class Column(NamedTuple):
    """Where a column stands in a frame, and of what type it is."""

    place: int
    kind: str
    size: int

    def of(self, data: bytes) -> Any:
        """Look at its numbers."""
        return np.frombuffer(data, self.kind, self.size, self.place)


class Ids(NamedTuple):
    """Where the ids stand in a frame: from where to where texts and indices are, and how."""

    texts: slice
    indices: slice
    layout: Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How frames are made.

    Attributes:
        size: Bytes of a frame.
        fixed: What is the same in all of them, and where.
        rows: Observations.
        claimed: Bytes of all columns together.
        ids: None if there are none: the path names the stream.
        times: Times in some unit; None if there are none.
        unit: Which one; `SECONDS`: floats.
        seqs: None if there are none.
        values: One column of lists of one width, or one column a metric.
        metrics: Names of the latter.
    """

    size: int
    fixed: tuple[tuple[int, bytes], ...]
    rows: int
    claimed: int
    ids: Ids | None
    times: Column | None
    unit: str
    seqs: Column | None
    values: tuple[Column, ...]
    metrics: tuple[str, ...] | None

    def fits(self, data: bytes) -> bool:
        """Tell whether a frame is made like this."""
        return all(data.startswith(part, place) for place, part in self.fixed)

    def read(self, data: bytes, stream_id: str | None) -> Columns | None:
        """Read a frame that is made like this; None if not all in it is plain."""
        ids = self._ids(data, stream_id)
        times = self._times(data) if ids is not None else None
        seqs = self._seqs(data) if times is not None else None
        if ids is None or times is None or seqs is None:
            return None
        return Columns(
            rows=np.arange(self.rows),
            stream_ids=ids,
            times=times,
            seqs=seqs,
            values=self._values(data),
            metrics=self.metrics,
        )

    def _ids(self, data: bytes, stream_id: str | None) -> tuple[str, ...] | None:
        if self.ids is None:
            return None if stream_id is None else ids_named(stream_id, self.rows)
        if stream_id is not None:
            return None  # each has to be the one the path names
        return ids_of(self.ids.layout, data[self.ids.texts], data[self.ids.indices])

    def _times(self, data: bytes) -> Int | None:
        if self.times is None:
            return np.full(self.rows, NO_TIME)
        raw = self.times.of(data)
        if self.unit != SECONDS:
            return whole_microseconds(raw, self.unit)
        return rounded_microseconds(raw) if np.isfinite(raw).all() else None

    def _seqs(self, data: bytes) -> Int | None:
        if self.seqs is None:
            return np.full(self.rows, NO_SEQ)
        seqs: Int = self.seqs.of(data).astype(np.int64)
        return seqs if seqs.min() >= 0 else None

    def _values(self, data: bytes) -> Float64:
        if self.metrics is None:
            # a column that is no NaN nor number of float32 would warn
            with np.errstate(invalid="ignore"):
                found: Float64 = self.values[0].of(data).astype(np.float64)
            return found.reshape(self.rows, -1)
        values = np.empty((self.rows, len(self.values)))
        with np.errstate(invalid="ignore"):
            for at, column in enumerate(self.values):
                values[:, at] = column.of(data)
        return values


_forms: Lately[int, tuple[Form, ...]] = Lately(entries=_FORMS, size=_BYTES)


def read_known(
    data: bytes, stream_id: str | None, *, max_rows: int, max_bytes: int
) -> Columns | None:
    """Read a frame of a form that is known, within the limits.

    Returns:
        All its rows; None if it has to be read the general way.
    """
    for form in _forms.get(len(data)) or ():
        if form.fits(data):
            is_within = form.rows <= max_rows and form.claimed <= max_bytes
            return form.read(data, stream_id) if is_within else None
    return None


def keep(form: Form) -> None:
    """Know frames of a form from now on."""
    alike = (form, *(_forms.get(form.size) or ()))[:_ALIKE]
    size = sum(len(part) for one in alike for _, part in one.fixed)
    _forms.put(form.size, alike, size)
