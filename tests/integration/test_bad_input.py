"""Bad input over every JSON door: the right refusal, and every state bit for bit as it was."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosedError

from tests.integration.running import (
    T0,
    Running,
    observations,
    running_service,
    settings_of,
    state_of,
)

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

LAST = 19
JSON = {"content-type": "application/json"}
MAX_ROWS, MAX_BODY_BYTES = 10, 20_000

ROWS = {
    "wrong-width": ['"values": [1]', '"values": [1, 2, 3]', '"values": []'],
    "metric-names": [
        '"values": {"flow": 1}',
        '"values": {"flow": 1, "pressure": 2, "speed": 3}',
        '"values": {"flow": 1, "Pressure": 2}',
        '"values": {"flow": 1, "\\ud800": 2}',
        '"values": {}',
    ],
    "not-finite": [
        '"values": [NaN, 1]',
        '"values": [1, Infinity]',
        '"values": {"flow": -Infinity, "pressure": 1}',
        '"values": [1e400, 1]',
        '"values": [-1e301, 1]',
        '"values": [1, 1], "timestamp": NaN',
    ],
    "too-many-missing": ['"values": [null, null]', '"values": {"flow": null, "pressure": null}'],
    "invalid-observation": [
        '"values": ["1", 1]',
        '"values": [true, 1]',
        '"values": {"flow": "1", "pressure": 1}',
        '"values": [[1, 1]]',
        '"values": 1',
        '"values": [1, 1], "seq": -1',
        '"values": [1, 1], "seq": 1.5',
        '"values": [1, 1], "seq": 9223372036854775808',
        '"values": [1, 1], "timestamp": true',
        '"values": [1, 1], "timestamp": [1]',
        '"values": [1, 1], "value": 1',
    ],
    "invalid-timestamp": [
        '"values": [1, 1], "timestamp": 1763762400000',
        '"values": [1, 1], "timestamp": -1e308',
        '"values": [1, 1], "timestamp": "2025-11-21T22:00:00"',
        '"values": [1, 1], "timestamp": "yesterday"',
        '"values": [1, 1], "timestamp": "9999-12-31T23:59:59Z"',
    ],
    "out-of-order": [
        f'"values": [1, 1], "timestamp": {T0}',
        f'"values": [1, 1], "timestamp": {T0 + 1e7}, "seq": {LAST - 1}',
    ],
    "duplicate": [
        f'"values": [1, 1], "timestamp": {T0 + 60 * LAST}',
        f'"values": [1, 1], "timestamp": {T0 + 1e7}, "seq": {LAST}',
    ],
}
"""What a row of the stream `known` is refused for, by its type."""
PAST = ("out-of-order", "duplicate")

IDS = [
    *("", " ", "a b", "a\nb", "/a", "a/", "a//b", "a/reset", "observations", "..", "a/./b", "é"),
    "x" * 201,
]

REQUESTS = {
    "malformed-json": (400, ["", "{", "nonsense", '{"observations": ', "[[[[", "null", '"x"', "7"]),
    "empty-batch": (422, ['{"observations": []}']),
    "too-many-rows": (422, [json.dumps({"observations": [{"values": [1, 1]}] * (MAX_ROWS + 1)})]),
}
"""Whole bodies and frames that are refused, by their type, with the status."""

ROW_CASES = [(slug, row) for slug, rows in ROWS.items() for row in rows]
REQUEST_CASES = [
    (slug, status, data) for slug, (status, bodies) in REQUESTS.items() for data in bodies
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for all: what is refused leaves nothing behind for the next test."""
    directory = tmp_path_factory.mktemp("service")
    settings = settings_of(directory, max_rows=MAX_ROWS, max_body_bytes=MAX_BODY_BYTES)
    async with running_service(settings) as running:
        for first in range(0, LAST + 1, MAX_ROWS):
            known = observations("known", MAX_ROWS, first=first)
            answer = await running.http.post("/v1/observations", json={"observations": known})
            assert answer.is_success
        yield running


async def refused(service: Running, path: str, data: bytes | str) -> httpx.Response:
    """Send what is bad; nothing may change by it."""
    before = state_of(service.engine)
    answer = await service.http.post(path, content=data, headers=JSON)
    assert state_of(service.engine) == before
    assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def refused_frame(service: Running, data: bytes | str) -> object:
    """Send a bad frame and after it an empty one, which has to be answered too."""
    before = state_of(service.engine)
    async with service.websocket() as socket:
        await socket.send(data)
        answer = json.loads(await socket.recv())
        await socket.send("[]")
        assert json.loads(await socket.recv())["type"] == "empty-batch"
    assert state_of(service.engine) == before
    return answer


@pytest.mark.parametrize(("slug", "row"), ROW_CASES)
async def test_a_bad_observation_over_http(service: Running, slug: str, row: str) -> None:
    """A bad observation is 422 with its type, alone or as the only row of a batch."""
    one = f'{{"stream_id": "known", {row}}}'
    for data in (one, f'{{"observations": [{one}]}}'):
        answer = await refused(service, "/v1/observations", data)
        assert (answer.status_code, answer.json()["type"]) == (422, slug)
    # what only a past can refuse would be taken from a new stream, which would then be there
    for stream in ("known", "new")[: 1 if slug in PAST else 2]:
        answer = await refused(service, f"/v1/streams/{stream}/observations", f"{{{row}}}")
        assert (answer.status_code, answer.json()["type"]) == (422, slug)


