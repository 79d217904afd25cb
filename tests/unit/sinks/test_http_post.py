"""Posting: what answers mean, and what stays hidden."""

import asyncio
import base64

import pytest

from service.sinks.http_post import ANSWER_CHARS, HttpPost
from tests.fakes import FakeClock
from tests.receivers import Receiver, Told, free_url
from tests.unit.sinks.http_posts import Lend, failure

USER, PASSWORD, TOKEN = "sensor", "pass/word@1", "t0ken"


async def test_what_is_posted(receiver: Receiver, lent: Lend) -> None:
    """The body arrives as it is, as JSON, with the headers given, at the address given."""
    await lent(f"{receiver.url}/a/b?c=d#e").send(b'{"a": 1}', {"webhook-id": "7"})
    found = receiver.received[0]
    assert (found.path, found.body) == ("/a/b?c=d", b'{"a": 1}')
    assert found.headers["content-type"] == "application/json"
    assert found.headers["webhook-id"] == "7"
    assert found.headers["user-agent"].startswith("stepwatch/")
    assert "authorization" not in found.headers


@pytest.mark.parametrize(
    ("status", "kind", "is_final"),
    [
        (408, "timeout", False),
        (429, "busy", False),
        (500, "server", False),
        (503, "server", False),
        (599, "server", False),
        (301, "refused", True),
        (308, "refused", True),
        (400, "refused", True),
        (401, "refused", False),
        (404, "refused", False),
        (410, "refused", True),
        (422, "refused", True),
    ],
)
async def test_what_a_status_means(
    receiver: Receiver, lent: Lend, status: int, kind: str, is_final: bool
) -> None:
    """What a repetition may mend is tried again, the rest is final; the answer's text is told."""
    receiver.answers.append(Told(status, "so  it\nis"))
    failed = await failure(lent(receiver.url))
    assert (failed.kind, failed.is_final) == (kind, is_final)
    assert str(status) in str(failed)
    assert ("so it is" in str(failed)) == (status not in {301, 308})


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_is_one(receiver: Receiver, lent: Lend, status: int) -> None:
    """Every 2xx means taken."""
    receiver.answers.append(Told(status))
    await lent(receiver.url).send(b"{}")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, lent: Lend, status: int) -> None:
    """A redirect leads nowhere, and the error says what to do."""
    receiver.answers.append(Told(status, headers={"Location": f"{receiver.url}/elsewhere"}))
    failed = await failure(lent(f"{receiver.url}/here"))
    assert "set the address it leads to" in str(failed)
    assert [one.path for one in receiver.received] == ["/here"]


async def test_only_the_beginning_of_an_answer_is_told(receiver: Receiver, lent: Lend) -> None:
    """An error text does not grow with what the other side says."""
    receiver.answers.append(Told(400, "no " * 100_000))
    told = str(await failure(lent(receiver.url)))
    assert told.endswith(("no " * ANSWER_CHARS)[:ANSWER_CHARS])
    assert len(told) < ANSWER_CHARS + 60


async def test_a_server_that_hangs(receiver: Receiver, lent: Lend) -> None:
    """No answer in time is an error like another, and the next attempt may succeed."""
    receiver.answers.append(Told(hangs=True))
    post = lent(receiver.url, 0.05)
    failed = await failure(post)
    assert (failed.kind, failed.is_final) == ("timeout", False)
    assert "within 0.05 s" in str(failed)


async def test_nobody_there(lent: Lend) -> None:
    """Where nobody listens a connection is what failed; what is hidden leaves the rest legible."""
    url = await free_url()
    failed = await failure(lent(f"{url}/secret-path".replace("//", "//u:p@")))
    assert (failed.kind, failed.is_final) == ("connection", False)
    assert "secret-path" not in str(failed)
    assert str(failed).startswith(f"{url}: ")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_no_http_there(lent: Lend, said: bytes) -> None:
    """Something else that listens, or hangs up midway, is a connection that failed."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"[1]")
        writer.write(said)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failed = await failure(lent(f"http://127.0.0.1:{port}/{TOKEN}"))
    assert (failed.kind, failed.is_final) == ("connection", False)
    assert TOKEN not in str(failed)


async def test_a_password_is_sent_and_never_told(receiver: Receiver, lent: Lend) -> None:
    """User and password go into basic authentication; an answer that repeats them is blackened."""
    address = receiver.url.removeprefix("http://")
    post = lent(f"http://{USER}:pass%2Fword%401@{address}/hook/{TOKEN}?key={TOKEN}-2")
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    for echo in (basic, PASSWORD, "pass%2Fword%401", f"POST /hook/{TOKEN}?key={TOKEN}-2"):
        receiver.answers.append(Told(403, f"no: {echo}"))
        told = str(await failure(post))
        assert "***" in told
        assert not any(one in told for one in (basic, PASSWORD, "word", TOKEN))
    assert {one.headers["authorization"] for one in receiver.received} == {f"Basic {basic}"}
    assert post.shown == receiver.url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:9093",
        "ftp://me:hidden@host",
        "http://me:hidden@",
        "http://me@host:hidden",
        "http://me:hidden@a..b",
        "http://me:hidden@a b/",
        "http://me:hidden@a\tb/",
        "http://me:hidden@[::1/",
    ],
)
def test_an_address_that_is_none(url: str) -> None:
    """It is said at once how an address looks; what was given is not repeated."""
    with pytest.raises(ValueError, match="http://") as refused:
        HttpPost(url, clock=FakeClock())
    assert "hidden" not in str(refused.value)


async def test_the_proxy_of_the_environment_is_not_used(
    receiver: Receiver, lent: Lend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is set for other programs does not turn alerts aside."""
    monkeypatch.setenv("http_proxy", await free_url())
    monkeypatch.delenv("no_proxy", raising=False)
    await lent(receiver.url).send(b"{}")
    assert len(receiver.received) == 1


async def test_no_cookies_are_kept(receiver: Receiver, lent: Lend) -> None:
    """One answer leaves nothing in the next request."""
    receiver.answers.append(Told(headers={"Set-Cookie": "a=b"}))
    # cookies of bare addresses nobody keeps
    post = lent(receiver.url.replace("127.0.0.1", "localhost"))
    for _ in range(2):
        await post.send(b"{}")
    assert "cookie" not in receiver.received[1].headers


async def test_a_session_can_be_closed_twice(receiver: Receiver, lent: Lend) -> None:
    """Closing is fine without opening, twice, and before it is used again."""
    post = lent(receiver.url)
    await post.close()
    post.open()
    await post.close()
    await post.close()
    await post.send(b"{}")
    assert len(receiver.received) == 1
