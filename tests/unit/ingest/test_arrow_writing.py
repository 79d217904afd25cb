import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from models.blocks import NO_SEQ, Explanations, Phase, Refusal, VerdictBlock
from service.engine.columns import Answer, Columns, Judged, Request
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.ports import Mark, Scored
from service.ingest.arrow_writing import encode_stream
from service.ingest.encode import answer_rows
from tests.engines import METRICS, verdict_block
from tests.fakes import ARRIVAL

DOCS = Path(__file__).parents[3] / "docs" / "columns.md"
NAN = float("nan")
TEXT, NUMBER = pa.string(), pa.float64()
PART = pa.struct([("metric", TEXT), *((name, NUMBER) for name in ("actual", "expected", "share"))])
TYPES = {
    "utf8": TEXT,
    "timestamp[us, UTC]": pa.timestamp("us", "UTC"),
    "int64": pa.int64(),
    "float64": NUMBER,
    "bool": pa.bool_(),
    "dictionary of utf8: washout, warmup, live": pa.dictionary(pa.int8(), TEXT),
    "list of struct: metric utf8, actual, expected, share float64": pa.list_(PART),
    "struct: event_id, status utf8": pa.struct([("event_id", TEXT), ("status", TEXT)]),
    "struct: done, of int32": pa.struct([("done", pa.int32()), ("of", pa.int32())]),
    "struct: type, detail utf8": pa.struct([("type", TEXT), ("detail", TEXT)]),
}
"""What the words of the docs mean."""


def judged(
    block: VerdictBlock,
    marks: dict[int, Mark] | None = None,
    *,
    part: slice = slice(None),
    metrics: tuple[str, ...] = METRICS,
) -> Judged:
    """Give the verdicts of some rows of a block; row 3 is of stream s3."""
    ids = [f"s{row}" for row in range(len(block))]
    start, stop, _ = part.indices(len(block))
    return Judged(Scored("pumps", metrics, ids, block, marks or {}), start, stop)


def table_of(answer: Answer) -> Any:
    """Write an answer and read it back, checked in full; each row has its stream as id."""
    columns = [
        Columns(
            rows=places,
            stream_ids=tuple(one.scored.stream_ids[one.start : one.stop]),
            times=np.zeros(len(places), np.int64),
            seqs=np.full(len(places), NO_SEQ),
            values=np.zeros((len(places), 1)),
        )
        for places, one in answer.parts
    ]
    request = Request(door="test", size=answer.size, columns=columns, errors=answer.errors)
    table = pa.ipc.open_stream(encode_stream(request, answer)).read_all()
    table.validate(full=True)
    return table


def rows_of(one: Judged) -> list[dict[str, Any]]:
    """Write the verdicts of one part alone."""
    size = one.stop - one.start
    rows: list[dict[str, Any]] = table_of(Answer(size, [(np.arange(size), one)], {})).to_pylist()
    return rows


def documented() -> dict[str, Any]:
    """Read names and types of the columns from the table of the docs."""
    section = DOCS.read_text(encoding="utf-8").split("## Columns out")[1].split("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:3] == "| `"]
    return {
        name: TYPES[kind.replace("`", "")]
        for names, kind in lines
        for name in re.findall(r"`(\w+)`", names)
    }


@pytest.mark.parametrize("severities", [[0.5, 3.0], [NAN]])
def test_columns_are_those_of_the_docs(severities: list[float]) -> None:
    """Names, order and types are as documented, also where a column holds nothing but nulls."""
    size = len(severities)
    parts = [(np.arange(size), judged(verdict_block(severities)))]
    for answer in (Answer(size, parts, {}), Answer(1, [], {0: RowError("invalid-id", "no")})):
        schema = table_of(answer).schema
        assert dict(zip(schema.names, schema.types, strict=True)) == documented()
        assert schema.names == list(documented())
        assert all(field.nullable for field in schema)


