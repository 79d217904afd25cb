"""The way of observations past routing: what FastAPI does for a route costs more than the scoring.

The routes of `http.py` stay what they are, documented and served by FastAPI where a request has a
query; a plain one is handed to the same functions from here.
"""

from typing import Final

from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.engine.errors import RequestError
from service.ingest.errors import on_gone, on_request_error
from service.ingest.http import router, scored

_PATHS: Final = [route.path_regex for route in router.routes if isinstance(route, APIRoute)]


class HotPaths:
    """Answers plain posts of observations itself and hands everything else on.

    Args:
        app: What comes after it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        is_plain = scope["type"] == "http" and scope["method"] == "POST"
        if not is_plain or scope["query_string"] or scope.get("root_path"):
            await self._app(scope, receive, send)
            return
        found = next((match for path in _PATHS if (match := path.match(scope["path"]))), None)
        if found is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await scored(request, found.groupdict().get("stream_id"))
        except RequestError as error:
            response = await on_request_error(request, error)
        except ClientDisconnect as error:
            response = await on_gone(request, error)
        await response(scope, receive, send)
