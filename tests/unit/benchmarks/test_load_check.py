"""Verdicts are counted, and those looked at have to be the right stream's and time's."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.load_check import (
    COUNTS,
    WATCHED_EVERY,
    WrongAnswerError,
    watched_scores,
    worst_error,
)
from benchmarks.load_rows import IDS, Message, time_of

STEP = 4


def row(stream: int, **changed: Any) -> dict[str, Any]:
    told = {"stream_id": IDS[stream], "timestamp": float(time_of(STEP))}
    return told | {"score": 0.5, "threshold": 2.0} | changed


def test_an_unknown_score_is_no_verdict_in_json() -> None:
    """Rows without a score are counted as missing."""
    body = json.dumps({"verdicts": [row(0), row(1, score=None), row(2)]}, separators=(",", ":"))

    assert COUNTS["json"](body.encode()) == 2


def test_an_unknown_score_is_no_verdict_in_arrow() -> None:
    """The same for Arrow; what is no Arrow holds none."""
    table = pa.table({"score": pa.array([0.5, None, 1.5])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)

    assert COUNTS["arrow"](sink.getvalue().to_pybytes()) == 2
    assert COUNTS["arrow"](b"sorry") == 0


def test_scores_of_watched_streams_are_kept() -> None:
    """Every fiftieth stream's score is found under its stream and step."""
    rows = [row(stream) for stream in range(WATCHED_EVERY + 1)]
    kept = [(Message(b"", 0, len(rows), STEP), json.dumps(rows).encode())]

    assert watched_scores(kept, "json") == {(0, STEP): 0.5, (WATCHED_EVERY, STEP): 0.5}


@pytest.mark.parametrize(
    "rows",
    [
        [row(1)],
        [row(0, timestamp=float(time_of(STEP + 1)))],
        [row(0, score=math.inf)],
        [row(0, threshold=math.nan)],
        [row(0), row(1)],
    ],
)
def test_a_wrong_answer_is_refused(rows: list[dict[str, Any]]) -> None:
    """Another stream, another time, no number, too many rows."""
    kept = [(Message(b"", 0, 1, STEP), json.dumps(rows).encode())]

    with pytest.raises(WrongAnswerError):
        watched_scores(kept, "json")


def test_nothing_looked_at_is_not_well() -> None:
    """A run that looked at no score has not shown that scores are right."""
    assert worst_error({}, Path()) == math.inf
