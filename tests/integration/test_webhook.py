"""The webhook of a real service, and a receiver that verifies it as the documents say."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.documents import ROOT, blocks
from tests.integration.running import (
    SPIKE,
    Running,
    eventually,
    metrics_of,
    observations,
    running_service,
    settings_of,
)
from tests.receivers import Receiver, Told, receiving

pytestmark = pytest.mark.integration

DOCUMENT = ROOT / "docs" / "operations.md"
SECRET = "whsec_" + "c2VjcmV0" * 4
OPEN_AFTER, RESOLVE_AFTER = 2, 3
PUMP = "plant-a/pump-7"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Who takes the webhook."""
    async with receiving() as running:
        yield running


@pytest.fixture
async def service(receiver: Receiver, tmp_path: Path) -> AsyncIterator[Running]:
    """A service that posts alerts, signed."""
    settings = settings_of(
        tmp_path,
        webhook_url=f"{receiver.url}/hook",
        webhook_secret=SECRET,
        public_url="http://watch.example",
        alert_open_after=OPEN_AFTER,
        alert_resolve_after=RESOLVE_AFTER,
    )
    async with running_service(settings) as running:
        yield running


async def send(service: Running, rows: list[dict[str, Any]]) -> None:
    """Send observations."""
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    assert answer.is_success, answer.text


async def open_and_resolve(service: Running) -> dict[str, Any]:
    """Let an alert open and resolve; gives it as it was listed while it was open."""
    spikes = [row | {"values": SPIKE} for row in observations(PUMP, OPEN_AFTER)]
    await send(service, spikes)
    listed: dict[str, Any] = (await service.http.get("/v1/alerts")).json()["alerts"][0]
    await send(service, observations(PUMP, RESOLVE_AFTER, first=OPEN_AFTER))
    return listed


def documented(language: str, what: str) -> str:
    """Give the block of the document that has a text in it."""
    return next(
        one.text for one in blocks(DOCUMENT) if one.language == language and what in one.text
    )


async def test_alerts_are_posted(service: Running, receiver: Receiver) -> None:
    """The receiver gets an alert as `GET /v1/alerts` lists it, when it opens and when it ends."""
    listed = await open_and_resolve(service)
    await receiver.until(2)
    opened, resolved = receiver.bodies
    assert (opened["type"], resolved["type"]) == ("alert.opened", "alert.resolved")
    assert opened["data"] == listed
    assert resolved["data"]["event_id"] == listed["event_id"]
    assert opened["url"] == f"http://watch.example/v1/streams/{PUMP}"


async def test_failures_are_mended(service: Running, receiver: Receiver) -> None:
    """What failed comes again under the same id, in order; what is refused is lost and counted."""
    receiver.answers.extend([Told(500), Told(429, headers={"Retry-After": "0"}), Told(410)])
    await open_and_resolve(service)
    await receiver.until(4)
    ids = [one.headers["webhook-id"] for one in receiver.received]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    types = [body["type"] for body in receiver.bodies]
    assert types == ["alert.opened"] * 3 + ["alert.resolved"]
    lost = 'stepwatch_sink_dropped_total{kind="alerts",sink="webhook"}'

    async def is_counted() -> bool:
        return (await metrics_of(service))[lost] == 1

    await eventually(is_counted)
    numbers = await metrics_of(service)
    for kind in ("server", "busy", "refused"):
        assert numbers[f'stepwatch_sink_errors_total{{kind="{kind}",sink="webhook"}}'] == 1


async def test_the_documented_check(service: Running, receiver: Receiver) -> None:
    """What the documents say of verifying accepts what is sent, and nothing else."""
    await open_and_resolve(service)
    await receiver.until(1)
    one = receiver.received[0]
    known: dict[str, Any] = {}
    exec(documented("python", "def is_genuine("), known)
    is_genuine, at = known["is_genuine"], int(one.headers["webhook-timestamp"])
    assert is_genuine(SECRET, one.headers, one.body, now=at + 10)
    assert is_genuine(SECRET, one.headers, one.body)
    assert not is_genuine(SECRET, one.headers, one.body, now=at + 1000)
    assert not is_genuine("whsec_" + "b3RoZXJz" * 4, one.headers, one.body, now=at)
    assert not is_genuine(SECRET, one.headers, one.body + b" ", now=at)
    for name in ("webhook-id", "webhook-timestamp"):
        forged = {**one.headers, name: str(at + 1)}
        assert not is_genuine(SECRET, forged, one.body, now=at)


async def test_the_documented_body(service: Running, receiver: Receiver) -> None:
    """The example of the documents has the fields that are sent, no more and no fewer."""
    await open_and_resolve(service)
    await receiver.until(1)
    example = json.loads(documented("json", "alert.opened"))
    sent = receiver.bodies[0]
    assert list(example) == list(sent)
    assert list(example["data"]) == list(sent["data"])
    assert list(example["data"]["contributors"][0]) == list(sent["data"]["contributors"][0])
