"""Alerts for a webhook sink, and how what came of them is signed."""

import base64
import hashlib
from dataclasses import replace

import pytest

from service.engine.errors import SinkError
from service.engine.ports import Alert, AlertStatus, Delivery
from service.sinks.webhook import WebhookSink
from tests.deliveries import MINUTE, TIME, alert
from tests.receivers import Received

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
PUBLIC_URL = "http://watch.example"


def turns(*statuses: AlertStatus) -> list[Alert]:
    """Make transitions of one stream's alert, a minute apart."""
    return [
        replace(alert(1), status=status, at=TIME + at * MINUTE)
        for at, status in enumerate(statuses)
    ]


async def failure(sink: WebhookSink, delivery: Delivery) -> SinkError:
    """Write in vain."""
    with pytest.raises(SinkError) as failed:
        await sink.write_batch(delivery)
    return failed.value


def expected_signature(received: Received, key: bytes) -> str:
    """Sign what was received by the words of the specification, step by step."""
    content = received.headers["webhook-id"] + "." + received.headers["webhook-timestamp"] + "."
    block = key.ljust(64, b"\0")  # HMAC by its definition, RFC 2104
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + content.encode() + received.body)
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner.digest())
    return "v1," + base64.b64encode(outer.digest()).decode()
