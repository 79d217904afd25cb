import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bank import StreamBank
from service.engine.engine import Engine
from service.engine.model import Model
from service.ingest.decode import JSONDecoder
from service.ingest.encode import answer_rows
from service.ingest.schemas import Refused, Verdict
from tests.engines import METRICS, make_directory, make_engine, running
from tests.fakes import ARRIVAL, make_checkpoint

CHECKPOINT = make_checkpoint(validation_steps=120)
DECODER = JSONDecoder(door="test", max_rows=1000)
START_S = ARRIVAL // 1_000_000
STREAMS = ("a", "plant/b", "c")
REFUSED: Final = {
    "narrow": "wrong-width",
    "wide": "wrong-width",
    "unknown-metric": "metric-names",
    "metric-left-out": "metric-names",
    "mostly-missing": "too-many-missing",
    "infinite": "not-finite",
    "not-a-number": "not-finite",
    "huge": "not-finite",
    "text": "invalid-observation",
    "no-object": "invalid-observation",
    "bad-id": "invalid-id",
    "milliseconds": "invalid-timestamp",
    "no-zone": "invalid-timestamp",
    "before": "out-of-order",
    "lower-seq": "out-of-order",
    "same-time": "duplicate",
    "same-seq": "duplicate",
}
"""Kinds of bad rows and the error each gets."""
NEEDS_A_STREAM: Final = {"before", "lower-seq", "same-time", "same-seq"}


@dataclass(frozen=True)
class Draft:
    """A row before it has its time: which stream, what is wrong with it, its values."""

    kind: str
    stream: str
    values: list[float | None]
    order: tuple[str, ...] | None
    is_numbered: bool


value = st.floats(-0.5, 1.5, width=32) | st.sampled_from([50.0, -1e6])
values = st.tuples(value, value, value | st.none()).map(list)


def drafts(kinds: list[str]) -> st.SearchStrategy[Draft]:
    return st.builds(
        Draft,
        kind=st.sampled_from(kinds),
        stream=st.sampled_from(STREAMS),
        values=values,
        order=st.none() | st.permutations(METRICS).map(tuple),
        is_numbered=st.booleans(),
    )


good = drafts(["good"])
bad = drafts(sorted(REFUSED))
mixes = st.lists(st.lists(good | bad, min_size=1, max_size=12), min_size=1, max_size=4)


@dataclass
class Writer:
    """Turns drafts into rows; knows each stream's last time and seq."""

    times: dict[str, int] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)

    def write(self, draft: Draft) -> tuple[Any, str]:
        """Give the row and the error it is to get, "" for a verdict."""
        kind = draft.kind
        if kind in NEEDS_A_STREAM and draft.stream not in self.times:
            kind = "good"
        row: dict[str, Any] = {
            "stream_id": draft.stream,
            "timestamp": self.times.get(draft.stream, START_S) + 60,
            "values": self.named(draft.values, draft.order),
        }
        seq = self.seqs.get(draft.stream, 0) + 2
        if draft.is_numbered or draft.stream not in self.times:
            row["seq"] = seq
        if kind == "good":
            self.times[draft.stream] = row["timestamp"]
            self.seqs[draft.stream] = row.get("seq", seq - 2)
            return row, ""
        return self.spoiled(row, kind, draft), REFUSED[kind]

    @staticmethod
    def named(values: list[float | None], order: tuple[str, ...] | None) -> Any:
        by_name = dict(zip(METRICS, values, strict=True))
        return values if order is None else {name: by_name[name] for name in order}

    def spoiled(self, row: dict[str, Any], kind: str, draft: Draft) -> Any:
        """Make one thing wrong with a row that would be good."""
        if kind == "no-object":
            return [row]
        last = self.times.get(draft.stream, START_S)
        changes: dict[str, dict[str, Any]] = {
            "narrow": {"values": draft.values[:2]},
            "wide": {"values": [*draft.values, 1.0]},
            "unknown-metric": {"values": self.named(draft.values, METRICS) | {"x": 1}},
            "metric-left-out": {"values": {"m0": 1.0, "m2": 1.0}},
            "mostly-missing": {"values": self.named([None, 0.5, None], draft.order)},
            "infinite": {"values": self.named([0.5, float("inf"), 0.5], draft.order)},
            "not-a-number": {"values": self.named([0.5, 0.5, float("nan")], draft.order)},
            "huge": {"values": self.named([0.5, 0.5, -1e301], draft.order)},
            "text": {"values": ["0.5", 0.5, 0.5]},
            "bad-id": {"stream_id": draft.stream + "/"},
            "milliseconds": {"timestamp": 1000 * row["timestamp"]},
            "no-zone": {"timestamp": "2023-11-14T22:13:20"},
            "before": {"timestamp": last - 1},
            "same-time": {"timestamp": last},
            "lower-seq": {"seq": self.seqs.get(draft.stream, 0) - 1},
            "same-seq": {"seq": self.seqs.get(draft.stream, 0)},
        }
        return row | changes[kind]


