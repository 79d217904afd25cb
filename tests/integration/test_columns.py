"""JSON, NDJSON and Arrow, over HTTP and WebSocket: the same verdicts for the same recording."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.integration.running import (
    METRICS,
    SPIKE,
    Running,
    metrics_of,
    observations,
    running_service,
    settings_of,
    state_of,
)

pytestmark = pytest.mark.integration

NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"
DOCS = Path(__file__).parents[2] / "docs" / "columns.md"
ROWS, BATCH = 300, 50
Door = Callable[[Running, list[dict[str, Any]]], Any]


def recording(stream_id: str) -> list[dict[str, Any]]:
    """Make a recording with washout, anomalies, an alert, missing values and refused rows."""
    rows = observations(stream_id, ROWS)
    for at in (120, 121, 122, 123, 200):
        rows[at]["values"] = SPIKE
    rows[130]["values"] = [rows[130]["values"][0], None]
    rows[131]["values"] = [None, None]
    rows[140]["timestamp"] = rows[139]["timestamp"]
    return rows


def lists(rows: list[dict[str, Any]]) -> Any:
    """Make a table with the values as lists of float64 and the ids as a dictionary."""
    ids = pa.array([row["stream_id"] for row in rows]).dictionary_encode()
    values = pa.array([row["values"] for row in rows], pa.list_(pa.float64(), len(METRICS)))
    micros = pa.array([round(row["timestamp"] * 1e6) for row in rows], pa.timestamp("us", "UTC"))
    seqs = pa.array([row["seq"] for row in rows])
    return pa.table({"stream_id": ids, "timestamp": micros, "seq": seqs, "values": values})


def by_metric(rows: list[dict[str, Any]]) -> Any:
    """Make a table with one column a metric, not in the model's order."""
    names = ("stream_id", "timestamp", "seq")
    columns = {name: [row[name] for row in rows] for name in names}
    for at, metric in reversed(list(enumerate(METRICS))):
        columns[metric] = pa.array([row["values"][at] for row in rows], pa.float64())
    return pa.table(columns)


def written(table: Any) -> bytes:
    """Write a table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read(data: bytes) -> list[dict[str, Any]]:
    """Read verdicts from Arrow, in the form they have in JSON."""
    table = pa.ipc.open_stream(data).read_all()
    rows: list[dict[str, Any]] = table.to_pylist()
    for place, row in enumerate(rows):
        error = row.pop("error")
        if error is not None:
            assert not any(row[name] is not None for name in row if name != "stream_id")
            rows[place] = {"index": place, "error": error}
        else:
            assert isinstance(row["timestamp"], datetime)
            row["timestamp"] = row["timestamp"].timestamp()
    return rows


async def over_json(service: Running, rows: list[dict[str, Any]]) -> Any:
    """Send as JSON."""
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    return answer.json()["verdicts"]


async def over_ndjson(service: Running, rows: list[dict[str, Any]]) -> Any:
    """Send a line each."""
    body = "\n\n".join(json.dumps(row) for row in rows)
    headers = {"content-type": NDJSON}
    answer = await service.http.post("/v1/observations", content=body, headers=headers)
    assert answer.headers["content-type"] == NDJSON
    return [json.loads(line) for line in answer.text.splitlines()]


async def posted(service: Running, table: Any, path: str = "/v1/observations") -> Any:
    """Send a table; gives the answer."""
    headers = {"content-type": ARROW}
    return await service.http.post(path, content=written(table), headers=headers)


async def over_lists(service: Running, rows: list[dict[str, Any]]) -> Any:
    """Send as Arrow, values as lists."""
    answer = await posted(service, lists(rows))
    assert answer.headers["content-type"] == ARROW
    return read(answer.content)


async def over_metrics(service: Running, rows: list[dict[str, Any]]) -> Any:
    """Send as Arrow, one column a metric, to the route of the stream."""
    table = by_metric(rows).drop_columns(["stream_id"])
    answer = await posted(service, table, f"/v1/streams/{rows[0]['stream_id']}/observations")
    return read(answer.content)


async def over_websocket(service: Running, rows: list[dict[str, Any]]) -> Any:
    """Send as a binary frame."""
    async with service.websocket() as socket:
        await socket.send(written(by_metric(rows)))
        data = await socket.recv()
    assert isinstance(data, bytes)
    return read(data)


DOORS: dict[str, Door] = {
    "http-json": over_json,
    "http-ndjson": over_ndjson,
    "http-arrow-lists": over_lists,
    "http-arrow-metrics": over_metrics,
    "websocket-arrow": over_websocket,
}


@pytest.fixture
async def washing(tmp_path: Path) -> AsyncIterator[Running]:
    """A service whose streams wash out on their own observations."""
    async with running_service(settings_of(tmp_path, start="own")) as running:
        yield running


def alike(one: Any, other: Any) -> bool:
    """Compare verdicts, numbers within the tolerance."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, float):
        return bool(other == pytest.approx(one, rel=1e-4, abs=1e-7))
    return bool(one == other)


