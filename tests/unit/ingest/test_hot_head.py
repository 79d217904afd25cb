import pytest

from service.ingest.body import ARROW, JSON, NDJSON, DoorLimits
from service.ingest.hot_head import KnownHeads, Post, plain_post

LIMITS = DoorLimits(max_body_bytes=1000)
LENGTH = (b"content-length", b"7")
HEAD = b"POST /v1/observations HTTP/1.1\r\nContent-Length: 7\r\n\r\n"


def read(url: bytes = b"/v1/observations", *headers: tuple[bytes, bytes]) -> Post | None:
    return plain_post(url, headers, LIMITS)


@pytest.mark.parametrize(
    ("url", "stream_id"),
    [
        (b"/v1/observations", None),
        (b"/v1/streams/a/observations", "a"),
        (b"/v1/streams/plant-a/p%3A1/observations", "plant-a/p:1"),
        (b"/v1/streams/a%2Fb/observations", "a/b"),
        (b"/v1/streams/a%0Ab/observations", "a\nb"),
        (b"/v1/streams//observations", ""),
    ],
)
def test_the_path_names_the_stream(url: bytes, stream_id: str | None) -> None:
    """Of both routes, quoted or not; whether the id is good is not said here."""
    post = read(url, LENGTH)
    assert post is not None
    assert (post.stream_id, post.media_type, post.size) == (stream_id, JSON, 7)


@pytest.mark.parametrize(
    ("content_type", "media_type"),
    [
        (b"application/json", JSON),
        (b"Application/JSON ; charset=utf-8", JSON),
        (b"application/x-ndjson", NDJSON),
        (b"application/vnd.apache.arrow.stream", ARROW),
    ],
)
def test_the_media_type_is_read(content_type: bytes, media_type: str) -> None:
    """In any letters, with or without parameters."""
    post = read(b"/v1/observations", LENGTH, (b"content-type", content_type), (b"host", b"x"))
    assert post is not None
    assert post.media_type == media_type


@pytest.mark.parametrize(
    "url",
    [
        b"/v1/observations?verdict=full", b"/v1/observations?", b"/v1/observations#x",
        b"/v1/observations/", b"/v1/streams/a", b"/v1/streams/a/reset", b"/", b"*",
        b"http://x/v1/observations", b"/v1/streams/\xe9/observations", b"//v1/observations",
    ],
)  # fmt: skip
def test_other_urls_are_not_for_here(url: bytes) -> None:
    """Queries, other routes, other forms of a URL."""
    assert read(url, LENGTH) is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-length", b"1001")],
        [(b"content-length", b"")],
        [(b"content-length", b"+7")],
        [(b"content-length", b"\xb2")],
        [LENGTH, LENGTH],
        [LENGTH, (b"transfer-encoding", b"chunked")],
        [LENGTH, (b"expect", b"100-continue")],
        [LENGTH, (b"upgrade", b"websocket")],
        [LENGTH, (b"origin", b"http://x")],
        [LENGTH, (b"origin", b"")],
        [LENGTH, (b"content-type", b"")],
        [LENGTH, (b"content-type", b"text/plain")],
        [LENGTH, (b"content-type", b"application/json\xff")],
        [LENGTH, (b"content-type", b"application/json"), (b"content-type", b"application/json")],
    ],
)
def test_what_needs_a_check_is_not_for_here(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever the application would refuse, or answer in a way of its own."""
    assert read(b"/v1/observations", *headers) is None


def test_a_head_is_known_by_its_bytes() -> None:
    """The same bytes again, and no others."""
    known, post = KnownHeads(), Post("/v1/observations", None, JSON, 7)
    known.learn(HEAD, post, is_keeping=True)
    assert known.get(HEAD) == (post, True)
    assert known.get(HEAD.replace(b"7", b"8")) is None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\r\n" + HEAD,
        HEAD.replace(b"1.1\r\n", b"1.1\n"),
        HEAD.replace(b"Content", b"X: y\n\nContent"),
        HEAD.replace(b"POST", b"PUT"),
        HEAD.replace(b"Content", b"X: " + b"y" * 2000 + b"\r\nContent"),
    ],
)
def test_only_plain_heads_are_learnt(head: bytes) -> None:
    """Nothing of which another reader might say that it ends elsewhere, and nothing long."""
    known = KnownHeads()
    known.learn(head, Post("/v1/observations", None, JSON, 7), is_keeping=True)
    assert known.get(head) is None


def test_few_heads_are_kept() -> None:
    """Clients that number their requests fill no memory."""
    known, post = KnownHeads(), Post("/v1/observations", None, JSON, 7)
    for number in range(3000):
        known.learn(HEAD.replace(b"\r\n\r\n", b"\r\nN: %d\r\n\r\n" % number), post, is_keeping=True)
    assert len(known._posts) <= 1024
