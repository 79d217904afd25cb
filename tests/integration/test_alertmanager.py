"""A real Alertmanager beside the service: what it shows, and what it sends on."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.engine.clock import SystemClock
from service.engine.ports import Delivery
from service.settings import Settings
from service.sinks.alertmanager import RESENDS, AlertmanagerSink
from tests.deliveries import alert
from tests.integration.alertmanagers import AlertmanagerServer, alertmanager
from tests.integration.running import (
    SPIKE,
    Running,
    eventually,
    metrics_of,
    observations,
    running_service,
    settings_of,
)
from tests.receivers import Receiver, receiving

pytestmark = pytest.mark.integration

PUMP = "plant-a/pump-7"
RESEND_S = 1.0
OPEN_AFTER, RESOLVE_AFTER = 2, 3
SENT = 'stepwatch_sink_written_total{kind="alerts",sink="alertmanager"}'
ERRORS = 'stepwatch_sink_errors_total{kind="connection",sink="alertmanager"}'


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Who gets Alertmanager's notifications."""
    async with receiving() as running:
        yield running


@pytest.fixture
def manager(receiver: Receiver, tmp_path: Path) -> Iterator[AlertmanagerServer]:
    """An Alertmanager that notifies the receiver."""
    directory = tmp_path / "alertmanager"
    directory.mkdir()
    with alertmanager(directory, receiver.url) as running:
        yield running


@pytest.fixture
def settings(manager: AlertmanagerServer, tmp_path: Path) -> Settings:
    """A service that tells it of alerts, and soon again."""
    return settings_of(
        tmp_path / "data",
        alertmanager_url=manager.url,
        alertmanager_resend_s=RESEND_S,
        public_url="http://watch.example",
        alert_open_after=OPEN_AFTER,
        alert_resolve_after=RESOLVE_AFTER,
        snapshot_every_s=0.05,
    )


class OtherClock(SystemClock):
    """A clock that is ahead of this machine's."""

    def __init__(self, ahead_s: int) -> None:
        self._ahead = ahead_s * 1_000_000

    def now(self) -> int:
        return super().now() + self._ahead


