"""A level that shifts, in the running service: told in verdicts and alert, accepted, normal."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from service.keys import Keys
from tests.fakes import normal_values
from tests.integration.running import (
    METRICS,
    T0,
    Running,
    eventually,
    observations,
    running_service,
    settings_of,
)
from tests.integration.servers import client_of, entries
from tests.integration.test_http import post, problem

pytestmark = pytest.mark.integration

STREAM = "plant-a/pump-7"
USUAL, SHIFTED = 30, 70
"""Observations on the usual level, and on the other one until it is told."""
SHIFT = 2.0
LAST = ("score", "smoothed_score", "threshold")
"""What a stream shows of its last verdict."""
BEGIN = T0 + 60 * USUAL
"""Time of the first observation on the other level."""


def on_the_other_level(count: int, *, first: int) -> list[dict[str, Any]]:
    """Make observations of a level that is another; the first is number `first`."""
    rows = observations(STREAM, count, first=first)
    return [row | {"values": [value + SHIFT for value in row["values"]]} for row in rows]


async def shifted(service: Running) -> list[dict[str, Any]]:
    """Let a stream shift; gives the verdicts of the other level."""
    await post(service, observations(STREAM, USUAL))
    verdicts: list[dict[str, Any]] = await post(service, on_the_other_level(SHIFTED, first=USUAL))
    return verdicts


async def seen(service: Running, stream_id: str = STREAM) -> dict[str, Any]:
    """Look at a stream."""
    view: dict[str, Any] = (await service.http.get(f"/v1/streams/{stream_id}")).json()
    return view


async def accept(service: Running, stream_id: str = STREAM) -> Any:
    """Accept the level of a stream."""
    return await service.http.post(f"/v1/streams/{stream_id}/accept-baseline")


async def open_alerts(service: Running) -> list[dict[str, Any]]:
    """List them."""
    alerts: list[dict[str, Any]] = (await service.http.get("/v1/alerts")).json()["alerts"]
    return alerts


async def test_a_shift_is_told_and_accepted(service: Running) -> None:
    """Since the first anomaly, in verdicts, stream and alert; then the new level is normal."""
    verdicts = await shifted(service)
    told = [verdict["level_shift_since"] for verdict in verdicts]
    assert set(told) == {None, BEGIN}
    first = told.index(BEGIN)
    assert told[first:] == [BEGIN] * (SHIFTED - first)
    marks = [(verdict["alert"] or {}).get("status") for verdict in verdicts]
    assert marks[2] == "opened"
    assert marks[first] in ("opened", "updated")
    assert verdicts[-1]["is_anomaly"] is False  # the threshold has followed; the alert stays
    (alert,) = await open_alerts(service)
    assert (alert["stream_id"], alert["level_shift_since"]) == (STREAM, BEGIN)
    before = await seen(service)
    assert before["level_shift_since"] == BEGIN

    answer = await accept(service, STREAM.replace("/", "%2F"))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["phase"], answer.json()["level_shift_since"]) == ("live", None)
    assert [answer.json()[name] for name in LAST] == [None] * 3
    assert answer.json() == await seen(service)
    assert await open_alerts(service) == []
    after = await post(service, on_the_other_level(20, first=USUAL + SHIFTED))
    for verdict in after:
        assert (verdict["is_anomaly"], verdict["level_shift_since"]) == (False, None)
        assert verdict["alert"] is None
        assert 0 < verdict["threshold"] < before["threshold"]
    now = await seen(service)
    assert [now[name] for name in LAST] == [after[-1][name] for name in LAST]


async def test_sinks_and_listeners_are_told(service: Running) -> None:
    """Redis has it in verdicts and transitions, the live tail in both, until it is resolved."""
    keys = Keys()
    async with service.websocket("/v1/live") as live:
        await shifted(service)
        await accept(service)
        alerts: list[dict[str, Any]] = []
        since: set[float | None] = set()
        async with asyncio.timeout(30):
            while not alerts or alerts[-1]["status"] != "resolved":
                frame = msgspec.json.decode(await live.recv())
                alerts += frame["alerts"]
                since |= {verdict["level_shift_since"] for verdict in frame["verdicts"]}
    assert since == {None, BEGIN}
    assert {alert["level_shift_since"] for alert in alerts[:-1]} == {None, BEGIN}
    assert alerts[-1]["level_shift_since"] is None
    url = service.server.app.state.redis_url
    with client_of(url) as reader:

        async def all_there() -> bool:
            scores, told = entries(reader, keys.scores), entries(reader, keys.alerts)
            return len(scores) == USUAL + SHIFTED and len(told) == len(alerts)

        await eventually(all_there)
        scores, told = entries(reader, keys.scores), entries(reader, keys.alerts)
    assert "level_shift_since" not in scores[0]
    assert (scores[-1]["level_shift_since"], float(scores[-1]["smoothed_score"]) > 0) == (
        str(BEGIN),
        True,
    )
    assert [entry.get("level_shift_since") for entry in told] == [
        None if alert["level_shift_since"] is None else str(BEGIN) for alert in alerts
    ]


async def test_arrow_answers_tell_it(service: Running) -> None:
    """As a time, null where the level is the usual one; smoothed scores as numbers."""
    await post(service, observations(STREAM, USUAL))
    values = normal_values(SHIFTED, len(METRICS)) + SHIFT
    rows = pa.table(
        {
            "stream_id": [STREAM] * SHIFTED,
            "timestamp": pa.array([BEGIN + 60 * at for at in range(SHIFTED)], pa.float64()),
            **{name: values[:, column] for column, name in enumerate(METRICS)},
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    answer = await service.http.post(
        "/v1/observations",
        content=sink.getvalue().to_pybytes(),
        headers={"content-type": "application/vnd.apache.arrow.stream"},
    )
    found = pa.ipc.open_stream(answer.content).read_all()
    assert found.schema.field("level_shift_since").type == pa.timestamp("us", "UTC")
    since = [at and at.timestamp() for at in found["level_shift_since"].to_pylist()]
    assert (since[0], since[-1]) == (None, BEGIN)
    assert found["smoothed_score"].null_count == 0


async def test_what_cannot_be_accepted(service: Running) -> None:
    """Too few observations, said with what to do; a stream nobody knows; nothing changes."""
    await post(service, observations(STREAM, 10))
    before = await seen(service)
    assert "send more" in problem(await accept(service), 409, "too-few-observations")
    assert await seen(service) == before
    problem(await accept(service, "nobody"), 404, "unknown-stream")
    refused = await service.http.put("/v1/streams/a/accept-baseline", json={})
    assert refused.status_code in (405, 422)


async def test_a_level_is_set_in_one_of_two_ways(tmp_path: Path) -> None:
    """PUT goes above the pattern, that above the settings, that above the checkpoint."""
    (tmp_path / "stepwatch.toml").write_text(
        "false_alarms_per_day = 2\n[[streams]]\npattern = 'a/*'\nz = 5\n", encoding="utf-8"
    )
    async with running_service(settings_of(tmp_path)) as service:
        for model in (await service.http.get("/v1/models")).json():
            assert model["false_alarms_per_day"] == 2

        async def put(stream_id: str, **options: float) -> tuple[float, float | None]:
            answer = await service.http.put(f"/v1/streams/{stream_id}", json=options)
            assert answer.is_success, answer.text
            return answer.json()["z"], answer.json()["false_alarms_per_day"]

        z, asked = await put("b")
        assert (z > 0, asked) == (True, 2)
        assert await put("a/1") == (5, None)
        more, asked = await put("a/1", false_alarms_per_day=0.5)
        assert (more > z, asked) == (True, 0.5)
        assert await put("b", z=7) == (7, None)
        both = {"z": 7.0, "false_alarms_per_day": 1.0}
        refused = await service.http.put("/v1/streams/b", json=both)
        assert "not both" in problem(refused, 422, "invalid-option")
        assert (await seen(service, "b"))["z"] == 7
