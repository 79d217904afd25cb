"""The HTTP doors of a real service."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.blocks import Phase
from tests.integration.running import (
    METRICS,
    SPIKE,
    T0,
    Running,
    observations,
    running_service,
    settings_of,
)

pytestmark = pytest.mark.integration

FIELDS = {
    "stream_id", "timestamp", "seq", "phase", "score", "smoothed_score", "threshold", "severity",
    "is_anomaly", "level_shift_since", "contributors", "alert", "progress",
}  # fmt: skip


def problem(response: httpx.Response, status: int, slug: str) -> str:
    """Check that an answer is the problem that was expected; gives its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["type"], body["status"]) == (slug, status)
    assert body["title"]
    detail: str = body["detail"]
    return detail


async def post(service: Running, rows: Any, **params: str) -> Any:
    """Send many observations; gives the verdicts."""
    answer = await service.http.post("/v1/observations", json={"observations": rows}, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["verdicts"]


async def test_one_observation_gets_one_verdict(service: Running) -> None:
    """One observation is answered with one verdict that has every field, unknown ones null."""
    answer = await service.http.post(
        "/v1/streams/plant-a/pump-7/observations",
        json={"timestamp": T0, "values": {"pressure": 0.5, "flow": 0.5}, "seq": 42},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    verdict = answer.json()
    assert set(verdict) == FIELDS
    assert (verdict["stream_id"], verdict["timestamp"], verdict["seq"], verdict["phase"]) == (
        "plant-a/pump-7", T0, 42, "live",
    )  # fmt: skip
    assert verdict["score"] >= 0
    assert verdict["severity"] == pytest.approx(verdict["score"] / verdict["threshold"])
    assert verdict["is_anomaly"] is False
    assert verdict["smoothed_score"] == verdict["score"]  # the first is its own average
    for name in ("level_shift_since", "contributors", "alert", "progress"):
        assert verdict[name] is None


async def test_many_observations_are_answered_in_the_order_sent(service: Running) -> None:
    """Rows of several streams come back in the order sent, whatever batches they went in."""
    streams = {name: iter(observations(name, 40)) for name in ("a", "b", "c")}
    rows = [next(streams["abcacb"[at % 6]]) for at in range(60)]
    verdicts = await post(service, rows)
    sent = [(row["stream_id"], row["seq"]) for row in rows]
    assert [(one["stream_id"], one["seq"]) for one in verdicts] == sent


async def test_a_stream_id_may_have_slashes(service: Running) -> None:
    """A slash in the path may be literal or %2F on every route: it is the same stream."""
    plain, quoted = "/v1/streams/plant-a/x:1@b+c/p", "/v1/streams/plant-a%2Fx:1%40b%2Bc%2Fp"
    for path in (plain, quoted):
        answer = await service.http.post(f"{path}/observations", json={"values": [0.5, 0.5]})
        assert answer.json()["stream_id"] == "plant-a/x:1@b+c/p"
    for path in (plain, quoted):
        assert (await service.http.get(path)).json()["observations"] == 2
    assert (await service.http.post(f"{quoted}/reset")).json()["observations"] == 0
    assert (await service.http.put(quoted, json={"z": 3})).json()["z"] == 3
    assert (await service.http.delete(quoted)).status_code == 204
    assert (await service.http.get(plain)).status_code == 404


async def test_explain_gives_contributors(service: Running) -> None:
    """Contributors come with anomalies, or always on request; their shares sum to 1."""
    row, other, spike = observations("a", 3)
    assert (await post(service, [row]))[0]["contributors"] is None
    explained = (await post(service, [other], explain="true"))[0]["contributors"]
    assert sorted(one["metric"] for one in explained) == METRICS
    assert sum(one["share"] for one in explained) == pytest.approx(1)
    anomaly = (await post(service, [spike | {"values": SPIKE}]))[0]
    assert anomaly["is_anomaly"] is True
    assert {one["actual"] for one in anomaly["contributors"]} == set(SPIKE)


async def test_verdict_none_is_answered_at_once(service: Running) -> None:
    """With verdict=none rows are taken and scored, and the answer is an empty 202."""
    body = {"observations": observations("a", 50)}
    answer = await service.http.post("/v1/observations?verdict=none", json=body)
    assert (answer.status_code, answer.content) == (202, b"")
    assert (await service.http.get("/v1/streams/a")).json()["observations"] == 50
    again = await service.http.post("/v1/observations?verdict=none", json={"values": [1, 2]})
    problem(again, 422, "invalid-id")


async def test_the_life_of_a_stream(service: Running) -> None:
    """A stream is created, changed without losing its state, begun anew and forgotten."""
    created = await service.http.put("/v1/streams/a", json={"z": 5.0, "start": "own"})
    assert created.status_code == 201
    shown = created.json()
    assert (shown["phase"], shown["z"], shown["observations"]) == ("washout", 5.0, 0)
    assert shown["score"] is shown["last_timestamp"] is shown["last_seq"] is None
    await post(service, observations("a", 61))
    live = (await service.http.get("/v1/streams/a")).json()
    assert (live["phase"], live["last_seq"], live["last_timestamp"]) == ("live", 60, T0 + 3600)
    changed = (await service.http.put("/v1/streams/a", json={"policy": "all"})).json()
    assert {**live, "policy": "all", "z": 8.0, "start": "reference"} == changed
    assert (await service.http.post("/v1/streams/a/reset")).json()["scores_held"] == 200
    assert (await service.http.delete("/v1/streams/a")).status_code == 204
    for method, path in (("GET", "a"), ("DELETE", "a"), ("POST", "a/reset")):
        answer = await service.http.request(method, f"/v1/streams/{path}")
        assert "'a'" in problem(answer, 404, "unknown-stream")


async def test_another_model_begins_a_stream_anew(service: Running) -> None:
    """PUT with another model empties the stream's state; an unknown model changes nothing."""
    await post(service, observations("a", 5))
    before = (await service.http.get("/v1/streams/a")).json()
    answer = await service.http.put("/v1/streams/a", json={"model": "turbines"})
    assert "fans, pumps" in problem(answer, 422, "unknown-model")
    assert (await service.http.get("/v1/streams/a")).json() == before
    moved = (await service.http.put("/v1/streams/a", json={"model": "fans"})).json()
    assert (moved["model"], moved["observations"]) == ("fans", 0)
    answer = await service.http.post("/v1/streams/a/observations", json={"values": [1, 2]})
    assert "'fans' takes 3" in problem(answer, 422, "wrong-width")


async def test_streams_are_listed_by_pages(service: Running) -> None:
    """Following next_after gives every stream once, in the order of the ids."""
    ids = [f"s/{at:03d}" for at in range(25)]
    await post(service, [observations(name, 1)[0] for name in reversed(ids)])
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await service.http.get("/v1/streams", params={"after": after, "limit": 10})).json()
        assert page["total"] == 25
        found += page["streams"]
        after = page["next_after"]
    assert found == ids


async def test_models_are_listed(service: Running) -> None:
    """Every loaded model is shown with its metrics, and which one is the default."""
    await post(service, observations("a", 1))
    fans, pumps = (await service.http.get("/v1/models")).json()
    assert (fans["name"], fans["metrics"]) == ("fans", ["m0", "m1", "m2"])
    assert (fans["is_default"], fans["streams"]) == (False, 0)
    assert (pumps["name"], pumps["metrics"]) == ("pumps", METRICS)
    assert (pumps["is_default"], pumps["streams"]) == (True, 1)


async def test_alerts_open_and_resolve(service: Running) -> None:
    """Three anomalies open an alert that verdicts and the list show; a reset resolves it."""
    rows = observations("a", 6)
    spikes = [row | {"values": SPIKE} for row in rows[:4]]
    verdicts = await post(service, [*spikes, rows[4]])
    statuses = [one["alert"] and one["alert"]["status"] for one in verdicts]
    assert statuses == [None, None, "opened", "open", "open"]
    (alert,) = (await service.http.get("/v1/alerts")).json()["alerts"]
    assert alert["event_id"] == verdicts[2]["alert"]["event_id"]
    assert (alert["stream_id"], alert["since"], alert["opened_at"]) == ("a", T0, T0 + 120)
    await service.http.post("/v1/streams/a/reset")
    assert (await service.http.get("/v1/alerts")).json() == {"alerts": []}


async def test_health_and_readiness(service: Running) -> None:
    """The process says that it lives, that it is ready, and which sinks write."""
    assert (await service.http.get("/healthz")).json() == {"status": "ok"}
    ready = (await service.http.get("/readyz")).json()
    assert ready["status"] == "ready"
    assert set(ready["sinks"]) == {"live", "log", "redis"}


async def test_answers_are_not_held_back(service: Running) -> None:
    """The listening socket has Nagle's delay off; connections inherit that, on every loop."""
    (listening,) = service.server.servers[0].sockets
    assert listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_while_not_ready_nothing_is_taken(service: Running) -> None:
    """A service that is not ready answers 503 with Retry-After and stays alive."""
    service.engine.streams.is_ready = False
    asked = [
        await service.http.post("/v1/observations", json={"observations": observations("a", 1)}),
        await service.http.put("/v1/streams/a", json={}),
        await service.http.get("/readyz"),
    ]
    for answer in asked:
        problem(answer, 503, "not-ready")
        assert int(answer.headers["retry-after"]) >= 1
    assert (await service.http.get("/healthz")).status_code == 200


@pytest.fixture
async def washed(tmp_path: Path) -> AsyncIterator[Running]:
    """A service whose streams wash out first."""
    async with running_service(settings_of(tmp_path, start="own")) as running:
        yield running


async def test_phases_and_progress(washed: Running) -> None:
    """A stream is washed out for 60 observations, each telling how far it is, and then live."""
    verdicts = await post(washed, observations("a", 62))
    assert [one["progress"] for one in verdicts[:60]] == [
        {"done": at + 1, "of": 60} for at in range(60)
    ]
    assert {one["phase"] for one in verdicts[:60]} == {Phase.WASHOUT.name.lower()}
    assert all(one["score"] is one["is_anomaly"] is None for one in verdicts[:60])
    assert [one["phase"] for one in verdicts[60:]] == ["live", "live"]
    assert all(one["progress"] is None for one in verdicts[60:])
