"""Refuses requests and WebSockets that a page of another origin makes in somebody's browser."""

from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.engine.errors import RequestError
from service.ingest.errors import problem, response


class ForeignOrigin(RequestError):  # noqa: N818 - says what the origin is
    """The Origin is neither the host asked nor allowed."""

    slug = "foreign-origin"


class OriginGuard:
    """ASGI middleware; what sends no Origin (every client but a browser) passes.

    Args:
        app: What it guards.
        allowed: Origins that may come in, such as `https://plant.example`.
        on_refusal: Is told the slug of the problem, to count it.
    """

    def __init__(
        self, app: ASGIApp, allowed: Iterable[str], on_refusal: Callable[[str], None]
    ) -> None:
        self._app = app
        self._on_refusal = on_refusal
        self._allowed: Final = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403 (a WebSocket is refused before it is accepted)."""
        if scope["type"] in ("http", "websocket") and not self._is_fine(Headers(scope=scope)):
            error = ForeignOrigin(
                "the Origin of this request is not allowed; name it in STEPWATCH_ALLOWED_ORIGINS"
            )
            self._on_refusal(error.slug)
            # before it is accepted a WebSocket closes with 403 of itself
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            await response(problem(error))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_fine(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or origin in self._allowed:
            return True
        try:
            host = urlsplit(origin).netloc
        except ValueError:  # such as an address in brackets that do not close
            return False
        return bool(host) and host == headers.get("host")
