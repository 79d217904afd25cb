"""The WebSocket doors of a real service."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.running import (
    ANSWER_S,
    SPIKE,
    Running,
    observations,
    running_service,
    settings_of,
)

pytestmark = pytest.mark.integration


async def ask(socket: ClientConnection, *frames: Any) -> list[Any]:
    """Send frames without waiting in between, then read as many answers."""
    for frame in frames:
        await socket.send(frame if isinstance(frame, bytes | str) else json.dumps(frame))
    async with asyncio.timeout(ANSWER_S):
        return [json.loads(await socket.recv()) for _ in frames]


async def closed(socket: ClientConnection) -> int | None:
    """Read until the server closes; gives its code, if it said one."""
    async with asyncio.timeout(ANSWER_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as ending:
            return ending.rcvd.code if ending.rcvd is not None else None


async def test_frames_are_answered_in_kind_and_in_order(service: Running) -> None:
    """Of many frames sent at once each gets its answer in its turn: one for one, many for many."""
    rows = observations("a", 200)
    frames = [*rows[:100], rows[100:130], *rows[130:199], [rows[199]]]
    async with service.websocket() as socket:
        answers = await ask(socket, *frames)
    assert [type(answer) for answer in answers] == [type(frame) for frame in frames]
    flat = [row for one in answers for row in (one if isinstance(one, list) else [one])]
    assert [row["seq"] for row in flat] == list(range(200))


async def test_a_problem_stands_in_its_frames_place(service: Running) -> None:
    """Bad frames between good ones are answered in their turn, and the socket stays open."""
    first, second, third = observations("a", 3)
    async with service.websocket() as socket:
        answers = await ask(socket, first, "{", second, b"\x00\x01", "", third, [], [7, first])
        assert (await socket.ping()) is not None
    assert [one.get("seq", one.get("type")) for one in answers[:7]] == [
        0, "malformed-json", 1, "malformed-arrow", "malformed-json", 2, "empty-batch",
    ]  # fmt: skip
    assert [row["error"]["type"] for row in answers[7]] == ["invalid-observation", "out-of-order"]
    assert service.engine.counters.problems["malformed-arrow"] == 1


async def test_every_door_leads_to_the_same_stream(service: Running) -> None:
    """A stream goes on from one door to the other: HTTP sees what a WebSocket sent."""
    rows = observations("a", 3)
    async with service.websocket() as socket:
        await ask(socket, rows[0], [rows[1]])
        answer = await service.http.post("/v1/observations", json=rows[1])
        assert answer.json()["type"] == "duplicate"
        assert (await service.http.post("/v1/observations", json=rows[2])).is_success
        assert (await ask(socket, rows[2]))[0]["error"]["type"] == "duplicate"
    assert (await service.http.get("/v1/streams/a")).json()["observations"] == 3


async def test_a_client_that_vanishes_harms_nobody(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that goes away amid its frames disturbs neither the service nor other clients."""
    with capture_logs() as logs:
        async with service.websocket() as staying:
            gone = await service.websocket()
            for row in observations("gone", 300):
                await gone.send(json.dumps(row))
            gone.transport.abort()
            answers = await ask(staying, *observations("staying", 50))
            await gone.wait_closed()
    assert [row["seq"] for row in answers] == list(range(50))
    assert (await service.http.get("/healthz")).is_success
    assert not [entry for entry in logs if entry["log_level"] == "error"]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_who_does_not_read_is_let_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that reads none of its answers is given up in bounded time, and nobody waits."""
    async with running_service(settings_of(tmp_path, send_timeout_s=0.2)) as service:
        bad = json.dumps([7] * 10_000)
        with capture_logs() as logs:
            async with service.websocket(compression=None, max_queue=1, max_size=None) as deaf:
                serving = set(service.server.server_state.tasks)
                for _ in range(20):
                    await deaf.send(bad)
                async with service.websocket() as other:
                    assert len(await ask(other, *["[]"] * 10)) == 10
                _, unfinished = await asyncio.wait(serving, timeout=ANSWER_S)
                assert not unfinished
                await closed(deaf)
        assert not [entry for entry in logs if entry["log_level"] == "error"]
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_overload_closes_the_socket(tmp_path: Path) -> None:
    """Beyond what may wait a frame gets its problem and the socket 1013; the rest is answered."""
    async with running_service(settings_of(tmp_path, max_waiting=1)) as service:
        async with service.websocket(max_size=None) as socket:
            many, refused = await ask(socket, observations("a", 1500), observations("b", 10))
            assert [row["seq"] for row in many] == list(range(1500))
            assert (refused["type"], refused["status"]) == ("overloaded", 429)
            assert await closed(socket) == 1013
        assert (await service.http.get("/v1/streams")).json()["streams"] == ["a"]


async def test_not_ready_is_told_in_the_frames_place(service: Running) -> None:
    """While the service takes nothing, frames get a problem and the socket stays open."""
    async with service.websocket() as socket:
        service.engine.streams.is_ready = False
        (refused,) = await ask(socket, observations("a", 1))
        assert (refused["type"], refused["status"]) == ("not-ready", 503)
        service.engine.streams.is_ready = True
        assert (await ask(socket, observations("a", 1)[0]))[0]["seq"] == 0


async def heard(socket: ClientConnection, what: str, count: int) -> list[Any]:
    """Read live frames until there are so many verdicts or alerts; nothing may be missed."""
    found: list[Any] = []
    async with asyncio.timeout(ANSWER_S):
        while len(found) < count:
            frame = json.loads(await socket.recv())
            assert set(frame) == {"verdicts", "alerts", "missed"}
            assert frame["missed"] == 0
            found += frame[what]
    return found


async def test_live_tells_of_chosen_streams(service: Running) -> None:
    """The live tail has verdicts and alerts of the chosen patterns, in order, and no others."""
    async with (
        service.websocket("/v1/live?streams=plant-a/*,lab") as chosen,
        service.websocket("/v1/live?only=anomalies") as anomalies,
        service.websocket("/v1/live?only=alerts&streams=plant-?/pump") as alerts,
    ):
        names = ("plant-a/pump", "plant-b/pump", "lab", "labs")
        rows = [row for name in names for row in observations(name, 5)]
        for row in rows[:5] + rows[15:]:
            row["values"] = SPIKE
        sent = await service.http.post("/v1/observations", json={"observations": rows})
        verdicts = sent.json()["verdicts"]
        assert any(row["alert"] for row in verdicts)
        tail = await heard(chosen, "verdicts", 10)
        assert [row | {"contributors": None} for row in tail] == [
            row | {"contributors": None}
            for row in verdicts
            if row["stream_id"] in ("plant-a/pump", "lab")
        ]
        assert {row["stream_id"] for row in await heard(anomalies, "verdicts", 10)} == {
            "plant-a/pump", "labs",
        }  # fmt: skip
        (alert,) = await heard(alerts, "alerts", 1)
        assert (alert["stream_id"], alert["status"]) == ("plant-a/pump", "opened")


async def test_live_tells_of_an_alerts_end(service: Running) -> None:
    """An alert that resolves, by normal observations or by a reset, is told with its own id."""
    async with service.websocket("/v1/live?only=alerts") as live:
        rows = [row for name in ("quiet", "afresh") for row in observations(name, 3)]
        for row in rows:
            row["values"] = SPIKE
        await service.http.post("/v1/observations", json={"observations": rows})
        calm = observations("quiet", 40, first=3)
        await service.http.post("/v1/observations", json={"observations": calm})
        assert (await service.http.post("/v1/streams/afresh/reset")).is_success
        told = await heard(live, "alerts", 4)
    for name in ("quiet", "afresh"):
        opened, resolved = [alert for alert in told if alert["stream_id"] == name]
        assert (opened["status"], resolved["status"]) == ("opened", "resolved")
        assert opened["event_id"] == resolved["event_id"]


async def test_live_refuses_what_it_does_not_know(service: Running) -> None:
    """A wrong choice, an unknown route and a foreign page get no live tail."""
    for path, origin in (
        ("/v1/live?only=everything", None),
        ("/v1/nothing", None),
        ("/v1/live", "https://evil.example"),
        ("/v1/ingest", "http://["),
    ):
        with pytest.raises(InvalidStatus) as refused:
            await service.websocket(path, origin=origin)
        assert refused.value.response.status_code == 403


async def test_stopping_closes_every_socket(tmp_path: Path) -> None:
    """A service that stops closes its sockets with 1012 and scores what it had taken."""
    async with running_service(settings_of(tmp_path)) as service:
        ingest = await service.websocket()
        live = await service.websocket("/v1/live")
        await ask(ingest, *observations("a", 10))
        engine = service.engine
    assert await closed(ingest) == await closed(live) == 1012
    assert engine.counters.scored["pumps"] == 10
    written = {outlet.sink.name: outlet.written["scores"] for outlet in engine.outlets}
    assert written == {"live": 10, "log": 0, "redis": 10}
