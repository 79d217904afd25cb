"""Servers and readers for the tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.integration.running import Running, running_service, settings_of
from tests.integration.servers import SERVERS, Server, client_of


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each kind of server a sink may write to, in turn; started by `url`, or by the test."""
    with SERVERS[request.param]() as lent:
        yield lent


@pytest.fixture
def url(server: Server) -> str:
    """Where the started server answers."""
    return server.start()


@pytest.fixture
def reader(url: str) -> Iterator[Redis]:
    """A client that looks at what was written."""
    with client_of(url) as client:
        yield client


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Running]:
    """The whole service with two small models; streams are live from their first observation."""
    async with running_service(settings_of(tmp_path)) as running:
        yield running