def new_engine() -> Engine:
    return make_engine(make_directory(Model("pumps", StreamBank(CHECKPOINT))))


async def ask(engine: Engine, rows: list[Any]) -> list[Verdict | Refused]:
    body = json.dumps({"observations": rows}).encode()
    return answer_rows(await engine.submit(DECODER.body(body).request).answer())


async def answers(requests: list[list[Any]], *, at_once: bool) -> list[list[Verdict | Refused]]:
    """Send requests to a fresh engine, each after the last or all in one turn of the loop."""
    async with running(new_engine()) as engine:
        if at_once:
            return await asyncio.gather(*(ask(engine, rows) for rows in requests))
        return [await ask(engine, rows) for rows in requests]


def kinds(answer: list[Verdict | Refused]) -> list[str]:
    return [row.error.type if isinstance(row, Refused) else "" for row in answer]


def numbers(answer: list[Verdict | Refused]) -> list[list[Any]]:
    taken = [row for row in answer if isinstance(row, Verdict)]
    return [[row.score, row.threshold] for row in taken]


def slabs(engine: Engine) -> dict[str, bytes]:
    """Copy every array a bank keeps, bit for bit."""
    bank = engine.directory.models["pumps"].bank
    return {
        f"{part} {name}": slab[name].tobytes()
        for part, slab in bank.slabs.items()
        for name in slab.layout
    }


@settings(max_examples=100, deadline=None)
@given(mixes, st.booleans())
def test_every_row_is_answered_and_good_rows_score_as_if_alone(
    mix: list[list[Draft]], at_once: bool
) -> None:
    """However rows come together and whatever stands between them, each gets its own due."""
    writer = Writer()
    written = [[writer.write(draft) for draft in drafted] for drafted in mix]
    requests = [[row for row, _ in rows] for rows in written]
    found = asyncio.run(answers(requests, at_once=at_once))
    for rows, answer in zip(written, found, strict=True):
        assert kinds(answer) == [error for _, error in rows]
        places = [at for at, (_, error) in enumerate(rows) if error]
        assert [row.index for row in answer if isinstance(row, Refused)] == places

    alone = [[row] for rows in written for row, error in rows if not error]
    expected = asyncio.run(answers(alone, at_once=False))
    np.testing.assert_allclose(
        np.array([one for answer in found for one in numbers(answer)], float),
        np.array([one for answer in expected for one in numbers(answer)], float),
        rtol=1e-4,
        atol=1e-7,
    )


@settings(max_examples=100, deadline=None)
@given(st.lists(good, max_size=6), st.lists(bad, min_size=1, max_size=8))
def test_bad_rows_alone_touch_nothing(before: list[Draft], drafted: list[Draft]) -> None:
    """Every state stays bit for bit, and no stream is created."""
    writer = Writer()
    history = [writer.write(draft)[0] for draft in before]
    fitting = [
        one for one in drafted if one.kind not in NEEDS_A_STREAM or one.stream in writer.times
    ]
    written = [writer.write(draft) for draft in fitting]

    async def play() -> None:
        async with running(new_engine()) as engine:
            for row in history:
                await ask(engine, [row])
            state, streams = slabs(engine), list(engine.directory)
            if written:
                answer = await ask(engine, [row for row, _ in written])
                assert kinds(answer) == [error for _, error in written]
            assert slabs(engine) == state
            assert list(engine.directory) == streams
            assert sum(engine.counters.refused.values()) == len(written)

    asyncio.run(play())
