"""From bytes to requests: what every door's decoder does alike, and the one for JSON."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from service.engine.columns import Columns, Request
from service.engine.errors import RowError
from service.ingest.errors import EmptyBatch, MalformedJSON, TooManyRows
from service.ingest.rows import Row, columns_of, observation_of
from service.ingest.schemas import Observation, Seq, Time, Values

_EXACT_DIGITS: Final = 20
"""Whole numbers with more digits fit no 64 bits, and Python refuses to read very long ones."""


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


class _Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One observation, or many under `observations`: told apart after decoding."""

    observations: list[Observation] | None = None
    values: Values | None = None
    stream_id: str | None = None
    timestamp: Time | None = None
    seq: Seq | None = None


_body = msgspec.json.Decoder(_Body)
_frame = msgspec.json.Decoder(list[Observation])
_NOT_STRICT: Final = (msgspec.MsgspecError, UnicodeError)
"""What is read once more, row by row, so that a bad one spoils no other."""


class JSONDecoder(Decoder):
    """A body is one observation or `{"observations": [...]}`; a frame may be an array as well."""

    __slots__ = ()

    def frame(self, data: bytes, *, explain: bool = False) -> Decoded:
        """Decode a WebSocket frame: one observation, or an array of them.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        if data.lstrip()[:1] != b"[":
            return self.body(data, explain=explain)
        rows: list[Any]
        try:
            rows, take = _frame.decode(data), None
        except _NOT_STRICT:
            rows, take = parsed(data), observation_of
        return self._decoded(found_in(rows, take, self.max_rows), explain=explain)

    def _found(self, data: bytes, stream_id: str | None) -> Found:
        rows: list[Any]
        try:
            (rows, is_single), take = _strict_body(_body.decode(data)), None
        except _NOT_STRICT:
            (rows, is_single), take = _loose_body(parsed(data)), observation_of
        return found_in(rows, take, self.max_rows, stream_id, is_single=is_single)


def check_size(size: int, max_rows: int) -> None:
    """Refuse a request of no rows, or of too many."""
    if size == 0:
        raise EmptyBatch("there is no observation in it; send at least one")
    if size > max_rows:
        raise TooManyRows(
            f"{size} observations in one request; {max_rows} is the limit: "
            "split them (STEPWATCH_MAX_ROWS)"
        )


def found_in(
    rows: Sequence[Any],
    take: Callable[[Any], Row] | None,
    max_rows: int,
    stream_id: str | None = None,
    *,
    is_single: bool = False,
) -> Found:
    """Make columns of rows that came one by one.

    Args:
        rows: Observations, or what `take` makes one of.
        take: Makes an observation or an error of a row; None: they are observations already.
        max_rows: More are refused before any is taken.
        stream_id: The stream the path names, if it does.
        is_single: Whether it was one observation by itself.

    Raises:
        RequestError: If there is no row, or there are too many.
    """
    check_size(len(rows), max_rows)
    columns, errors = columns_of(rows if take is None else map(take, rows), stream_id)
    return Found(len(rows), columns, errors, is_single)


def _strict_body(body: _Body) -> tuple[list[Observation], bool]:
    if body.observations is not None:
        beside = (body.values, body.stream_id, body.timestamp, body.seq)
        if any(part is not None for part in beside):
            raise MalformedJSON("beside 'observations' there is nothing else in the object")
        return body.observations, False
    if body.values is None:
        raise MalformedJSON("the object has neither 'values' nor 'observations'")
    one = Observation(
        values=body.values, stream_id=body.stream_id, timestamp=body.timestamp, seq=body.seq
    )
    return [one], True


def parsed(data: bytes) -> Any:
    """Parse what the strict decoder refused, NaN and infinities included, to name bad rows."""
    try:
        return json.loads(data.decode(), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise MalformedJSON(f"this is no JSON: {error}") from error


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


def _loose_body(parsed: Any) -> tuple[list[Any], bool]:
    """Find the rows, and whether there is but one by itself."""
    if not isinstance(parsed, dict):
        raise MalformedJSON("an object is wanted: one observation, or {'observations': [...]}")
    if "observations" not in parsed:
        return [parsed], True
    if set(parsed) != {"observations"}:
        raise MalformedJSON("beside 'observations' there is nothing else in the object")
    if not isinstance(parsed["observations"], list):
        raise MalformedJSON("'observations' is to be an array of observations")
    return parsed["observations"], False
