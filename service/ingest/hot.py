"""The way of observations past routing: what FastAPI does for a route costs more than the scoring.

The routes of `http.py` stay what they are, documented and served by FastAPI where a request has a
query; a plain one is handed to the same functions from here.
"""

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from service.engine.errors import RequestError
from service.ingest.errors import on_gone, on_request_error
from service.ingest.http import scored

MANY = "/v1/observations"
BEFORE_ID, AFTER_ID = "/v1/streams/", "/observations"


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
        path: str = scope["path"]
        is_one = path.startswith(BEFORE_ID) and path.endswith(AFTER_ID)
        if path != MANY and not (is_one and len(path) > len(BEFORE_ID) + len(AFTER_ID) - 1):
            await self._app(scope, receive, send)
            return
        stream_id = path[len(BEFORE_ID) : -len(AFTER_ID)] if is_one else None
        request = Request(scope, receive)
        try:
            response = await scored(request, stream_id)
        except RequestError as error:
            response = await on_request_error(request, error)
        except ClientDisconnect as error:
            response = await on_gone(request, error)
        await response(scope, receive, send)
