"""Plain posts are answered past ASGI: what is answered is the same, whichever way it came."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio

from service.ingest.body import ARROW, NDJSON
from service.ingest.hot import HotProtocol
from service.ingest.hot_head import Post
from tests.integration.running import (
    SPIKE,
    Running,
    observations,
    running_service,
    settings_of,
)

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Twins:
    """The same stream twice, with ids of one length."""

    hot: str
    cold: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for all: every test has streams of its own."""
    async with running_service(settings_of(tmp_path_factory.mktemp("service"))) as running:
        yield running


async def twins(service: Running) -> Twins:
    """Make two streams with the same past."""
    number = next(NUMBERS)
    both = Twins(f"hot-{number:03d}", f"old-{number:03d}")
    for stream_id in (both.hot, both.cold):
        past = {"observations": observations(stream_id, 10)}
        assert (await service.http.post(f"{MANY}?verdict=full", json=past)).is_success
    return both


NEITHER = {"date"}


class Taken:
    """Notes the bodies that are taken past ASGI."""

    def __init__(self) -> None:
        self.posts: list[Post] = []


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """Watch the way past ASGI; it does what it does."""
    found, take = Taken(), HotProtocol._take

    def watched(self: HotProtocol, post: Post, data: bytes, *, is_keeping: bool) -> None:
        found.posts.append(post)
        take(self, post, data, is_keeping=is_keeping)

    monkeypatch.setattr(HotProtocol, "_take", watched)
    return found


def told(answer: httpx.Response, stream_id: str) -> tuple[int, dict[str, str], str]:
    """Give all that has to agree, the stream called the same."""
    headers = {name: value for name, value in answer.headers.items() if name not in NEITHER}
    body = answer.content.replace(stream_id.encode(), b"STREAM")
    return answer.status_code, headers, body.decode("latin-1")


async def both_ways(
    service: Running, taken: Taken, streams: Twins, case: "Case"
) -> tuple[int, dict[str, str], str]:
    """Ask both ways, each for a stream of its own; gives what both were told."""
    answers = []
    for stream_id, query in ((streams.hot, ""), (streams.cold, "?verdict=full")):
        before = len(taken.posts)
        answer = await service.http.post(
            case.path.format(stream_id) + query,
            content=case.body.replace(b"STREAM", stream_id.encode()),
            headers=case.headers,
        )
        assert (len(taken.posts) > before) == (stream_id == streams.hot)
        answers.append(told(answer, stream_id))
    assert answers[0] == answers[1]
    return answers[0]


def rows(first: int, count: int) -> list[dict[str, Any]]:
    """Make rows of the stream whose name stands for both."""
    return observations("STREAM", count, first=first)


