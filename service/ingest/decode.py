"""From bytes to requests: what every door's decoder does alike, and the one for JSON."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.engine.columns import Columns, Request, Single
from service.engine.errors import RowError
from service.ingest.alike import columns_of_alike
from service.ingest.errors import EmptyBatch, TooManyRows
from service.ingest.json_bodies import Body, loose_body, parsed, single_of, strict_body
from service.ingest.rows import Row, columns_of, observation_of
from service.ingest.schemas import Observation


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request, and whether it was sent as one observation rather than as many."""

    request: Request
    is_single: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What a body or frame held.

    Attributes:
        size: Rows in all.
        columns: The rows that could be read.
        errors: The rows that could not, by their place.
        is_single: Whether it was one observation by itself.
    """

    size: int
    columns: list[Columns]
    errors: dict[int, RowError]
    is_single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder(ABC):
    """Decodes what comes in by one door; a format is a subclass that finds the rows.

    Attributes:
        door: The label in metrics.
        max_rows: Observations one body or frame may hold.
    """

    door: str
    max_rows: int

    def body(self, data: bytes, *, stream_id: str | None = None, explain: bool = False) -> Decoded:
        """Decode the body of a request.

        Args:
            data: The bytes.
            stream_id: The stream the path names, if it does.
            explain: Whether every verdict gets contributors.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        return self._decoded(self._found(data, stream_id), explain=explain)

    def taken(self, data: bytes, stream_id: str | None = None) -> Single | Decoded:
        """Decode the body of a request; an observation by itself needs no columns.

        Args:
            data: The bytes.
            stream_id: The stream the path names, if it does.

        Returns:
            One observation where that is all there is and nothing is wrong with it.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        return self.body(data, stream_id=stream_id)

    @abstractmethod
    def _found(self, data: bytes, stream_id: str | None) -> Found:
        """Find the rows of a body, no more than `max_rows`.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """

    def _decoded(self, found: Found, *, explain: bool) -> Decoded:
        request = Request(
            door=self.door,
            size=found.size,
            columns=found.columns,
            errors=found.errors,
            explain=explain,
        )
        return Decoded(request, found.is_single)


_body = msgspec.json.Decoder(Body)
_frame = msgspec.json.Decoder(list[Observation])
NOT_STRICT: Final = (msgspec.MsgspecError, UnicodeError)
"""What is read once more, row by row, so that a bad one spoils no other."""


class JSONDecoder(Decoder):
    """A body is one observation or `{"observations": [...]}`; a frame may be an array as well."""

    __slots__ = ()

    def taken(self, data: bytes, stream_id: str | None = None) -> Single | Decoded:
        """As in `Decoder`."""
        try:
            body = _body.decode(data)
        except NOT_STRICT:
            return self._decoded(self._loose(data, stream_id), explain=False)
        single = single_of(body, self.door, stream_id)
        return single or self._decoded(self._strict(body, stream_id), explain=False)

    def frame(self, data: bytes, *, explain: bool = False) -> Decoded:
        """Decode a WebSocket frame: one observation, or an array of them.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        if _is_array(data):
            return self._decoded(self._array(data), explain=explain)
        return self.body(data, explain=explain)

    def taken_frame(self, data: bytes) -> Single | Decoded:
        """Decode a frame as `taken` does a body.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        if _is_array(data):
            return self._decoded(self._array(data), explain=False)
        return self.taken(data)

    def _array(self, data: bytes) -> Found:
        try:
            return strict_in(_frame.decode(data), self.max_rows)
        except NOT_STRICT:
            return found_in(parsed(data), observation_of, self.max_rows)

    def _found(self, data: bytes, stream_id: str | None) -> Found:
        try:
            body = _body.decode(data)
        except NOT_STRICT:
            return self._loose(data, stream_id)
        return self._strict(body, stream_id)

    def _strict(self, body: Body, stream_id: str | None) -> Found:
        rows, is_single = strict_body(body)
        return strict_in(rows, self.max_rows, stream_id, is_single=is_single)

    def _loose(self, data: bytes, stream_id: str | None) -> Found:
        rows, is_single = loose_body(parsed(data))
        return found_in(rows, observation_of, self.max_rows, stream_id, is_single=is_single)


def decoded_of(single: Single) -> Decoded:
    """Make a request of one observation, for what knows but requests."""
    one = Observation(values=single.values, stream_id=single.stream_id)
    columns = columns_of_alike([one], None)
    if columns is None:
        raise RuntimeError("this is a bug: one row is like itself")
    columns.times[0], columns.seqs[0] = single.time, single.seq
    request = Request(door=single.door, size=1, columns=[columns], explain=single.explain)
    return Decoded(request, is_single=True)


def _is_array(data: bytes) -> bool:
    return data.lstrip()[:1] == b"["


def check_size(size: int, max_rows: int) -> None:
    """Refuse a request of no rows, or of too many."""
    if size == 0:
        raise EmptyBatch("there is no observation in it; send at least one")
    if size > max_rows:
        raise TooManyRows(
            f"{size} observations in one request; {max_rows} is the limit: "
            "split them (STEPWATCH_MAX_ROWS)"
        )


def strict_in(
    rows: list[Observation],
    max_rows: int,
    stream_id: str | None = None,
    *,
    is_single: bool = False,
) -> Found:
    """Make columns of rows that the strict decoder took.

    Args:
        rows: Observations.
        max_rows: More are refused before any is taken.
        stream_id: The stream the path names, if it does.
        is_single: Whether it was one observation by itself.

    Raises:
        RequestError: If there is no row, or there are too many.
    """
    check_size(len(rows), max_rows)
    columns = columns_of_alike(rows, stream_id)
    if columns is None:
        return Found(len(rows), *columns_of(rows, stream_id), is_single)
    return Found(len(rows), [columns], {}, is_single)


def found_in(
    rows: Sequence[Any],
    take: Callable[[Any], Row],
    max_rows: int,
    stream_id: str | None = None,
    *,
    is_single: bool = False,
) -> Found:
    """Make columns of rows that have to be looked at one by one.

    Args:
        rows: What `take` makes an observation or an error of.
        take: Does so.
        max_rows: More are refused before any is taken.
        stream_id: The stream the path names, if it does.
        is_single: Whether it was one observation by itself.

    Raises:
        RequestError: If there is no row, or there are too many.
    """
    check_size(len(rows), max_rows)
    columns, errors = columns_of(map(take, rows), stream_id)
    return Found(len(rows), columns, errors, is_single)
