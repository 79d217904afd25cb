"""Verdicts and alerts as texts: the columns of stream entries, and what live channels carry."""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Bool, Float64, Phase
from service.engine.ports import Alert, Contributor
from service.sinks.rows import Rows

Values = dict[str, list[Any]]
Texts = dict[str, list[str | None]]

# By code; unknown is -1 and thereby the last.
PHASES: Final = np.array([phase.name.lower() for phase in Phase], object)
IS_ANOMALY: Final = np.array([False, True, None], object)
IS_ANOMALY_TEXTS: Final = np.array(["0", "1", None], object)
LEAST_PLAIN: Final = 1e-4
MOST_PLAIN: Final = 1e16
"""Between these `repr` writes a float without exponent, and JSON has the same text."""

TEXT: Final[dict[type, Callable[[Any], str]]] = {
    **dict.fromkeys((str, int, float), str),  # str of a float is its repr
    tuple: lambda value: msgspec.json.encode(value).decode(),
}


@dataclass(frozen=True, slots=True)
class Entries:
    """Entries for one stream, and what tells of them.

    Attributes:
        texts: Columns by field, in the order of the fields, `[R]` each; None: an entry has no such
            field. Nothing is None in the first.
        is_complete: Whether nothing is None.
        messages: JSON for the live channel, in the order of the entries.
    """

    texts: Texts
    is_complete: bool
    messages: list[bytes]


_encode: Final = msgspec.json.Encoder().encode


class _LiveVerdict(msgspec.Struct, omit_defaults=True, gc=False):
    """A verdict as the live channel has it: the fields of an entry, unknown ones left out."""

    stream_id: str
    model: str
    timestamp: float
    seq: int | None = None
    phase: str | None = None
    score: float | None = None
    smoothed_score: float | None = None
    threshold: float | None = None
    severity: float | None = None
    is_anomaly: bool | None = None
    level_shift_since: float | None = None


def verdict_entries(rows: Rows) -> Entries:
    """Write verdicts: an entry each, and one live message, a JSON array of objects.

    Whole columns are written at once: that costs a tenth of writing row by row. Floats are written
    as `repr` does, times as epoch seconds, truth as 0 and 1. A field that no entry has is left out.

    Args:
        rows: At least one.
    """
    nowhere, partly = _unknown(rows)
    floats = _floats(rows, nowhere)
    values = _values(rows, floats) | {name: [None] * len(rows) for name in nowhere}
    for name, places in partly.items():
        _forget(values[name], places)
    texts: Texts = {
        name: _texts(name, column, floats, rows)
        for name, column in values.items()
        if name not in nowhere
    }
    for name, places in partly.items():
        _forget(texts[name], places)
    live = _encode(list(map(_LiveVerdict, *values.values())))
    return Entries(texts, not partly, [live])


def alert_entries(alerts: Sequence[Alert]) -> Entries:
    """Write alerts: an entry and a live message each, a JSON object.

    Args:
        alerts: At least one.
    """
    many = [_alert_fields(alert) for alert in alerts]
    columns = {name: [fields[name] for fields in many] for name in many[0]}
    texts: Texts = {
        name: [None if value is None else TEXT[type(value)](value) for value in column]
        for name, column in columns.items()
        if any(value is not None for value in column)
    }
    is_complete = not any(None in column for column in texts.values())
    return Entries(texts, is_complete, messages=[_encode(fields) for fields in many])


def _unknown(rows: Rows) -> tuple[set[str], dict[str, list[int]]]:
    """Say which fields are known of no row, and of others in which rows they are unknown."""
    are_unknown: dict[str, Bool] = {
        "seq": rows.seqs == NO_SEQ,
        "score": ~np.isfinite(rows.score),
        "smoothed_score": ~np.isfinite(rows.smoothed),
        "threshold": ~np.isfinite(rows.threshold),
        "severity": ~np.isfinite(rows.severity),
        "is_anomaly": rows.is_anomaly == Anomaly.UNKNOWN,
        "level_shift_since": rows.shifted_since == NO_TIME,
    }
    nowhere = {name for name, mask in are_unknown.items() if np.count_nonzero(mask) == len(rows)}
    partly = {
        name: mask.nonzero()[0].tolist()
        for name, mask in are_unknown.items()
        if name not in nowhere and np.count_nonzero(mask)
    }
    return nowhere, partly


def _floats(rows: Rows, nowhere: Container[str]) -> dict[str, Float64]:
    """Give the columns of floats, but for those that are known nowhere."""
    floats = {
        "timestamp": rows.times / 1e6,
        "score": rows.score,
        "smoothed_score": rows.smoothed,
        "threshold": rows.threshold,
        "severity": rows.severity,
        "level_shift_since": rows.shifted_since / 1e6,
    }
    return {name: column for name, column in floats.items() if name not in nowhere}


def _values(rows: Rows, floats: dict[str, Float64]) -> Values:
    """Give all columns in the order of the fields of `_LiveVerdict`."""
    values: Values = {
        "stream_id": rows.stream_ids,
        "model": rows.models,
        "timestamp": [],
        "seq": rows.seqs.tolist(),
        "phase": PHASES[rows.phase].tolist(),
        "score": [],
        "smoothed_score": [],
        "threshold": [],
        "severity": [],
        "is_anomaly": IS_ANOMALY[rows.is_anomaly].tolist(),
        "level_shift_since": [],
    }
    return values | {name: column.tolist() for name, column in floats.items()}


def _texts(
    name: str, values: list[Any], floats: dict[str, Float64], rows: Rows
) -> list[str | None]:
    """Write a column; one that is text already stays the list it is."""
    if name in floats:
        return _float_texts(floats[name], values)
    if name == "seq":
        return _json_texts(values)
    if name == "is_anomaly":
        texts: list[str | None] = IS_ANOMALY_TEXTS[rows.is_anomaly].tolist()
        return texts
    return values


def _forget(column: list[Any], places: list[int]) -> None:
    for place in places:
        column[place] = None


def _json_texts(values: list[Any]) -> list[str | None]:
    """Write numbers as JSON has them; no number contains a comma."""
    texts: list[str | None] = []
    texts += _encode(values)[1:-1].decode().split(",")
    return texts


def _float_texts(column: Float64, values: list[float | None]) -> list[str | None]:
    texts = _json_texts(values)
    sizes = np.abs(column)
    is_plain = (sizes >= LEAST_PLAIN) & (sizes < MOST_PLAIN) | (sizes == 0)
    for row in (~is_plain).nonzero()[0].tolist():
        value = values[row]
        texts[row] = None if value is None else repr(value)
    return texts


def _alert_fields(
    alert: Alert,
) -> dict[str, str | int | float | tuple[Contributor, ...] | None]:
    return {
        "event_id": alert.event_id,
        "stream_id": alert.stream_id,
        "model": alert.model,
        "status": alert.status,
        "timestamp": alert.at / 1e6,
        "since": alert.since / 1e6,
        "opened_at": alert.opened_at / 1e6,
        "severity": alert.severity,
        "peak_severity": alert.peak_severity,
        "anomalies": alert.anomalies,
        "level_shift_since": (
            None if alert.level_shift_since is None else alert.level_shift_since / 1e6
        ),
        "contributors": alert.contributors,
    }
