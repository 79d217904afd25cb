from typing import Any

import numpy as np
import pytest

from models.blocks import NO_TIME, Phase, Refusal
from service.engine.columns import Answer, Judged
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.ports import Mark
from service.ingest.encode import answer_rows, encode, encode_many, verdict_row, verdict_rows
from tests.engines import METRICS, verdict_block
from tests.fakes import ARRIVAL
from tests.unit.ingest.test_encode import NAN, judged, strict


def slowly(judged: Judged) -> list[Any]:
    """Say what each row is answered with, straight from the arrays and one field at a time."""
    block, scored = judged.scored.verdicts, judged.scored
    told: list[Any] = []
    for row in range(judged.start, judged.stop):
        if block.refusal[row] != Refusal.NONE:
            told.append(BANK_REFUSALS[Refusal(int(block.refusal[row]))].type)
            continue
        (explained,) = np.flatnonzero(block.explanations.rows == row)[:1].tolist() or [None]
        mark = scored.marks.get(row)
        verdict: dict[str, Any] = {
            "stream_id": scored.stream_ids[row],
            "timestamp": int(block.times[row]) / 1e6,
            "seq": int(block.seqs[row]) if block.seqs[row] >= 0 else None,
            "phase": Phase(int(block.phase[row])).name.lower(),
            "score": float(block.score[row]),
            "smoothed_score": float(block.smoothed[row]),
            "threshold": float(block.threshold[row]),
            "severity": float(block.severity[row]),
            "is_anomaly": {-1: None, 0: False, 1: True}[int(block.is_anomaly[row])],
            "level_shift_since": (
                int(block.shifted_since[row]) / 1e6 if block.shifted_since[row] != NO_TIME else None
            ),
            "contributors": None,
            "alert": {"event_id": mark.event_id, "status": mark.status} if mark else None,
            "progress": None,
        }
        if explained is not None:
            parts = block.explanations
            numbers = (parts.actual, parts.expected, parts.share)
            many = [
                dict(zip(("metric", "actual", "expected", "share"), (name, *each), strict=True))
                for name, *each in zip(
                    METRICS, *(part[explained].tolist() for part in numbers), strict=True
                )
            ]
            many.sort(key=lambda one: -one["share"])
            verdict["contributors"] = many
        if block.of[row]:
            verdict["progress"] = {"done": int(block.done[row]), "of": int(block.of[row])}
        for name in ("score", "smoothed_score", "threshold", "severity"):
            verdict[name] = verdict[name] if np.isfinite(verdict[name]) else None
        told.append(verdict)
    return told


@pytest.mark.parametrize("seed", range(20))
def test_rows_are_what_stands_in_the_block(seed: int) -> None:
    """Of blocks of every kind of rows, whole and in part, by themselves and together."""
    random = np.random.default_rng(seed)
    block = verdict_block(random.uniform(0.0, 4.0, 12).tolist())
    some = random.random(12) < 0.3
    block.refusal[some] = random.integers(0, len(Refusal), some.sum())
    block.seqs[:] = random.integers(-1, 3, 12)
    early = random.random(12) < random.choice([0.0, 0.4])
    block.phase[early], block.is_anomaly[early] = Phase.WARMUP, -1
    block.score[early] = block.threshold[early] = block.severity[early] = NAN
    block.done[early], block.of[early] = 3, 60
    block.smoothed[random.random(12) < 0.3] = NAN
    block.shifted_since[random.random(12) < random.choice([0.0, 0.4])] = ARRIVAL - 7_000_000
    count = int(random.integers(0, 12))
    marks = {int(at): Mark(f"{at:016x}", "open") for at in random.permutation(12)[:count]}
    for start, stop in ((0, 12), (3, 9), (5, 6), (11, 12), (4, 6)):
        part = judged(block, marks, start, stop)
        found = verdict_rows(part)
        told = [row.type if isinstance(row, RowError) else strict(encode(row)) for row in found]
        assert told == slowly(part)
        assert found == [verdict_row(judged(block, marks, at, at + 1)) for at in range(start, stop)]
        places = np.arange(stop - start)
        rows = answer_rows(Answer(stop - start, [(places, part)], {}))
        spread = answer_rows(
            Answer(
                stop - start,
                [
                    (places[at : at + 1], judged(block, marks, start + at, start + at + 1))
                    for at in reversed(range(stop - start))
                ],
                {},
            )
        )
        assert encode_many(rows) == encode_many(spread)