def arrow(data: list[dict[str, Any]]) -> bytes:
    """Write rows as Arrow, the ids left to the path."""
    table = pa.table({"values": [row["values"] for row in data]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


MANY, OWN = "/v1/observations", "/v1/streams/{}/observations"
JSON = {"content-type": "application/json"}
LINES = b"\n".join(dumped(row) for row in rows(40, 3))


class Case(NamedTuple):
    """A request, and the status it gets."""

    path: str
    body: bytes
    headers: dict[str, str]
    status: int


CASES: dict[str, Case] = {
    "one": Case(MANY, dumped(rows(10, 1)[0]), JSON, 200),
    "one by path": Case(OWN, b'{"values": [0.5, null], "timestamp": 1763770000}', JSON, 200),
    "undeclared": Case(MANY, dumped(rows(11, 1)[0]), {}, 200),
    "charset": Case(MANY, dumped(rows(12, 1)[0]), {"content-type": "application/JSON; x=y"}, 200),
    "by name": Case(
        MANY, dumped(rows(12, 1)[0] | {"values": {"pressure": 1, "flow": 0}}), JSON, 200
    ),
    "spike": Case(MANY, dumped(rows(13, 1)[0] | {"values": SPIKE}), JSON, 200),
    "many": Case(MANY, dumped({"observations": rows(20, 10)}), JSON, 200),
    "many by path": Case(OWN, dumped({"observations": rows(20, 10)}), JSON, 200),
    "some bad": Case(MANY, dumped({"observations": [7, *rows(30, 2), {"values": [1]}]}), JSON, 200),
    "lines": Case(MANY, LINES + b"\n{\n", {"content-type": NDJSON}, 200),
    "all bad": Case(MANY, dumped({"observations": [7, rows(0, 1)[0]]}), JSON, 422),
    "duplicate": Case(MANY, dumped(rows(9, 1)[0]), JSON, 422),
    "wrong width": Case(MANY, dumped(rows(50, 1)[0] | {"values": [1]}), JSON, 422),
    "too many missing": Case(MANY, dumped(rows(50, 1)[0] | {"values": [None, None]}), JSON, 422),
    "out of range": Case(MANY, dumped(rows(50, 1)[0] | {"timestamp": 1e12}), JSON, 422),
    "no time": Case(MANY, dumped(rows(50, 1)[0] | {"timestamp": "noon"}), JSON, 422),
    "another stream": Case(OWN, b'{"stream_id": "b", "values": [1, 2]}', JSON, 422),
    "no stream": Case(MANY, b'{"values": [1, 2]}', JSON, 422),
    "bad stream": Case(MANY, b'{"stream_id": "a b", "values": [1, 2]}', JSON, 422),
    "surrogate": Case(MANY, b'{"stream_id": "STREAM", "values": {"\\ud800": 1}}', JSON, 422),
    "no JSON": Case(MANY, b"{", JSON, 400),
    "no text": Case(MANY, b'{"values": "\xff"}', JSON, 400),
    "no body": Case(MANY, b"", JSON, 400),
    "no rows": Case(MANY, b'{"observations": []}', JSON, 422),
    "too many rows": Case(MANY, dumped({"observations": [0] * 10_001}), JSON, 422),
    "no Arrow": Case(MANY, b"nothing", {"content-type": ARROW}, 400),
}


@pytest.mark.parametrize("name", CASES)
async def test_both_ways_answer_alike(service: Running, taken: Taken, name: str) -> None:
    """Status, headers and every byte of the body; what is refused by the same words."""
    streams, case = await twins(service), CASES[name]
    problems = service.engine.counters.problems.copy()
    assert (await both_ways(service, taken, streams, case))[0] == case.status
    counted = service.engine.counters.problems - problems
    assert all(number == 2 for number in counted.values())


async def test_arrow_is_answered_alike(service: Running, taken: Taken) -> None:
    """Arrow too, but for the time of arrival."""
    data, streams = arrow(rows(0, 3)), await twins(service)
    found = []
    for stream_id, query in ((streams.hot, ""), (streams.cold, "?verdict=full")):
        path = OWN.format(stream_id) + query
        answer = await service.http.post(path, content=data, headers={"content-type": ARROW})
        assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
        with pa.ipc.open_stream(answer.content) as reader:
            found.append(reader.read_all().drop_columns(["timestamp", "stream_id"]))
    assert len(taken.posts) == 1
    assert found[0].equals(found[1])


ONE = Case(MANY, dumped(rows(20, 1)[0]), JSON, 200)
SEVERAL = Case(MANY, dumped({"observations": rows(20, 2)}), JSON, 200)


@pytest.mark.parametrize("case", [ONE, SEVERAL])
async def test_not_ready_and_overloaded_are_told_alike(
    tmp_path: Path, taken: Taken, case: Case
) -> None:
    """Both with when to come again."""
    async with running_service(settings_of(tmp_path, max_waiting=1)) as service:
        streams = await twins(service)
        service.engine.streams.is_ready = False
        status, headers, _ = await both_ways(service, taken, streams, case)
        assert (status, headers["retry-after"]) == (503, "1")
        service.engine.streams.is_ready = True
        service.engine._batcher._waiting += 5  # as if others waited
        status, headers, _ = await both_ways(service, taken, streams, case)
        service.engine._batcher._waiting -= 5
        assert (status, headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize("case", [ONE, SEVERAL])
async def test_bugs_are_told_alike(
    service: Running, taken: Taken, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    """As a problem that says nothing of the inside."""

    def fails(*_: object) -> None:
        raise ValueError("secret")

    streams = await twins(service)
    for name in ("take", "take_one"):
        monkeypatch.setattr(service.engine, name, fails)
    status, _, body = await both_ways(service, taken, streams, case)
    assert status == 500
    assert "secret" not in body