async def send(service: Running, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send observations; gives the verdicts."""
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    assert answer.status_code == httpx.codes.OK, answer.text
    verdicts: list[dict[str, Any]] = answer.json()["verdicts"]
    return verdicts


async def open_alert(service: Running, stream_id: str = PUMP) -> str:
    """Send what opens an alert; gives its event."""
    rows = [row | {"values": SPIKE} for row in observations(stream_id, OPEN_AFTER)]
    mark = (await send(service, rows))[-1]["alert"]
    assert mark["status"] == "opened"
    event_id: str = mark["event_id"]
    return event_id


async def resolve_alert(service: Running, stream_id: str = PUMP) -> None:
    """Send what resolves it."""
    rows = observations(stream_id, RESOLVE_AFTER, first=OPEN_AFTER)
    assert (await send(service, rows))[-1]["alert"]["status"] == "resolved"


async def until_told(manager: AlertmanagerServer, *streams: str) -> None:
    """Wait until the alerts of exactly these streams are active."""

    async def is_so() -> bool:
        return await manager.streams() == sorted(streams)

    await eventually(is_so)


def end_of(alert: dict[str, Any]) -> datetime:
    """Read when an alert ends if nothing more is heard of it."""
    return datetime.fromisoformat(alert["endsAt"])


async def test_an_alert_comes_and_goes(
    manager: AlertmanagerServer, settings: Settings, receiver: Receiver
) -> None:
    """It is shown with its labels, notified of, and gone and notified of again once resolved."""
    async with running_service(settings) as service:
        event_id = await open_alert(service)
        await until_told(manager, PUMP)
        shown = (await manager.alerts())[0]
        await receiver.until(1)
        await resolve_alert(service)
        await until_told(manager)
        await receiver.until(2)
    assert shown["labels"] == {
        "alertname": "StepwatchAnomaly",
        "stream": PUMP,
        "model": "pumps",
        "severity": "warning",
        "service": "stepwatch",
    }
    assert shown["annotations"]["event_id"] == event_id
    assert shown["annotations"]["summary"].startswith(f"{PUMP}: ")
    assert shown["generatorURL"] == f"http://watch.example/v1/streams/{PUMP}"
    assert shown["startsAt"] == "2025-11-21T22:00:00.000Z"
    fired, over = receiver.bodies
    assert (fired["status"], over["status"]) == ("firing", "resolved")
    assert {body["alerts"][0]["annotations"]["event_id"] for body in receiver.bodies} == {event_id}


async def test_an_alert_stays_while_it_is_open(
    manager: AlertmanagerServer, settings: Settings, receiver: Receiver
) -> None:
    """Long after what was told first has run out it is there, as it is told again and again."""
    async with running_service(settings) as service:
        await open_alert(service)
        await until_told(manager, PUMP)
        first = end_of((await manager.alerts())[0])

        async def has_run_out() -> bool:
            assert await manager.streams() == [PUMP]
            return datetime.now(first.tzinfo) > first

        await eventually(has_run_out)
        assert await manager.streams() == [PUMP]
        assert len(receiver.received) == 1


async def test_it_ends_by_itself_where_the_service_is_gone(
    manager: AlertmanagerServer, settings: Settings, receiver: Receiver
) -> None:
    """Once nothing is told any more Alertmanager takes the alert for resolved."""
    async with running_service(settings) as service:
        await open_alert(service)
        await until_told(manager, PUMP)
    await until_told(manager)
    await receiver.until(2)
    assert receiver.bodies[-1]["status"] == "resolved"


async def test_a_short_alert_is_not_left_open(
    manager: AlertmanagerServer, settings: Settings
) -> None:
    """What opens and resolves within one request is told as both, the end last."""
    async with running_service(settings) as service:
        spikes = [row | {"values": SPIKE} for row in observations(PUMP, OPEN_AFTER)]
        rows = [*spikes, *observations(PUMP, RESOLVE_AFTER, first=OPEN_AFTER)]
        marks = [row["alert"]["status"] for row in await send(service, rows) if row["alert"]]
        assert (marks[0], marks[-1]) == ("opened", "resolved")

        async def is_told() -> bool:
            return (await metrics_of(service))[SENT] == 2

        await eventually(is_told)
        assert await manager.streams() == []


@pytest.mark.parametrize("ahead_s", [-5, 0, 5])
async def test_clocks_that_differ(manager: AlertmanagerServer, ahead_s: int) -> None:
    """An end ahead of Alertmanager's clock does not count at first; told again it does."""
    clock = OtherClock(ahead_s)
    sink = AlertmanagerSink(manager.url, resend_s=60, public_url="http://h", clock=clock)
    one = replace(alert(7), since=clock.now())
    await sink.write_batch(Delivery(alerts=[one]))
    assert await manager.streams() == [PUMP]
    await sink.write_batch(Delivery(alerts=[replace(one, status="resolved")]))
    assert await manager.streams() == ([PUMP] if ahead_s > 1 else [])

    async def is_over() -> bool:
        await sink.write_batch(Delivery(open_alerts=[]))
        return await manager.streams() == []

    await eventually(is_over, within_s=30)
    await sink.close()


async def test_an_alertmanager_that_was_away_hears_of_all(
    manager: AlertmanagerServer, settings: Settings
) -> None:
    """It keeps no alerts: started again it is told of the old one, and of what it missed."""
    async with running_service(settings) as service:
        await open_alert(service)
        await until_told(manager, PUMP)
        manager.stop()

        async def is_missed() -> bool:
            return (await metrics_of(service)).get(ERRORS, 0) > 0

        await eventually(is_missed)
        await open_alert(service, "missed")
        await open_alert(service, "over")
        await resolve_alert(service, "over")
        await asyncio.to_thread(manager.start)
        await until_told(manager, PUMP, "missed")


async def test_a_service_that_comes_back_goes_on(
    manager: AlertmanagerServer, settings: Settings
) -> None:
    """An alert that was open when the service stopped is told on, as the same event."""
    async with running_service(settings) as service:
        event_id = await open_alert(service)
        await until_told(manager, PUMP)
    first = end_of((await manager.alerts())[0])
    async with running_service(settings) as service:

        async def is_told_again() -> bool:
            alerts = await manager.alerts()
            return bool(alerts) and (end_of(alerts[0]) - first).total_seconds() > RESENDS * RESEND_S

        await eventually(is_told_again)
        shown = (await manager.alerts())[0]
        assert shown["annotations"]["event_id"] == event_id
        await resolve_alert(service)
        await until_told(manager)
