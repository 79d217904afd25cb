"""Verdicts and alerts as texts: the columns of stream entries, and what live channels carry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ, Anomaly, Float64, Phase
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
    threshold: float | None = None
    severity: float | None = None
    is_anomaly: bool | None = None


def verdict_entries(rows: Rows) -> Entries:
    """Write verdicts: an entry each, and one live message, a JSON array of objects.

    Whole columns are written at once: that costs a tenth of writing row by row. Floats are written
    as `repr` does, times as epoch seconds, truth as 0 and 1. A field that no entry has is left out.

    Args:
        rows: At least one.
    """
    unknown = _unknown(rows)
    seconds = rows.times / 1e6
    values = _values(rows, seconds)
    for name, places in unknown.items():
        _forget(values[name], places)
    texts = _texts(rows, seconds, values)
    for name, places in unknown.items():
        _forget(texts[name], places)
        if len(places) == len(rows):
            del texts[name]
    is_complete = not any(unknown[name] for name in texts if name in unknown)
    live = _encode(list(map(_LiveVerdict, *values.values())))
    return Entries(texts, is_complete, [live])


def alert_entries(alerts: Sequence[Alert]) -> Entries:
    """Write alerts: an entry and a live message each, a JSON object.

    Args:
        alerts: At least one.
    """
    many = [_alert_fields(alert) for alert in alerts]
    texts: Texts = {
        name: [TEXT[type(fields[name])](fields[name]) for fields in many] for name in many[0]
    }
    return Entries(texts, is_complete=True, messages=[_encode(fields) for fields in many])


def _unknown(rows: Rows) -> dict[str, list[int]]:
    """Say of the fields that may be unknown in which rows they are."""
    is_unknown = {
        "seq": rows.seqs == NO_SEQ,
        "score": ~np.isfinite(rows.score),
        "threshold": ~np.isfinite(rows.threshold),
        "severity": ~np.isfinite(rows.severity),
        "is_anomaly": rows.is_anomaly == Anomaly.UNKNOWN,
    }
    return {name: column.nonzero()[0].tolist() for name, column in is_unknown.items()}


def _values(rows: Rows, seconds: Float64) -> Values:
    return {
        "stream_id": rows.stream_ids,
        "model": rows.models,
        "timestamp": seconds.tolist(),
        "seq": rows.seqs.tolist(),
        "phase": PHASES[rows.phase].tolist(),
        "score": rows.score.tolist(),
        "threshold": rows.threshold.tolist(),
        "severity": rows.severity.tolist(),
        "is_anomaly": IS_ANOMALY[rows.is_anomaly].tolist(),
    }


def _texts(rows: Rows, seconds: Float64, values: Values) -> Texts:
    return {
        "stream_id": values["stream_id"],
        "model": values["model"],
        "timestamp": _float_texts(seconds, values["timestamp"]),
        "seq": _json_texts(values["seq"]),
        "phase": values["phase"],
        "score": _float_texts(rows.score, values["score"]),
        "threshold": _float_texts(rows.threshold, values["threshold"]),
        "severity": _float_texts(rows.severity, values["severity"]),
        "is_anomaly": IS_ANOMALY_TEXTS[rows.is_anomaly].tolist(),
    }


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


def _alert_fields(alert: Alert) -> dict[str, str | int | float | tuple[Contributor, ...]]:
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
        "contributors": alert.contributors,
    }
