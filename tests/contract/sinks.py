"""Every kind of sink: how to come by one, and what it has written."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from service.engine.ports import Sink
from service.keys import Keys
from service.sinks.alertmanager import AlertmanagerSink
from service.sinks.redis import RedisSink, ScoresMode
from service.sinks.webhook import WebhookSink
from tests.integration.packed_reading import packed_entries
from tests.integration.servers import SERVERS, client_of, entries
from tests.receivers import Receiver, receiving

PUBLIC_URL = "http://watch.example"
Taken = list[tuple[str, float]]
"""Streams and times of verdicts, oldest first."""
Told = list[tuple[str, bool]]
"""Streams of alerts, and whether each was told as open, oldest first."""


@dataclass(frozen=True, slots=True)
class Rig:
    """A sink that works, and what it has written; `taken` is None where it takes no verdicts."""

    sink: Sink
    told: Callable[[], Told]
    taken: Callable[[], Taken] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """How to come by one kind of sink.

    Attributes:
        working: Lends one that works.
        broken: Makes one that reaches nothing, given an empty directory.
    """

    working: Callable[[], AbstractAsyncContextManager[Rig]]
    broken: Callable[[Path], Sink]


def redis_case(server_name: str, mode: ScoresMode) -> Case:
    """Describe the Redis sink on one kind of server, in one of its modes."""

    @asynccontextmanager
    async def working() -> AsyncIterator[Rig]:
        with SERVERS[server_name]() as server:
            url = server.start()
            sink = RedisSink(url, Keys(), scores=mode)
            yield Rig(sink, partial(told_by_redis, url), partial(TAKEN[mode], url))

    def broken(empty: Path) -> Sink:
        return RedisSink(f"unix://{empty}/nobody.sock", Keys(), scores=mode)

    return Case(working, broken)


def told_by_redis(url: str) -> Told:
    """Read the streams of entries of an alert each."""
    with client_of(url) as client:
        found = entries(client, Keys().alerts)
    return [(entry["stream_id"], entry["status"] != "resolved") for entry in found]


def taken_each(url: str) -> Taken:
    """Read the streams and times of entries of a verdict each."""
    with client_of(url) as client:
        found = entries(client, Keys().scores)
    return [(entry["stream_id"], float(entry["timestamp"])) for entry in found]


def taken_packed(url: str) -> Taken:
    """Read the streams and times of packed entries."""
    found = packed_entries(url, Keys().packed)
    rows = (zip(one.stream_ids, one.timestamp.tolist(), strict=True) for one in found)
    return [(stream_id, at / 1e6) for one in rows for stream_id, at in one]


def alertmanager_at(url: str) -> Sink:
    """Make an Alertmanager sink."""
    return AlertmanagerSink(url, resend_s=60, public_url=PUBLIC_URL)


def told_to_alertmanager(receiver: Receiver) -> Told:
    """Read what was posted: what is over by the clock of this machine does not end later."""
    alerts = (one for body in receiver.bodies for one in body)
    return [(one["labels"]["stream"], "resolved_at" not in one["annotations"]) for one in alerts]


def webhook_at(url: str) -> Sink:
    """Make a webhook sink."""
    return WebhookSink(url, secret="whsec_" + "c2VjcmV0" * 4, public_url=PUBLIC_URL)


def told_to_webhook(receiver: Receiver) -> Told:
    """Read what was posted."""
    return [
        (body["data"]["stream_id"], body["type"] != "alert.resolved") for body in receiver.bodies
    ]


def posting_case(make: Callable[[str], Sink], told: Callable[[Receiver], Told]) -> Case:
    """Describe a sink that posts alerts, to a server that takes them."""

    @asynccontextmanager
    async def working() -> AsyncIterator[Rig]:
        async with receiving() as receiver:
            yield Rig(make(receiver.url), partial(told, receiver))

    return Case(working, lambda _: make("http://127.0.0.1:1/nobody"))


TAKEN: dict[ScoresMode, Callable[[str], Taken]] = {"each": taken_each, "packed": taken_packed}
REDIS = [
    pytest.param(
        redis_case(name, mode), id=f"redis-{mode}-on-{name}", marks=pytest.mark.integration
    )
    for name in SERVERS
    for mode in TAKEN
]
POSTING = [
    pytest.param(posting_case(alertmanager_at, told_to_alertmanager), id="alertmanager"),
    pytest.param(posting_case(webhook_at, told_to_webhook), id="webhook"),
]
CASES = REDIS + POSTING
