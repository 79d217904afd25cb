"""Alerts for an Alertmanager sink, and what came of them."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from service.engine.errors import SinkError
from service.engine.ports import Alert, AlertStatus, Delivery
from service.sinks.alertmanager import AlertmanagerSink
from tests.deliveries import alert
from tests.fakes import ARRIVAL, FakeClock
from tests.receivers import Receiver

RESEND_S = 30.0


def sink_at(url: str, clock: FakeClock) -> AlertmanagerSink:
    """Make a sink."""
    return AlertmanagerSink(
        url, resend_s=RESEND_S, public_url="http://watch.example/base/", clock=clock
    )


def turn(number: int, status: AlertStatus, event: int = 0) -> Alert:
    """Make a transition of a stream's alert, long before the clock of these tests."""
    one = replace(alert(number), status=status, event_id=f"{event:016x}")
    return replace(one, since=0, opened_at=3_000_000, at=9_000_000)


def ends_in(posted: dict[str, Any]) -> float:
    """Give the seconds from the begin of the test to the end of an alert."""
    return datetime.fromisoformat(posted["endsAt"]).timestamp() - ARRIVAL / 1e6


def told(receiver: Receiver) -> list[list[tuple[str, float]]]:
    """Give what came: of each post the streams and when their alerts end."""
    return [[(one["labels"]["stream"], ends_in(one)) for one in body] for body in receiver.bodies]


async def failure(sink: AlertmanagerSink, delivery: Delivery) -> SinkError:
    """Write in vain."""
    with pytest.raises(SinkError) as failed:
        await sink.write_batch(delivery)
    return failed.value