def told(verdict: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs from stream to stream."""
    kept = {name: value for name, value in verdict.items() if name != "stream_id"}
    return kept | {"alert": (verdict.get("alert") or {}).get("status")}


async def test_every_door_gives_the_same_verdicts(washing: Running) -> None:
    """Scores, phases, alerts, contributors and refusals are alike, whatever the rows came as."""
    found: dict[str, list[Any]] = {}
    for name, send in DOORS.items():
        rows, verdicts = recording(name), []
        for first in range(0, ROWS, BATCH):
            verdicts += await send(washing, rows[first : first + BATCH])
        assert {row["stream_id"] for row in verdicts if "stream_id" in row} == {name}
        found[name] = [told(row) for row in verdicts]
    expected = found["http-json"]
    for name, verdicts in found.items():
        wrong = [at for at, pair in enumerate(zip(expected, verdicts, strict=True))
                 if not alike(*pair)]  # fmt: skip
        assert not wrong, (name, expected[wrong[0]], verdicts[wrong[0]])
    assert {row.get("phase") for row in expected} == {"washout", "live", None}
    assert {row["alert"] for row in expected} >= {"opened", "open", "resolved", None}
    assert sum("error" in row for row in expected) == 2
    counts = await metrics_of(washing)
    for door, times in {
        "http-json": 1,
        "http-ndjson": 1,
        "http-arrow": 2,
        "websocket-arrow": 1,
    }.items():
        name = f'stepwatch_observations_received_total{{door="{door}"}}'
        assert counts[name] == times * ROWS


async def test_mixed_streams_and_explanations(service: Running) -> None:
    """Rows of many streams and widths come back in the order sent, each explained if asked."""
    values = [[0.1, 0.2], [0.1, 0.2], [0.1], [0.2, 0.1], None]
    ids = pa.array(["a", "b", "c", "a", "b"]).dictionary_encode()
    table = pa.table({"stream_id": ids, "values": pa.array(values, pa.list_(pa.float32()))})
    answer = await posted(service, table, "/v1/observations?explain=true")
    assert answer.status_code == 200
    rows = pa.ipc.open_stream(answer.content).read_all().to_pylist()
    assert [row["stream_id"] for row in rows] == ["a", "b", "c", "a", None]
    assert [row["error"] and row["error"]["type"] for row in rows] == [
        None, None, "wrong-width", None, "invalid-observation",
    ]  # fmt: skip
    assert [len(row["contributors"] or ()) for row in rows] == [2, 2, 0, 2, 0]


async def test_refused_as_a_whole(service: Running) -> None:
    """No row taken is 422 in problem details, bytes that are no Arrow 400; nothing changes."""
    before = state_of(service.engine)
    answer = await posted(service, pa.table({"stream_id": ["a", "b"], "flow": [1.0, 2.0]}))
    assert (answer.status_code, answer.json()["type"]) == (422, "metric-names")
    assert [row["index"] for row in answer.json()["verdicts"]] == [0, 1]
    path = "/v1/observations"
    answer = await service.http.post(path, content=b"x", headers={"content-type": ARROW})
    assert (answer.status_code, answer.json()["type"]) == (400, "malformed-arrow")
    answer = await service.http.post(path, content=b"x\n{", headers={"content-type": NDJSON})
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-observation")
    answer = await service.http.post(path, content=b"x", headers={"content-type": "text/csv"})
    assert answer.status_code == 415
    assert all(kind in answer.json()["detail"] for kind in ("application/json", NDJSON, ARROW))
    async with service.websocket() as socket:
        await socket.send(written(pa.table({"stream_id": ["a"]})))
        assert json.loads(await socket.recv())["type"] == "malformed-arrow"
        await socket.send(written(pa.table({"stream_id": ["a"], "flow": [1.0]})))
        assert read(await socket.recv(decode=False))[0]["error"]["type"] == "metric-names"
    assert state_of(service.engine) == before


async def test_the_example_of_the_docs_runs(
    service: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What docs/columns.md shows is taken as it stands, and says what it promises."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert "http://127.0.0.1:8080" in example
    program = compile(example.replace("http://127.0.0.1:8080", service.url), str(DOCS), "exec")
    names: dict[str, Any] = {}
    await asyncio.to_thread(exec, program, names)
    rows = names["verdicts"].to_pylist()
    assert [row["stream_id"] for row in rows] == ["pump-7", "pump-8"]
    assert [row["error"] for row in rows] == [None, None]
    assert "pump-7" in capsys.readouterr().out