def test_an_anomaly_has_its_alert_and_contributors() -> None:
    """The largest share comes first; a missing value is null; nothing is refused."""
    block = verdict_block([0.5, 3.0])
    block.explanations.actual[0, 2] = NAN
    block.seqs[1] = 2**63 - 1
    normal, anomaly = rows_of(judged(block, {1: Mark("00112233aabbccdd", "opened")}))
    assert anomaly["contributors"] == [
        {"metric": "m1", "actual": 8.0, "expected": 0.7, "share": 0.7},
        {"metric": "m2", "actual": None, "expected": 0.2, "share": 0.2},
        {"metric": "m0", "actual": 2.0, "expected": 0.1, "share": 0.1},
    ]
    assert anomaly["alert"] == {"event_id": "00112233aabbccdd", "status": "opened"}
    assert (anomaly["score"], anomaly["threshold"], anomaly["severity"]) == (6.0, 2.0, 3.0)
    assert (anomaly["is_anomaly"], anomaly["seq"], anomaly["phase"]) == (True, 2**63 - 1, "live")
    assert round(anomaly["timestamp"].timestamp() * 1e6) == ARRIVAL + 1_000_000
    assert (normal["is_anomaly"], normal["seq"]) == (False, None)
    for name in ("contributors", "alert", "progress", "error", "level_shift_since"):
        assert normal[name] is None
    assert (normal["smoothed_score"], anomaly["smoothed_score"]) == (0.5, 3.0)
    assert anomaly["error"] is None


def test_a_level_shift_is_told_since_when() -> None:
    """A time in the rows of the shift, null in others and in one that was refused."""
    since = ARRIVAL - 500_000
    block = verdict_block([0.5, 0.9, 3.0, 3.0], shifted={1: since, 2: since, 3: since})
    block.refusal[3] = Refusal.DUPLICATE
    told = [row["level_shift_since"] for row in rows_of(judged(block))]
    assert [at and round(at.timestamp() * 1e6) for at in told] == [None, since, since, None]


@pytest.mark.parametrize("phase", [Phase.WASHOUT, Phase.WARMUP])
def test_unknown_is_null(phase: Phase) -> None:
    """Before a stream is live nothing is said of anomaly, and progress is told."""
    block = verdict_block([NAN], phase=phase)
    block.done[:], block.of[:] = 3, 60
    (row,) = rows_of(judged(block))
    for name in (
        "score", "smoothed_score", "threshold", "severity", "is_anomaly", "level_shift_since",
        "contributors", "alert", "error",
    ):  # fmt: skip
        assert row[name] is None
    assert (row["phase"], row["progress"]) == (phase.name.lower(), {"done": 3, "of": 60})


@pytest.mark.parametrize("refusal", [one for one in Refusal if one is not Refusal.NONE])
def test_a_refused_row_has_its_error_alone(refusal: Refusal) -> None:
    """Beside the error and the stream all is null, whatever the block holds there."""
    block = verdict_block([0.5], refusal=refusal)
    block.done[:], block.of[:] = 3, 60
    (row,) = rows_of(judged(block))
    told = BANK_REFUSALS[refusal]
    assert row.pop("error") == {"type": told.type, "detail": told.detail}
    assert row.pop("stream_id") == "s0"
    assert set(row.values()) == {None}


def test_text_that_is_no_utf8_is_replaced() -> None:
    """Half a surrogate pair in a detail does not break the stream."""
    (row,) = table_of(Answer(1, [], {0: RowError("metric-names", "\ud800")})).to_pylist()
    assert row["error"] == {"type": "metric-names", "detail": "?"}
    assert row["stream_id"] is None