@pytest.mark.parametrize(("slug", "row"), ROW_CASES)
async def test_a_bad_observation_over_a_websocket(service: Running, slug: str, row: str) -> None:
    """A bad observation is refused in its frame's place, in kind, and the socket stays open."""
    one = f'{{"stream_id": "known", {row}}}'
    answer = await refused_frame(service, one)
    assert isinstance(answer, dict)
    assert (answer["index"], answer["error"]["type"]) == (0, slug)
    many = await refused_frame(service, f"[{one}, {one}]")
    assert isinstance(many, list)
    assert [(row["index"], row["error"]["type"]) for row in many] == [(0, slug), (1, slug)]


@pytest.mark.parametrize("stream_id", IDS)
async def test_a_bad_id(service: Running, stream_id: str) -> None:
    """An id outside the alphabet or the shape is refused at every door and creates nothing."""
    one = json.dumps({"stream_id": stream_id, "values": [1, 1]})
    answer = await refused(service, "/v1/observations", one)
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-id")
    framed = await refused_frame(service, one)
    assert isinstance(framed, dict)
    assert framed["error"]["type"] == "invalid-id"


async def test_ids_that_do_not_fit_the_path(service: Running) -> None:
    """An id beside that of the path, or none where no path names one, is refused."""
    for path, data in (
        ("/v1/streams/known/observations", '{"stream_id": "other", "values": [1, 1]}'),
        ("/v1/observations", '{"values": [1, 1]}'),
        ("/v1/streams/a%0Ab/observations", '{"values": [1, 1]}'),
    ):
        assert (await refused(service, path, data)).json()["type"] == "invalid-id"


@pytest.mark.parametrize(("slug", "status", "data"), REQUEST_CASES)
async def test_a_bad_body(service: Running, slug: str, status: int, data: str) -> None:
    """What is no JSON, nothing or too much is refused as a whole, over HTTP and in a frame."""
    answer = await refused(service, "/v1/observations", data)
    assert (answer.status_code, answer.json()["type"]) == (status, slug)
    framed = await refused_frame(service, data)
    assert isinstance(framed, dict)
    assert (framed["status"], framed["type"]) == (status, slug)


async def test_bytes_that_are_no_text(service: Running) -> None:
    """Bytes that are no UTF-8, or nested too deep, are no JSON."""
    for data in (b"\xff\xfe{}", b'{"values": "\xc3"}', b"[" * 15_000, b'{"a":' * 3000):
        answer = await refused(service, "/v1/observations", data)
        assert (answer.status_code, answer.json()["type"]) == (400, "malformed-json")


async def test_too_large_a_frame(service: Running) -> None:
    """A frame of too many bytes closes its socket with 1009 and touches nothing."""
    before = state_of(service.engine)
    async with service.websocket() as socket:
        await socket.send(" " * (MAX_BODY_BYTES + 1))
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert state_of(service.engine) == before


async def test_a_bad_row_spoils_no_other(service: Running) -> None:
    """Good rows among bad ones get the verdicts they get alone; bad ones stand in their place."""
    alone = {"observations": observations("alone", 3)}
    wanted = (await service.http.post("/v1/observations", json=alone)).json()["verdicts"]
    first, second, third = (
        json.dumps(row | {"stream_id": "mixed"}) for row in observations("mixed", 3)
    )
    bad = [f'{{"stream_id": "mixed", {row}}}' for row in ('"values": [1]', '"values": [NaN, 1]')]
    batch = f'{{"observations": [{bad[0]}, {first}, 7, {second}, {bad[1]}, {first}, {third}]}}'
    answer = await service.http.post("/v1/observations", content=batch, headers=JSON)
    assert answer.status_code == 200
    verdicts = answer.json()["verdicts"]
    refused_rows = [(row["index"], row["error"]["type"]) for row in verdicts if "error" in row]
    assert refused_rows == [
        (0, "wrong-width"), (2, "invalid-observation"), (4, "not-finite"), (5, "out-of-order"),
    ]  # fmt: skip
    taken = [row["score"] for row in verdicts if "error" not in row]
    assert taken == pytest.approx([row["score"] for row in wanted], rel=1e-5)


async def test_a_stream_without_a_model(tmp_path: Path) -> None:
    """A stream no model serves is refused with what to do, until it is PUT."""
    row = {"observations": observations("a", 1)}
    async with running_service(settings_of(tmp_path, default_model=None)) as service:
        answer = await service.http.post("/v1/observations", json=row)
        assert (answer.status_code, answer.json()["type"]) == (422, "no-model")
        assert "PUT /v1/streams" in answer.json()["detail"]
        refused = await service.http.put("/v1/streams/a", json={})
        assert (refused.status_code, refused.json()["type"]) == (422, "no-model")
        assert (await service.http.put("/v1/streams/a", json={"model": "pumps"})).is_success
        assert (await service.http.post("/v1/observations", json=row)).is_success


async def test_too_many_streams(tmp_path: Path) -> None:
    """Beyond the limit no stream is created; those that are there go on."""
    rows = [observations(name, 1)[0] for name in "abc"]
    async with running_service(settings_of(tmp_path, max_streams=2)) as service:
        answer = await service.http.post("/v1/observations", json={"observations": rows})
        assert answer.json()["verdicts"][2]["error"]["type"] == "too-many-streams"
        before = state_of(service.engine)
        alone = await service.http.post("/v1/observations", json=rows[2])
        assert (alone.status_code, alone.json()["type"]) == (422, "too-many-streams")
        refused = await service.http.put("/v1/streams/c", json={})
        assert (refused.status_code, refused.json()["type"]) == (422, "too-many-streams")
        assert state_of(service.engine) == before
        assert (await service.http.delete("/v1/streams/a")).is_success
        assert (await service.http.post("/v1/observations", json=rows[2])).is_success
