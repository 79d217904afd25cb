"""A clock that stands, and a server that takes what is posted."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from service.sinks.alertmanager import AlertmanagerSink
from service.sinks.webhook import WebhookSink
from tests.fakes import FakeClock
from tests.receivers import Receiver, receiving
from tests.unit.sinks.alertmanager_turns import sink_at
from tests.unit.sinks.http_posts import Lend
from tests.unit.sinks.webhook_turns import PUBLIC_URL, SECRET


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A real HTTP server."""
    async with receiving() as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """A clock that is turned by the test."""
    return FakeClock()


@pytest.fixture
async def alertmanager(receiver: Receiver, clock: FakeClock) -> AsyncIterator[AlertmanagerSink]:
    """A sink that posts to the server."""
    made = sink_at(receiver.url, clock)
    yield made
    await made.close()


@pytest.fixture
async def webhook(receiver: Receiver, clock: FakeClock) -> AsyncIterator[WebhookSink]:
    """A sink that posts to the server, signed."""
    made = WebhookSink(f"{receiver.url}/hook", secret=SECRET, public_url=PUBLIC_URL, clock=clock)
    yield made
    await made.close()


@pytest.fixture
async def lent(clock: FakeClock) -> AsyncIterator[Lend]:
    """Makes posts that are closed when the test is over."""
    async with AsyncExitStack() as stack:
        yield Lend(clock, stack)