def mixed() -> Answer:
    """Answer eight rows, of two models, one seen in part; two never got there."""
    wide = verdict_block([9.0, 3.0, 0.5, 4.0, 9.0])
    marks = {0: Mark("other", "open"), 1: Mark("mine", "opened"), 3: Mark("mine", "updated")}
    narrow = verdict_block([2.0, NAN, 5.0], first=7)
    rows = narrow.explanations.rows
    ones = np.ones((len(rows), 1))
    explained = Explanations(rows=rows, actual=ones * rows[:, None], expected=ones, share=ones)
    narrow = replace(narrow, explanations=explained, seqs=np.array([4, 5, 6]))
    narrow.refusal[1] = Refusal.DUPLICATE
    parts = [
        (np.array([6, 1, 4]), judged(wide, marks, part=slice(1, 4))),
        (np.array([0, 3, 7]), judged(narrow, {2: Mark("theirs", "open")}, metrics=("level",))),
    ]
    return Answer(8, parts, {2: RowError("invalid-id", "no"), 5: RowError("wrong-width", "no")})


def test_models_of_other_widths_in_one_answer() -> None:
    """Rows of several models stand in the order sent, each with its own metrics and alert."""
    rows = table_of(mixed()).to_pylist()
    assert [row["stream_id"] for row in rows] == ["s0", "s2", None, "s1", "s3", None, "s1", "s2"]
    metrics = [[part["metric"] for part in row["contributors"] or ()] for row in rows]
    wide = ["m1", "m2", "m0"]
    assert metrics == [["level"], [], [], [], wide, [], wide, ["level"]]
    events = [row["alert"] and (row["alert"]["event_id"], row["alert"]["status"]) for row in rows]
    assert events == [
        None, None, None, None, ("mine", "updated"), None, ("mine", "opened"), ("theirs", "open"),
    ]  # fmt: skip
    assert [row["error"] and row["error"]["type"] for row in rows] == [
        None, None, "invalid-id", "duplicate", None, "wrong-width", None, None,
    ]  # fmt: skip
    assert [row["seq"] for row in rows] == [4, None, None, None, None, None, None, 6]


def test_ids_of_every_request_are_its_own() -> None:
    """Texts that were written before are written again for the same ids, and for no others."""
    for ids in (("a", "é/ü"), ("a", "é/ü"), ("", "b" * 200), ("a",)):
        size = len(ids)
        one = judged(verdict_block([0.5] * size))
        columns = Columns(
            rows=np.arange(size),
            stream_ids=ids,
            times=np.zeros(size, np.int64),
            seqs=np.full(size, NO_SEQ),
            values=np.zeros((size, 1)),
        )
        request = Request(door="test", size=size, columns=[columns])
        for _ in range(2):
            data = encode_stream(request, Answer(size, [(np.arange(size), one)], {}))
            table = pa.ipc.open_stream(data).read_all()
            assert table["stream_id"].to_pylist() == list(ids)


def many(size: int) -> Answer:
    """Answer so many rows of one model: some unknown, some explained, some with an alert."""
    source = np.random.default_rng(size)
    severities = np.where(source.random(size) < 0.2, NAN, 2 * source.random(size))
    block = verdict_block(severities.tolist())
    block.seqs[::3] = np.arange(len(block.seqs[::3]))
    block.of[::4], block.done[::4] = 60, 3
    marks = {row: Mark(f"{row:016x}", "open") for row in range(0, size, 7)}
    return Answer(size, [(np.arange(size), judged(block, marks))], {})


@pytest.mark.parametrize("answer", [mixed(), *map(many, (1, 7, 8, 9, 63, 64, 65, 1000))])
def test_the_same_as_json(answer: Answer) -> None:
    """Every field of every row is what JSON says, whatever part of a byte flags end in."""
    for place, (row, json) in enumerate(
        zip(table_of(answer).to_pylist(), msgspec.to_builtins(answer_rows(answer)), strict=True)
    ):
        error = row.pop("error")
        if error is not None:
            assert json == {"index": place, "error": error}
        else:
            assert row | {"timestamp": row["timestamp"].timestamp()} == json


def test_a_row_without_an_answer_is_a_bug() -> None:
    """It is told loudly rather than left out."""
    with pytest.raises(RuntimeError, match="bug"):
        table_of(Answer(2, [], {0: RowError("invalid-id", "no")}))
