"""What a JSON body may be: one observation, or many under `observations`."""

import json
from typing import Any, Final

import msgspec

from models.blocks import NO_SEQ
from service.engine.columns import Single
from service.engine.errors import RowError
from service.ingest.errors import MalformedJSON
from service.ingest.schemas import Observation, Seq, Time, Values
from service.ingest.times import microseconds

_EXACT_DIGITS: Final = 20
"""Whole numbers with more digits fit no 64 bits, and Python refuses to read very long ones."""


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One observation, or many under `observations`: told apart after decoding."""

    observations: list[Observation] | None = None
    values: Values | None = None
    stream_id: str | None = None
    timestamp: Time | None = None
    seq: Seq | None = None


def strict_body(body: Body) -> tuple[list[Observation], bool]:
    """Give the rows, and whether there is but one by itself.

    Raises:
        MalformedJSON: If it is neither one observation nor many.
    """
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
    """Parse what the strict decoder refused, NaN and infinities included, to name bad rows.

    Raises:
        MalformedJSON: If it is no JSON.
    """
    try:
        return json.loads(data.decode(), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise MalformedJSON(f"this is no JSON: {error}") from error


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


def loose_body(parsed: Any) -> tuple[list[Any], bool]:
    """As `strict_body`, of what was only parsed.

    Raises:
        MalformedJSON: If it is neither one observation nor many.
    """
    if not isinstance(parsed, dict):
        raise MalformedJSON("an object is wanted: one observation, or {'observations': [...]}")
    if "observations" not in parsed:
        return [parsed], True
    if set(parsed) != {"observations"}:
        raise MalformedJSON("beside 'observations' there is nothing else in the object")
    if not isinstance(parsed["observations"], list):
        raise MalformedJSON("'observations' is to be an array of observations")
    return parsed["observations"], False


def single_of(body: Body, door: str, stream_id: str | None) -> Single | None:
    """Take one observation by itself if all is as usual; whatever else it is is said elsewhere."""
    values, named = body.values, body.stream_id
    if body.observations is not None or not isinstance(values, list):
        return None
    if stream_id is None:
        stream_id = named
    elif named is not None and named != stream_id:
        return None
    time = microseconds(body.timestamp)
    if stream_id is None or isinstance(time, RowError):
        return None
    return Single(door, stream_id, time, NO_SEQ if body.seq is None else body.seq, values, False)
