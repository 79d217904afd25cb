"""Tells from the head of a request whether `hot.py` may answer it by itself."""

from collections.abc import Iterable
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import unquote

from fastapi.routing import APIRoute

from service.ingest.body import JSON, OBSERVATIONS, DoorLimits, essence
from service.ingest.http import router

_ROUTES: Final = [route.path_regex for route in router.routes if isinstance(route, APIRoute)]
_LONGEST: Final = 1024
_MOST: Final = 1024
"""Heads that are remembered, and bytes of each: a megabyte."""
_DECLARING: Final = {b"content-type", b"content-length"}
_UNUSUAL: Final = {b"origin", b"transfer-encoding", b"expect", b"upgrade"}
"""What asks for a check or for a way of its own; all of these are for the ASGI application."""
_KNOWN: Final = dict.fromkeys(_DECLARING | _UNUSUAL)


class Post(NamedTuple):
    """A plain post of observations.

    Attributes:
        path: Of the request.
        stream_id: The stream the path names, if it does.
        media_type: Of the body.
        size: Of the body, in bytes.
    """

    path: str
    stream_id: str | None
    media_type: str
    size: int


def plain_post(
    url: bytes, headers: Iterable[tuple[bytes, bytes]], limits: DoorLimits
) -> Post | None:
    """Read the head of a POST; None: it is not for here, or not as most are.

    Nothing is refused here. Whatever is too large, of another media type or from a page has its
    checks in the ASGI application, and nowhere else.

    Args:
        url: As it stands in the request line.
        headers: Names in small letters.
        limits: Of a body.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _KNOWN:
            if name in found or name in _UNUSUAL:
                return None
            found[name] = value
    media_type = essence(found.get(b"content-type", JSON.encode()).decode("latin-1"))
    length = found.get(b"content-length", b"")
    if media_type not in OBSERVATIONS or not length.isdigit() or b"?" in url or b"#" in url:
        return None
    if int(length) > limits.max_body_bytes or not url.isascii():
        return None
    path = unquote(url.decode("ascii"))
    match = next((match for route in _ROUTES if (match := route.match(path))), None)
    if match is None:
        return None
    return Post(path, match.groupdict().get("stream_id"), media_type, int(length))


class KnownHeads:
    """Heads that have been read: clients send the same bytes again and again.

    The same bytes mean the same, so that neither the parser nor `plain_post` has to look at them
    once more.
    """

    def __init__(self) -> None:
        self._posts: dict[bytes, tuple[Post, bool]] = {}

    def get(self, head: bytes) -> tuple[Post, bool] | None:
        """Tell what a head said, and whether its connection stays open."""
        return self._posts.get(head)

    def learn(self, head: bytes, post: Post, *, is_keeping: bool) -> None:
        """Remember what the parser made of a head that ends with the first empty line.

        Nothing is learnt of what another reader could see another end in.
        """
        is_plain = head.count(b"\n") == head.count(b"\r\n") and head.startswith(b"POST /")
        if not is_plain or len(head) > _LONGEST:
            return
        if len(self._posts) >= _MOST:  # such as heads that number their requests
            self._posts.clear()
        self._posts[head] = post, is_keeping


@cache
def known_heads_of(limits: DoorLimits) -> KnownHeads:
    """Give what is known where these limits hold; all connections share it."""
    return KnownHeads()
