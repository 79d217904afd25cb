import pytest
from starlette.types import Message, Receive, Scope, Send

from service.ingest.origin import OriginGuard

HOST = "localhost:8080"


async def passed(
    origin: str | None, *, kind: str = "http", host: str | None = HOST
) -> tuple[bool, list[Message]]:
    """Send a request through the guard; tells whether it came through, and what was answered."""
    inside: list[Scope] = []
    answered: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inside.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def send(message: Message) -> None:
        answered.append(message)

    given = {"host": host, "origin": origin}
    headers = [(name.encode(), text.encode()) for name, text in given.items() if text is not None]
    counted: list[str] = []
    guard = OriginGuard(app, allowed=["https://plant.example"], on_refusal=counted.append)
    await guard({"type": kind, "headers": headers}, receive, send)
    assert counted == ([] if inside else ["foreign-origin"])
    return bool(inside), answered


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "origin", [None, "http://localhost:8080", "https://localhost:8080", "https://plant.example"]
)
async def test_own_and_allowed_origins_pass(origin: str | None, kind: str) -> None:
    """What is no browser, our own page and a page that is named come in."""
    assert await passed(origin, kind=kind) == (True, [])


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://localhost:9999", "http://localhost", "null", "",
     "https://plant.example.evil", "http://plant.example", "localhost:8080",
     "http://user@localhost:8080", "http://[::1", "file://"],
)  # fmt: skip
async def test_foreign_origins_get_403(origin: str) -> None:
    """Any other Origin, however odd, is answered with a problem and goes no further."""
    is_through, answered = await passed(origin)
    assert not is_through
    assert answered[0]["status"] == 403
    assert b"foreign-origin" in answered[1]["body"]


async def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    """It gets a close, which the server turns into 403."""
    is_through, answered = await passed("http://evil.example", kind="websocket")
    assert not is_through
    assert answered == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("host", [None, ""])
@pytest.mark.parametrize("origin", ["null", "file://", "http://localhost:8080"])
async def test_without_a_host_no_origin_is_ours(origin: str, host: str | None) -> None:
    """An Origin without a host is not the same as no Host."""
    assert not (await passed(origin, host=host))[0]


async def test_lifespan_events_pass() -> None:
    """They have no headers."""
    assert await passed("http://evil.example", kind="lifespan") == (True, [])
