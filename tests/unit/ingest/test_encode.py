import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.blocks import Explanations, Phase, Refusal, VerdictBlock
from service.engine.columns import Answer, Judged
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.ports import Mark, Scored
from service.ingest.encode import (
    alert_view,
    answer_rows,
    encode,
    encode_many,
    refused,
    scored_verdicts,
    verdict_row,
    verdict_rows,
)
from service.ingest.schemas import Verdict
from tests.engines import METRICS, an_alert, verdict_block
from tests.fakes import ARRIVAL

NAN = float("nan")


def judged(
    block: VerdictBlock, marks: dict[int, Mark] | None = None, start: int = 0, stop: int = -1
) -> Judged:
    scored = Scored("pumps", METRICS, [f"s{row}" for row in range(len(block))], block, marks or {})
    return Judged(scored, start, len(block) if stop < 0 else stop)


def strict(data: bytes) -> Any:
    """Read JSON as the standard has it: without NaN and infinities."""

    def fail(name: str) -> None:
        raise AssertionError(name)

    return json.loads(data, parse_constant=fail)


def test_a_verdict_has_every_field() -> None:
    """An anomaly comes with its alert and its contributors, largest share first."""
    block = verdict_block([0.5, 3.0])
    marks = {1: Mark("00112233aabbccdd", "opened")}
    _, verdict = strict(encode(verdict_rows(judged(block, marks))))
    contributors = verdict.pop("contributors")
    assert verdict == {
        "stream_id": "s1",
        "timestamp": ARRIVAL / 1e6 + 1,
        "seq": None,
        "phase": "live",
        "score": 6.0,
        "smoothed_score": 3.0,
        "threshold": 2.0,
        "severity": 3.0,
        "is_anomaly": True,
        "level_shift_since": None,
        "alert": {"event_id": "00112233aabbccdd", "status": "opened"},
        "progress": None,
    }
    assert [one["metric"] for one in contributors] == ["m1", "m2", "m0"]
    assert contributors[0] == {"metric": "m1", "actual": 8.0, "expected": 0.7, "share": 0.7}


@pytest.mark.parametrize("phase", [Phase.WASHOUT, Phase.WARMUP])
def test_unknown_is_null(phase: Phase) -> None:
    """Before a stream is live nothing is said of anomaly, and progress is told."""
    block = verdict_block([NAN], phase=phase)
    block.done[:], block.of[:] = 3, 60
    (verdict,) = strict(encode(verdict_rows(judged(block))))
    for name in (
        "score", "smoothed_score", "threshold", "severity", "is_anomaly", "level_shift_since",
        "contributors", "alert",
    ):  # fmt: skip
        assert verdict[name] is None
    assert (verdict["phase"], verdict["progress"]) == (phase.name.lower(), {"done": 3, "of": 60})


def test_no_number_json_does_not_have() -> None:
    """NaN and infinities become null wherever they stand."""
    block = verdict_block([3.0, np.inf])
    block.explanations.actual[:] = NAN
    block.explanations.expected[:] = np.inf
    rows = strict(encode(verdict_rows(judged(block))))
    assert rows[1]["severity"] is None
    assert {one["actual"] for row in rows for one in row["contributors"]} == {None}


@pytest.mark.parametrize("seq", [0, 2**63 - 1])
def test_seq_is_given_back_exactly(seq: int) -> None:
    """Zero is a number like any other, and the largest keeps every digit."""
    block = verdict_block([0.5])
    block.seqs[:] = seq
    (verdict,) = strict(encode(verdict_rows(judged(block))))
    assert verdict["seq"] == seq


def test_a_part_of_a_block_has_its_own_rows_only() -> None:
    """Explanations and marks of other requests in the block do not leak into it."""
    block = verdict_block([3.0, 0.5, 4.0, 0.5, 5.0])
    marks = {0: Mark("other", "open"), 2: Mark("mine", "updated"), 4: Mark("other", "open")}
    rows = verdict_rows(judged(block, marks, 1, 4))
    assert [row.stream_id for row in rows if isinstance(row, Verdict)] == ["s1", "s2", "s3"]
    first, middle, last = rows
    assert isinstance(first, Verdict)
    assert isinstance(middle, Verdict)
    assert isinstance(last, Verdict)
    assert [first.contributors, first.alert, last.contributors, last.alert] == [None] * 4
    assert middle.alert is not None
    assert middle.alert.event_id == "mine"
    assert middle.contributors is not None
    assert middle.contributors[0].actual == pytest.approx(7 + 2)


