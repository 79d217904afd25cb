"""Entries written by columns say what they said when they were written row by row."""

import json
from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blocks import MAX_TIME, NO_SEQ, NO_TIME, Anomaly, Phase, Refusal
from service.engine.ports import Scored
from service.sinks.entries import Entries, alert_entries, verdict_entries
from service.sinks.rows import rows_of
from tests.deliveries import TIME, alert, scored, verdicts

ODD_NUMBERS = [nan, inf, -inf, 0.0, -0.0, 1.0, 1e-4, 9.999e-5, 1e-7, 1e15, 1e16, 1e300, 5e-324]
NUMBERS = st.sampled_from(ODD_NUMBERS) | st.floats()
ROW = st.fixed_dictionaries(
    {
        "times": st.integers(-MAX_TIME, MAX_TIME),
        "seqs": st.just(NO_SEQ) | st.integers(0, 2**63 - 1),
        "phase": st.sampled_from(Phase),
        "refusal": st.just(Refusal.NONE) | st.sampled_from(Refusal),
        "score": NUMBERS,
        "smoothed": NUMBERS,
        "threshold": NUMBERS,
        "severity": NUMBERS,
        "is_anomaly": st.sampled_from(Anomaly),
        "shifted_since": st.just(NO_TIME) | st.integers(-MAX_TIME, MAX_TIME),
    }
)
IDS = st.text(min_size=1, max_size=8)


@st.composite
def blocks_of(draw: st.DrawFn) -> Scored:
    """Draw a block of up to twelve rows; ids hold whatever text can."""
    rows = draw(st.lists(ROW, max_size=12))
    ids = draw(st.lists(IDS, min_size=len(rows), max_size=len(rows)))
    columns: dict[str, Any] = (
        {name: [row[name] for row in rows] for name in rows[0]} if rows else {}
    )
    return scored(ids, verdicts(len(rows), **columns))


def fields_one_by_one(block: Scored) -> list[dict[str, Any]]:
    """Give the fields of each row that was taken, the plain way."""
    lists = block.lists
    return [
        known_of(
            {
                "stream_id": block.stream_ids[row],
                "model": block.model,
                "timestamp": lists.times[row] / 1e6,
                "seq": None if lists.seqs[row] == NO_SEQ else lists.seqs[row],
                "phase": Phase(lists.phase[row]).name.lower(),
                "score": lists.score[row],
                "smoothed_score": lists.smoothed[row],
                "threshold": lists.threshold[row],
                "severity": lists.severity[row],
                "is_anomaly": {-1: None, 0: False, 1: True}[lists.is_anomaly[row]],
                "level_shift_since": (
                    None if lists.shifted_since[row] == NO_TIME else lists.shifted_since[row] / 1e6
                ),
            }
        )
        for row in range(len(block.verdicts))
        if lists.refusal[row] == Refusal.NONE
    ]


def known_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is unknown."""
    return {
        name: value
        for name, value in fields.items()
        if value is not None and not (isinstance(value, float) and not isfinite(value))
    }


def text_of(value: Any) -> str:
    """Write a value as it stands in an entry."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def entries_of(found: Entries) -> list[dict[str, str]]:
    """Turn columns into entries, as the script on the server does."""
    rows = zip(*found.texts.values(), strict=True)
    return [
        {name: text for name, text in zip(found.texts, row, strict=True) if text is not None}
        for row in rows
    ]


@given(st.lists(blocks_of(), min_size=1, max_size=3), st.booleans())
def test_columns_say_what_rows_say(blocks: list[Scored], only_anomalies: bool) -> None:
    """Entries and the live message are what writing row by row gives, to the byte."""
    wanted = [fields for block in blocks for fields in fields_one_by_one(block)]
    if only_anomalies:
        wanted = [fields for fields in wanted if fields.get("is_anomaly")]
    rows = rows_of(blocks, only_anomalies=only_anomalies)
    assert len(rows) == len(wanted)
    if not wanted:
        return
    found = verdict_entries(rows)
    texts = [{name: text_of(value) for name, value in fields.items()} for fields in wanted]
    assert entries_of(found) == texts
    assert [list(entry) for entry in entries_of(found)] == [list(fields) for fields in texts]
    assert found.messages == [msgspec.json.encode(wanted)]
    assert found.is_complete == (len(set(map(tuple, wanted))) == 1)


def test_floats_are_written_as_repr_does() -> None:
    """Exponents too: JSON's differ from Python's."""
    numbers = [1.0, 0.1, 1e-05, 9.999e-05, 0.0001, 1e16, 9999999999999998.0, -0.0, 1.5e-300]
    found = verdict_entries(rows_of([scored(["a"] * 9, verdicts(9, score=numbers))]))
    assert found.texts["score"] == list(map(repr, numbers))


def test_fields_that_no_entry_has_have_no_column() -> None:
    """While a stream is washed out there is neither score nor threshold."""
    block = verdicts(2, phase=[Phase.WASHOUT] * 2, score=[nan, nan], threshold=[nan, nan])
    found = verdict_entries(rows_of([scored(["a", "b"], block)]))
    assert list(found.texts) == [
        "stream_id", "model", "timestamp", "phase", "smoothed_score", "severity", "is_anomaly",
    ]  # fmt: skip
    assert found.is_complete


def test_alerts_are_an_entry_and_a_message_each() -> None:
    """Numbers are texts in the entry; contributors are JSON in both."""
    found = alert_entries([alert(0), alert(1)])
    assert found.texts["event_id"] == ["0000000000000000", "0000000000000001"]
    assert found.texts["anomalies"] == ["3", "3"]
    messages = [json.loads(message) for message in found.messages]
    assert [message["stream_id"] for message in messages] == found.texts["stream_id"]
    assert json.loads(found.texts["contributors"][0] or "") == messages[0]["contributors"]


def test_a_level_shift_is_in_the_entries_of_its_alerts() -> None:
    """An entry without one has no such field; in the message it is null."""
    quiet = alert_entries([alert(0)])
    assert "level_shift_since" not in quiet.texts
    assert quiet.is_complete
    found = alert_entries([alert(0), replace(alert(1), level_shift_since=TIME)])
    assert found.texts["level_shift_since"] == [None, str(TIME / 1e6)]
    assert not found.is_complete
    told = [json.loads(message)["level_shift_since"] for message in found.messages]
    assert told == [None, TIME / 1e6]


@pytest.mark.parametrize("code", Phase)
def test_each_phase_has_its_name(code: Phase) -> None:
    """The names are those the doors give."""
    found = verdict_entries(rows_of([scored(["a"], verdicts(1, phase=[code]))]))
    assert found.texts["phase"] == [code.name.lower()]
