"""From observations, each by itself, to columns; what does not fit is refused in its place."""

import math
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ
from service.engine.columns import Columns
from service.engine.errors import RowError
from service.ingest.schemas import Observation
from service.ingest.times import microseconds

NO_ID: Final = RowError("invalid-id", "'stream_id' is missing")
OTHER_ID: Final = RowError("invalid-id", "'stream_id' is not the one the path names; leave it out")
Row = Observation | RowError
"""An observation, or why there is none in its place."""
_Taken = tuple[int, Observation, int]
"""A place, what stands there, and its time in microseconds."""


def observation_of(raw: Any) -> Row:
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


def columns_of(
    rows: Iterable[Row], stream_id: str | None
) -> tuple[list[Columns], dict[int, RowError]]:
    """Put observations with the same metrics together, as columns.

    Args:
        rows: What stands in each place.
        stream_id: The stream the path names, if it does.

    Returns:
        The columns, and the errors of the places that are in none of them.
    """
    errors: dict[int, RowError] = {}
    groups: dict[int | tuple[str, ...], list[_Taken]] = {}
    for place, row in enumerate(rows):
        if isinstance(row, RowError):
            errors[place] = row
            continue
        at = _time_of(row, stream_id)
        if isinstance(at, RowError):
            errors[place] = at
            continue
        values = row.values
        metrics = tuple(values) if isinstance(values, dict) else len(values)
        groups.setdefault(metrics, []).append((place, row, at))
    return [_joined(group, stream_id) for group in groups.values()], errors


def _time_of(observation: Observation, stream_id: str | None) -> int | RowError:
    """Give the time, or why the row is refused: for its time, or for whom it names."""
    if stream_id is None and observation.stream_id is None:
        return NO_ID
    if stream_id is not None and observation.stream_id not in (None, stream_id):
        return OTHER_ID
    return microseconds(observation.timestamp)


def _joined(group: list[_Taken], stream_id: str | None) -> Columns:
    first = group[0][1].values
    return Columns(
        rows=np.array([place for place, _, _ in group], np.int64),
        stream_ids=tuple([stream_id or one.stream_id or "" for _, one, _ in group]),
        times=np.array([at for _, _, at in group], np.int64),
        seqs=np.array([NO_SEQ if one.seq is None else one.seq for _, one, _ in group], np.int64),
        values=np.array([_numbers(one) for _, one, _ in group], np.float64),
        metrics=tuple(first) if isinstance(first, dict) else None,
    )


def _numbers(observation: Observation) -> list[float | None]:
    values = observation.values
    return list(values.values()) if isinstance(values, dict) else values
