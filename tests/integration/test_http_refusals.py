"""What the HTTP doors refuse: wrong routes, bodies beyond the limits, lies, foreign pages."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.test_http import post, problem

pytestmark = pytest.mark.integration

BODY = b'{"values": [0.5, 0.5]}'
MAX_BODY_BYTES = 4000
ROUTE = "/v1/streams/a/observations"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Running]:
    """A service with low limits and one page of another origin that may ask."""
    settings = settings_of(
        tmp_path,
        max_body_bytes=MAX_BODY_BYTES,
        max_waiting=1,
        allowed_origins=("https://plant.example",),
    )
    async with running_service(settings) as running:
        yield running


async def chunked(data: bytes, times: int) -> AsyncIterator[bytes]:
    """Give a body in pieces, so that nobody knows its length before."""
    for _ in range(times):
        yield data


async def raw(service: Running, data: bytes) -> bytes:
    """Send bytes as they are and read until the server closes."""
    address = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


def request(length: bytes, body: bytes = BODY) -> bytes:
    """Write a request whose Content-Length says what it wants."""
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    return head + b"Content-Length: " + length + b"\r\nConnection: close\r\n\r\n" + body


async def test_unknown_routes_and_methods(service: Running) -> None:
    """Routes nobody made are 404 and methods nobody made 405, which says what would be allowed."""
    problem(await service.http.get("/v1/nothing"), 404, "not-found")
    for method, path, allowed in (
        ("PATCH", "/v1/streams/a", {"GET", "PUT", "DELETE"}),
        ("GET", "/v1/observations", {"POST"}),
        ("POST", "/metrics", {"GET"}),
        ("OPTIONS", "/v1/models", {"GET"}),
    ):
        answer = await service.http.request(method, path)
        problem(answer, 405, "method-not-allowed")
        assert {part.strip() for part in answer.headers["allow"].split(",")} & allowed


async def test_head_has_no_body(service: Running) -> None:
    """HEAD, which no route offers, is refused without a body and the connection goes on."""
    answer = await service.http.head("/healthz")
    assert (answer.status_code, answer.content) == (405, b"")
    assert (await service.http.get("/healthz")).json() == {"status": "ok"}


@pytest.mark.parametrize("path", [ROUTE, "/v1/observations", "/v1/streams/a"])
async def test_only_json_is_taken(service: Running, path: str) -> None:
    """Another media type is 415, whichever route has a body; JSON may name its charset."""
    method = "PUT" if path == "/v1/streams/a" else "POST"
    body = b"{}" if method == "PUT" else b'{"stream_id": "a", "values": [0.5, 0.5]}'
    for other in ("text/plain", "text/csv", "application/octet-stream", ""):
        answer = await service.http.request(
            method, path, content=body, headers={"content-type": other}
        )
        assert "application/json" in problem(answer, 415, "unsupported-media-type")
    for good in ("application/json", "Application/JSON; charset=utf-8"):
        answer = await service.http.request(
            method, path, content=body, headers={"content-type": good}
        )
        assert answer.is_success, answer.text


@pytest.mark.parametrize(("method", "path"), [("POST", ROUTE), ("PUT", "/v1/streams/a")])
async def test_a_body_has_a_limit(narrow: Running, method: str, path: str) -> None:
    """A body of too many bytes is 413, declared or chunked, on every route that has a body."""
    for body in (b" " * (MAX_BODY_BYTES + 1), chunked(b" " * 1000, 5)):
        answer = await narrow.http.request(method, path, content=body, headers=JSON)
        assert str(MAX_BODY_BYTES) in problem(answer, 413, "body-too-large")
    fitting = BODY if method == "POST" else b"{}"
    for body in (fitting.ljust(MAX_BODY_BYTES), chunked(fitting, 1)):
        answer = await narrow.http.request(method, path, content=body, headers=JSON)
        assert answer.is_success, answer.text


@pytest.mark.parametrize("length", [b"-1", b"x", b"9" * 40, b"5"])
async def test_a_content_length_that_lies_is_refused(service: Running, length: bytes) -> None:
    """A Content-Length that is no length, or too short for the body, is 400 and takes nothing."""
    answer = await raw(service, request(length))
    assert answer.startswith(b"HTTP/1.1 400")
    problem(await service.http.get("/v1/streams/a"), 404, "unknown-stream")


async def test_a_huge_content_length_is_refused_unread(service: Running) -> None:
    """A declared length beyond the limit is refused before any of it is read."""
    answer = await raw(service, request(b"99999999999", b""))
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_client_that_leaves_within_its_body(
    service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """Who leaves before its body is whole has sent nothing, and that is nobody's bug."""
    address = urlsplit(service.url)
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(request(b"1000"))
        await writer.drain()
        assert (await service.http.get("/healthz")).is_success
        writer.close()
        await writer.wait_closed()
        assert (await service.http.get("/healthz")).is_success
        problem(await service.http.get("/v1/streams/a"), 404, "unknown-stream")
    assert "client gone" in [entry["event"] for entry in logs]
    assert not [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_is_no_http_is_refused(service: Running) -> None:
    """Bytes that are no HTTP are answered with 400."""
    assert (await raw(service, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_the_connection_outlives_a_problem(service: Running) -> None:
    """After a problem the same connection takes the next request."""
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(base_url=service.url, limits=limits, trust_env=False) as client:
        for _ in range(3):
            problem(await client.post(ROUTE, content=b"{"), 400, "malformed-json")
            assert (await client.post(ROUTE, content=BODY)).is_success


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://", "http://[", "http://127.0.0.1:1"]
)
async def test_a_foreign_page_gets_nothing(service: Running, origin: str) -> None:
    """A request with a foreign or broken Origin is 403 and changes nothing."""
    answer = await service.http.post(ROUTE, content=BODY, headers={"origin": origin})
    problem(answer, 403, "foreign-origin")
    assert (await service.http.get("/v1/streams")).json()["total"] == 0


async def test_own_and_allowed_pages_may_ask(narrow: Running) -> None:
    """Pages of the service's own origin and of an allowed one may ask."""
    for origin in (narrow.url, "https://plant.example"):
        answer = await narrow.http.post(ROUTE, content=BODY, headers={"origin": origin})
        assert answer.is_success


async def test_bad_options_are_refused(service: Running) -> None:
    """PUT names what is wrong with the options, and neither creates nor changes a stream."""
    for body, status, slug, named in (
        (b"{", 400, "malformed-json", "JSON"),
        (b"", 400, "malformed-json", "JSON"),
        (b"\xff", 400, "malformed-json", "JSON"),
        (b"[]", 422, "invalid-request", "body"),
        (b'{"z": 0}', 422, "invalid-request", "z"),
        (b'{"z": NaN}', 422, "invalid-request", "z"),
        (b'{"z": 1e400}', 422, "invalid-request", "z"),
        (b'{"z": "8"}', 422, "invalid-request", "z"),
        (b'{"z": true}', 422, "invalid-request", "z"),
        (b'{"sigma_floor": 1e300}', 422, "invalid-request", "sigma_floor"),
        (b'{"policy": "none"}', 422, "invalid-request", "policy"),
        (b'{"zz": 1}', 422, "invalid-request", "zz"),
        (b'{"model": "\\u0000"}', 422, "unknown-model", "fans, pumps"),
    ):
        answer = await service.http.put("/v1/streams/a", content=body, headers=JSON)
        assert named in problem(answer, status, slug)
    for bad in ("a//b", "%2Fa", "a%20b", "observations", "x" * 201):
        assert (await service.http.put(f"/v1/streams/{bad}", json={})).status_code == 422
    for query in ("limit=0", "limit=x", "limit=10001"):
        problem(await service.http.get(f"/v1/streams?{query}"), 422, "invalid-request")
    assert (await service.http.get("/v1/streams")).json()["total"] == 0


async def test_overload_is_told(tmp_path: Path) -> None:
    """While too much waits a request gets 429 with Retry-After, and nothing of it is taken."""
    async with running_service(settings_of(tmp_path, max_waiting=1)) as service:
        # one stream's rows go one by one: the bank is busy when the next request comes
        long = asyncio.create_task(post(service, observations("a", 1500)))
        answers = [await service.http.post(ROUTE.replace("a/", "b/"), content=BODY)]
        while answers[-1].is_success and not long.done():
            answers.append(await service.http.post(ROUTE.replace("a/", "b/"), content=BODY))
        problem(answers[-1], 429, "overloaded")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert len(await long) == 1500
        stream = await service.http.get("/v1/streams/b")
        taken = stream.json()["observations"] if stream.is_success else 0
        assert taken == len(answers) - 1
