"""Posts that are not plain go the ordinary way, through the application."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.test_http_ways import JSON, MANY, Taken, dumped, taken

pytestmark = pytest.mark.integration
__all__ = ["taken"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": ""}, 415),
        ({"origin": "https://evil.example"}, 403),
        ({"expect": "100-continue"}, 200),
        ({"transfer-encoding": "chunked"}, 200),
        ({"upgrade": "h2c", "connection": "upgrade"}, 400),
    ],
)
async def test_what_is_not_plain_goes_the_ordinary_way(
    service: Running, taken: Taken, headers: dict[str, str], status: int
) -> None:
    """Checks and forms that only the application has."""
    body: Any = dumped(observations("a", 1)[0])
    if "transfer-encoding" in headers:
        body, headers = pieces(body), {}
    answer = await service.http.post(MANY, content=body, headers=JSON | headers)
    assert (answer.status_code, taken.posts) == (status, [])


async def pieces(data: bytes) -> Any:
    """Give a body in two pieces, so that it is chunked."""
    for part in (data[:10], data[10:]):
        yield part


async def test_a_request_line_that_is_logged_is_uvicorns(
    tmp_path: Path, taken: Taken, caplog: pytest.LogCaptureFixture
) -> None:
    """Who wants a line for each request gets it, from who knows how to write it."""
    with caplog.at_level("INFO", "uvicorn.access"):
        async with running_service(settings_of(tmp_path)) as service:
            assert (await service.http.post(MANY, json=observations("a", 1)[0])).is_success
    assert not taken.posts
    assert "POST /v1/observations" in caplog.text


async def test_answers_have_the_servers_headers(service: Running, taken: Taken) -> None:
    """Date and server as everywhere else."""
    answer = await service.http.post(MANY, json=observations("a", 1)[0])
    other = await service.http.get("/healthz")
    assert len(taken.posts) == 1
    for name in ("date", "server"):
        assert answer.headers[name]
        assert name in other.headers