def test_rows_come_in_the_order_sent() -> None:
    """Verdicts of several banks, refusals of the bank and errors take their places."""
    block = verdict_block([0.5, 0.5, 3.0])
    block.refusal[1] = Refusal.DUPLICATE
    other = verdict_block([0.1])
    answer = Answer(
        6,
        [(np.array([1, 3, 5]), judged(block)), (np.array([2]), judged(other))],
        {0: RowError("invalid-id", "no"), 4: RowError("wrong-width", "no")},
    )
    rows = strict(encode_many(answer_rows(answer)))["verdicts"]
    found = [row.get("score", row.get("error", {}).get("type")) for row in rows]
    assert found == ["invalid-id", 1.0, 0.2, "duplicate", "wrong-width", 6.0]
    assert [row["index"] for row in rows if "index" in row] == [0, 3, 4]


def test_a_row_without_an_answer_is_a_bug() -> None:
    """It is told loudly rather than left out."""
    with pytest.raises(RuntimeError, match="bug"):
        answer_rows(Answer(2, [], {0: RowError("invalid-id", "no")}))


@pytest.mark.parametrize("refusal", [one for one in Refusal if one is not Refusal.NONE])
def test_every_refusal_of_the_bank_has_its_words(refusal: Refusal) -> None:
    """Each code maps to a type and a detail."""
    rows = verdict_rows(judged(verdict_block([NAN], refusal=refusal)))
    assert rows == [BANK_REFUSALS[refusal]]


def test_half_a_surrogate_pair_does_not_break_an_error() -> None:
    """Text that is no UTF-8 is replaced."""
    row = refused(3, RowError("metric-names", "unknown: \ud800"))
    assert strict(encode(row)) == {
        "index": 3,
        "error": {"type": "metric-names", "detail": "unknown: ?"},
    }


def test_the_live_tail_leaves_refused_rows_out() -> None:
    """Of the rows wanted those come that were taken."""
    block = verdict_block([0.5, 0.5, 0.5])
    block.refusal[1] = Refusal.OUT_OF_ORDER
    rows = scored_verdicts(judged(block).scored, [1, 2])
    assert [row.stream_id for row in rows] == ["s2"]


def test_asked_for_explanations_of_normal_rows() -> None:
    """A row that is no anomaly may have contributors."""
    block = verdict_block([0.5])
    shares = np.array([[0.5, 0.2, 0.3]])
    explained = Explanations(rows=np.array([0]), actual=shares, expected=shares, share=shares)
    (row,) = verdict_rows(judged(replace(block, explanations=explained)))
    assert isinstance(row, Verdict)
    assert row.contributors is not None
    assert [one.metric for one in row.contributors] == ["m0", "m2", "m1"]


def test_an_alert_is_shown_in_seconds() -> None:
    """Times become epoch seconds, a missing value null."""
    shown = strict(encode(alert_view(an_alert())))
    assert (shown["since"], shown["opened_at"]) == (ARRIVAL / 1e6, ARRIVAL / 1e6 + 2)
    assert shown["contributors"][0]["actual"] is None
    assert shown["status"] == "opened"
    assert shown["level_shift_since"] is None
    shifted = replace(an_alert(), level_shift_since=ARRIVAL)
    assert strict(encode(alert_view(shifted)))["level_shift_since"] == ARRIVAL / 1e6


def test_a_level_shift_is_told_since_when() -> None:
    """Of the rows of a shift alone, in epoch seconds, in a block and by itself."""
    block = verdict_block([0.5, 0.9, 3.0], shifted={1: ARRIVAL - 500_000, 2: ARRIVAL - 500_000})
    told = [row["level_shift_since"] for row in strict(encode(verdict_rows(judged(block))))]
    assert told == [None, ARRIVAL / 1e6 - 0.5, ARRIVAL / 1e6 - 0.5]
    assert strict(encode(verdict_row(judged(block, None, 1, 2))))["level_shift_since"] == told[1]
