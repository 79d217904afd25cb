"""From verdicts to JSON bytes, rows in the order sent."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from models.blocks import NO_SEQ, NO_TIME, Phase, Refusal
from service.engine import ports
from service.engine.columns import Answer, Judged
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.ports import Alert, Scored, VerdictLists
from service.engine.watch import contributors
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
_ANOMALY: Final = (False, True, None)
"""By `Anomaly` code; -1, unknown, is the last."""
_MICROSECONDS: Final = 1_000_000
_encoder = msgspec.json.Encoder()


def answer_rows(answer: Answer) -> list[Verdict | Refused]:
    """Join the parts of an answer: a verdict or a refusal for every row, in the order sent."""
    if len(answer.parts) == 1 and len(answer.parts[0][0]) == answer.size:
        # most requests are of one model and without an error: places ascend, so all is in order
        return [
            row if isinstance(row, Verdict) else refused(place, row)
            for place, row in enumerate(verdict_rows(answer.parts[0][1]))
        ]
    joined: list[Verdict | Refused | None] = [None] * answer.size
    for place, error in answer.errors.items():
        joined[place] = refused(place, error)
    for places, judged in answer.parts:
        for place, found in zip(places.tolist(), verdict_rows(judged), strict=True):
            joined[place] = found if isinstance(found, Verdict) else refused(place, found)
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
        level_shift_since=(
            None if alert.level_shift_since is None else alert.level_shift_since / _MICROSECONDS
        ),
        contributors=_contributors(alert.contributors),
    )


def verdict_rows(judged: Judged) -> list[Verdict | RowError]:
    """Give a verdict for each row that was taken, and the reason for each that was refused."""
    if judged.stop - judged.start == 1:
        return [verdict_row(judged)]
    scored, start, stop = judged.scored, judged.start, judged.stop
    lists = scored.lists
    table = zip(
        scored.stream_ids[start:stop],
        *(column[start:stop] for column in _told(lists)),
        strict=True,
    )
    # rows are made as most of them are, and mended below: a call a row would cost as much again
    rows: list[Verdict | RowError] = [
        Verdict(
            stream_id=stream_id,
            timestamp=at / _MICROSECONDS,
            seq=None if seq == NO_SEQ else seq,
            phase=PHASES[phase],
            # what is not itself is NaN: unknown
            score=score if score == score else None,  # noqa: PLR0124
            smoothed_score=smoothed if smoothed == smoothed else None,  # noqa: PLR0124
            threshold=threshold if threshold == threshold else None,  # noqa: PLR0124
            severity=severity if severity == severity else None,  # noqa: PLR0124
            is_anomaly=_ANOMALY[is_anomaly],
            level_shift_since=None,
            contributors=None,
            alert=None,
            progress=None,
        )
        for stream_id, at, seq, phase, score, smoothed, threshold, severity, is_anomaly in table
    ]
    _mend(rows, judged)
    return rows


def verdict_row(judged: Judged) -> Verdict | RowError:
    """Give the first row's verdict or reason: what `verdict_rows` says of it, without its lists."""
    lists, row = judged.scored.lists, judged.start
    if lists.refusal[row]:
        return BANK_REFUSALS[Refusal(lists.refusal[row])]
    seq, score, smoothed = lists.seqs[row], lists.score[row], lists.smoothed[row]
    threshold, severity, since = lists.threshold[row], lists.severity[row], lists.shifted_since[row]
    verdict = Verdict(
        stream_id=judged.scored.stream_ids[row],
        timestamp=lists.times[row] / _MICROSECONDS,
        seq=None if seq == NO_SEQ else seq,
        phase=PHASES[lists.phase[row]],
        score=score if score == score else None,  # noqa: PLR0124 - NaN, as above
        smoothed_score=smoothed if smoothed == smoothed else None,  # noqa: PLR0124
        threshold=threshold if threshold == threshold else None,  # noqa: PLR0124
        severity=severity if severity == severity else None,  # noqa: PLR0124
        is_anomaly=_ANOMALY[lists.is_anomaly[row]],
        level_shift_since=None if since == NO_TIME else since / _MICROSECONDS,
        contributors=None,
        alert=None,
        progress=Progress(lists.done[row], lists.of[row]) if lists.of[row] else None,
    )
    if len(judged.scored.verdicts.explanations.rows) or judged.scored.marks:
        _add_reasons([verdict], judged.scored, row)
    return verdict


def _told(lists: VerdictLists) -> tuple[Sequence[Any], ...]:
    """Give the columns that every verdict tells."""
    return (
        lists.times,
        lists.seqs,
        lists.phase,
        lists.score,
        lists.smoothed,
        lists.threshold,
        lists.severity,
        lists.is_anomaly,
    )


def _mend(rows: list[Verdict | RowError], judged: Judged) -> None:
    """Put in what few rows have: progress, a shift, why, a mark, or a refusal instead of it all."""
    scored, start, stop = judged.scored, judged.start, judged.stop
    lists = scored.lists
    of, refusal = lists.of[start:stop], lists.refusal[start:stop]
    if any(of):
        for row, done, steps in zip(rows, lists.done[start:stop], of, strict=True):
            if isinstance(row, Verdict) and steps:
                row.progress = Progress(done, steps)
    _add_shifts(rows, lists.shifted_since[start:stop])
    if len(scored.verdicts.explanations.rows) or scored.marks:
        _add_reasons(rows, scored, start)
    if any(refusal):
        for at, code in enumerate(refusal):
            if code:
                rows[at] = BANK_REFUSALS[Refusal(code)]


def _add_shifts(rows: Sequence[Verdict | RowError], shifted_since: list[int]) -> None:
    if shifted_since.count(NO_TIME) == len(rows):
        return
    for row, since in zip(rows, shifted_since, strict=True):
        if isinstance(row, Verdict) and since != NO_TIME:
            row.level_shift_since = since / _MICROSECONDS


def _add_reasons(rows: Sequence[Verdict | RowError], scored: Scored, start: int) -> None:
    """Add contributors and marks to verdicts, the first of which is row `start` of the block."""
    stop = start + len(rows)
    explained = scored.verdicts.explanations.rows
    # bisect reads a few places of the array; numpy's own search costs more for one row
    first = bisect_left(explained, start)
    for at in range(first, bisect_left(explained, stop, first)):
        row = rows[int(explained[at]) - start]
        if isinstance(row, Verdict):
            row.contributors = _explained(scored, at)
    marks = scored.marks
    # whichever are fewer: a block of many rows by themselves is gone through but once
    for place in range(start, stop) if len(rows) < len(marks) else marks:
        mark = marks.get(place)
        if mark is None or not start <= place < stop:
            continue
        row = rows[place - start]
        if isinstance(row, Verdict):
            row.alert = AlertMark(mark.event_id, mark.status)


def _explained(scored: Scored, at: int) -> list[Contributor]:
    return _contributors(contributors(scored.metrics, scored.verdicts.explanations, at))


def _contributors(found: Sequence[ports.Contributor]) -> list[Contributor]:
    return [Contributor(one.metric, one.actual, one.expected, one.share) for one in found]
