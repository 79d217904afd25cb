"""From verdicts to JSON bytes, rows in the order sent."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ, Anomaly, Phase, Refusal
from service.engine import ports
from service.engine.alerts import contributors
from service.engine.columns import Answer, Judged
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.ports import Alert, Scored
from service.ingest.schemas import (
    AlertMark,
    AlertView,
    Contributor,
    ErrorText,
    PhaseName,
    Progress,
    Refused,
    Verdict,
    Verdicts,
)

PHASES: Final[dict[int, PhaseName]] = {
    Phase.WASHOUT: "washout",
    Phase.WARMUP: "warmup",
    Phase.LIVE: "live",
}
_COLUMNS: Final = (
    "times",
    "seqs",
    "refusal",
    "phase",
    "score",
    "threshold",
    "severity",
    "is_anomaly",
    "done",
    "of",
)
_MICROSECONDS: Final = 1_000_000
_encoder = msgspec.json.Encoder()


def answer_rows(answer: Answer) -> list[Verdict | Refused]:
    """Join the parts of an answer: a verdict or a refusal for every row, in the order sent."""
    joined: list[Verdict | Refused | None] = [None] * answer.size
    for place, error in answer.errors.items():
        joined[place] = refused(place, error)
    for places, judged in answer.parts:
        for place, row in zip(places.tolist(), verdict_rows(judged), strict=True):
            joined[place] = row if isinstance(row, Verdict) else refused(place, row)
    rows = [row for row in joined if row is not None]
    if len(rows) != answer.size:
        raise RuntimeError("this is a bug: a row got neither a verdict nor an error")
    return rows


def refused(place: int, error: RowError) -> Refused:
    """Say why a row was refused; text that is no UTF-8 (lone surrogates) is replaced."""
    detail = error.detail.encode("utf-8", "replace").decode()
    return Refused(place, ErrorText(error.type, detail))


def encode(value: object) -> bytes:
    """Encode any of the schemas, or a list of them."""
    return _encoder.encode(value)


def encode_many(rows: list[Verdict | Refused]) -> bytes:
    """Encode the answer to a request with many observations."""
    return _encoder.encode(Verdicts(rows))


def scored_verdicts(scored: Scored, wanted: Iterable[int]) -> list[Verdict]:
    """Give the verdicts of some rows of a block, for the live tail; refused rows are left out."""
    judged = Judged(scored, 0, len(scored.verdicts))
    rows = verdict_rows(judged)
    return [row for at in wanted if isinstance(row := rows[at], Verdict)]


def alert_view(alert: Alert) -> AlertView:
    """Show an alert with epoch seconds."""
    return AlertView(
        event_id=alert.event_id,
        stream_id=alert.stream_id,
        model=alert.model,
        status=alert.status,
        timestamp=alert.at / _MICROSECONDS,
        since=alert.since / _MICROSECONDS,
        opened_at=alert.opened_at / _MICROSECONDS,
        severity=alert.severity,
        peak_severity=alert.peak_severity,
        anomalies=alert.anomalies,
        contributors=_contributors(alert.contributors),
    )


def verdict_rows(judged: Judged) -> list[Verdict | RowError]:
    """Give a verdict for each row that was taken, and the reason for each that was refused."""
    verdicts, part = judged.scored.verdicts, slice(judged.start, judged.stop)
    rows = verdicts.explanations.rows
    first, last = np.searchsorted(rows, (judged.start, judged.stop)).tolist()
    explained = {row: at for at, row in enumerate(rows[first:last].tolist(), first)}
    columns = (getattr(verdicts, name)[part].tolist() for name in _COLUMNS)
    stream_ids = judged.scored.stream_ids[part]
    table = zip(range(judged.start, judged.stop), stream_ids, *columns, strict=True)
    return [_row(judged, explained, *row) for row in table]


def _row(
    judged: Judged, explained: dict[int, int], row: int, stream_id: str, *columns: Any
) -> Verdict | RowError:
    at, seq, refusal, phase, score, threshold, severity, is_anomaly, done, of = columns
    if refusal != Refusal.NONE:
        return BANK_REFUSALS[Refusal(refusal)]
    mark = judged.scored.marks.get(row)
    return Verdict(
        stream_id=stream_id,
        timestamp=at / _MICROSECONDS,
        seq=None if seq == NO_SEQ else seq,
        phase=PHASES[phase],
        score=_known(score),
        smoothed_score=None,
        threshold=_known(threshold),
        severity=_known(severity),
        is_anomaly=None if is_anomaly == Anomaly.UNKNOWN else is_anomaly == Anomaly.YES,
        contributors=_explained(judged.scored, explained[row]) if row in explained else None,
        alert=None if mark is None else AlertMark(mark.event_id, mark.status),
        progress=Progress(done, of) if of else None,
    )


def _explained(scored: Scored, at: int) -> list[Contributor]:
    return _contributors(contributors(scored.metrics, scored.verdicts.explanations, at))


def _contributors(found: Sequence[ports.Contributor]) -> list[Contributor]:
    return [Contributor(one.metric, one.actual, one.expected, one.share) for one in found]


def _known(number: float) -> float | None:
    return None if math.isnan(number) else number
