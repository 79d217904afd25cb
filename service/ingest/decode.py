"""From JSON bytes to columns; a row that does not fit is refused in its place, with a reason."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ, NO_TIME, Int
from service.engine.columns import Columns, Request
from service.engine.errors import RowError
from service.ingest.errors import EmptyBatch, MalformedJSON, TooManyRows
from service.ingest.schemas import Observation, Seq, Time, Values
from service.ingest.times import microseconds

_EXACT_DIGITS: Final = 20
"""Whole numbers with more digits fit no 64 bits, and Python refuses to read very long ones."""


class _Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One observation, or many under `observations`: told apart after decoding."""

    observations: list[Observation] | None = None
    values: Values | None = None
    stream_id: str | None = None
    timestamp: Time | None = None
    seq: Seq | None = None


_body = msgspec.json.Decoder(_Body)
_frame = msgspec.json.Decoder(list[Observation])


@dataclass(slots=True)
class Rows:
    """Observations that could be read, their places, and why the others could not."""

    size: int
    is_single: bool
    places: list[int] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    errors: dict[int, RowError] = field(default_factory=dict)

    def put(self, place: int, observation: Observation | RowError) -> None:
        """Keep an observation, or why there is none in its place."""
        if isinstance(observation, RowError):
            self.errors[place] = observation
        else:
            self.places.append(place)
            self.observations.append(observation)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A request, and whether it was sent as one observation rather than as many."""

    request: Request
    is_single: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONDecoder:
    """Decodes bodies and frames of one door.

    Attributes:
        door: The label in metrics.
        max_rows: Observations one body or frame may hold.
    """

    door: str
    max_rows: int

    def body(self, data: bytes, *, stream_id: str | None = None, explain: bool = False) -> Decoded:
        """Decode the body of a request: one observation, or `{"observations": [...]}`.

        Args:
            data: The bytes.
            stream_id: The stream the path names, if it does.
            explain: Whether every verdict gets contributors.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        try:
            rows = _strict_body(_body.decode(data))
        except (msgspec.MsgspecError, UnicodeError):
            raw_rows, is_single = _loose_body(parsed(data))
            rows = self._converted(raw_rows, is_single=is_single)
        return self._decoded(rows, stream_id, explain=explain)

    def frame(self, data: bytes, *, explain: bool = False) -> Decoded:
        """Decode a WebSocket frame: one observation, or an array of them.

        Raises:
            RequestError: If nothing in it can be taken as an observation.
        """
        if data.lstrip()[:1] != b"[":
            return self.body(data, explain=explain)
        try:
            rows = _all(_frame.decode(data), is_single=False)
        except (msgspec.MsgspecError, UnicodeError):
            rows = self._converted(parsed(data), is_single=False)
        return self._decoded(rows, None, explain=explain)

    def _converted(self, raw_rows: list[Any], *, is_single: bool) -> Rows:
        """Take the rows one by one, so that a bad one spoils no other."""
        check_size(len(raw_rows), self.max_rows)
        rows = Rows(len(raw_rows), is_single)
        for place, raw in enumerate(raw_rows):
            rows.put(place, observation_of(raw))
        return rows

    def _decoded(self, rows: Rows, stream_id: str | None, *, explain: bool) -> Decoded:
        check_size(rows.size, self.max_rows)
        request = Request(
            door=self.door,
            size=rows.size,
            columns=_columns(rows, stream_id),
            errors=rows.errors,
            explain=explain,
        )
        return Decoded(request, rows.is_single)


def check_size(size: int, max_rows: int) -> None:
    """Refuse a request of no rows, or of too many."""
    if size == 0:
        raise EmptyBatch("there is no observation in it; send at least one")
    if size > max_rows:
        raise TooManyRows(
            f"{size} observations in one request; {max_rows} is the limit: "
            "split them (STEPWATCH_MAX_ROWS)"
        )


def _all(observations: list[Observation], *, is_single: bool) -> Rows:
    size = len(observations)
    return Rows(size, is_single, list(range(size)), observations)


def _strict_body(body: _Body) -> Rows:
    if body.observations is not None:
        beside = (body.values, body.stream_id, body.timestamp, body.seq)
        if any(part is not None for part in beside):
            raise MalformedJSON("beside 'observations' there is nothing else in the object")
        return _all(body.observations, is_single=False)
    if body.values is None:
        raise MalformedJSON("the object has neither 'values' nor 'observations'")
    one = Observation(
        values=body.values, stream_id=body.stream_id, timestamp=body.timestamp, seq=body.seq
    )
    return _all([one], is_single=True)


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


def observation_of(raw: Any) -> Observation | RowError:
    """Take what was parsed as an observation, or say why it is none."""
    try:
        observation = msgspec.convert(raw, Observation)
    except msgspec.ValidationError as error:
        return RowError("invalid-observation", str(error))
    except UnicodeError:
        return RowError("invalid-observation", "a name or text holds half a surrogate pair")
    error_text = _not_finite(observation)
    return RowError("not-finite", error_text) if error_text else observation


def _not_finite(observation: Observation) -> str | None:
    values, at = observation.values, observation.timestamp
    named: Iterable[tuple[object, float | None]] = (
        values.items() if isinstance(values, dict) else enumerate(values)
    )
    for name, value in named:
        if value is not None and not math.isfinite(value):
            return f"value {name} is {value}: no such number in JSON; null means missing"
    if isinstance(at, float) and not math.isfinite(at):
        return f"the timestamp is {at}; epoch seconds are wanted"
    return None


def _columns(rows: Rows, stream_id: str | None) -> list[Columns]:
    """Put observations with the same metrics together, as columns."""
    groups: dict[int | tuple[str, ...], list[tuple[int, Observation, int]]] = {}
    for place, observation in zip(rows.places, rows.observations, strict=True):
        error = _id_error(observation, stream_id)
        at = NO_TIME if error else microseconds(observation.timestamp)
        if error or isinstance(at, RowError):
            rows.errors[place] = at if isinstance(at, RowError) else RowError("invalid-id", error)
            continue
        values = observation.values
        metrics = tuple(values) if isinstance(values, dict) else len(values)
        groups.setdefault(metrics, []).append((place, observation, at))
    return [
        Columns(
            rows=np.array([place for place, _, _ in group], np.int64),
            stream_ids=[stream_id or one.stream_id or "" for _, one, _ in group],
            times=np.array([at for _, _, at in group], np.int64),
            seqs=_seqs([one for _, one, _ in group]),
            values=np.array([_numbers(one) for _, one, _ in group], np.float64),
            metrics=metrics if isinstance(metrics, tuple) else None,
        )
        for metrics, group in groups.items()
    ]


def _id_error(observation: Observation, stream_id: str | None) -> str:
    if stream_id is None:
        return "" if observation.stream_id is not None else "'stream_id' is missing"
    if observation.stream_id in (None, stream_id):
        return ""
    return "'stream_id' is not the one the path names; leave it out"


def _seqs(observations: list[Observation]) -> Int:
    return np.array([NO_SEQ if one.seq is None else one.seq for one in observations], np.int64)


def _numbers(observation: Observation) -> list[float | None]:
    values = observation.values
    return list(values.values()) if isinstance(values, dict) else values
