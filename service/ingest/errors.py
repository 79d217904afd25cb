"""Errors as RFC 9457 problem details, mapped once for HTTP and WebSocket alike."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.engine.engine import Engine
from service.engine.errors import Overloaded, RequestError

_log = structlog.get_logger("stepwatch.ingest")

PROBLEM_JSON: Final = "application/problem+json"
STATUS: Final = {
    "overloaded": 429,
    "not-ready": 503,
    "unknown-stream": 404,
    "too-few-observations": 409,
    "malformed-json": 400,
    "malformed-arrow": 400,
    "unsupported-media-type": 415,
    "body-too-large": 413,
    "foreign-origin": 403,
}
"""Status by slug; what is not named here is 422."""
RETRY_AFTER_S: Final = 1


class UnsupportedMediaType(RequestError):  # noqa: N818 - says what the body is
    """The media type is none this route takes."""

    slug = "unsupported-media-type"


class MalformedJSON(RequestError):  # noqa: N818 - as above
    """The body or frame is no JSON, or not of the shape that is taken."""

    slug = "malformed-json"


class MalformedArrow(RequestError):  # noqa: N818 - as above
    """The body or frame is no Arrow IPC stream, or not of the columns that are taken."""

    slug = "malformed-arrow"


class EmptyBatch(RequestError):  # noqa: N818 - as above
    """There is no observation in it."""

    slug = "empty-batch"


class TooManyRows(RequestError):  # noqa: N818 - as above
    """More observations than a request may hold."""

    slug = "too-many-rows"


class BodyTooLarge(RequestError):  # noqa: N818 - as above
    """The body has more bytes than a request may have."""

    slug = "body-too-large"


class Problem(msgspec.Struct, omit_defaults=True):
    """Problem details; `type` is stable, `verdicts` tells the rows of a batch apart."""

    type: str
    title: str
    status: int
    detail: str
    verdicts: list[Any] | None = None


def problem(error: RequestError) -> Problem:
    """Describe an error of the caller."""
    detail = str(error).encode("utf-8", "replace").decode()
    title = error.slug.replace("-", " ").capitalize()
    return Problem(error.slug, title, STATUS.get(error.slug, 422), detail)


def response(found: Problem, *, retry_after_s: float | None = None) -> Response:
    """Make the HTTP response of a problem."""
    headers = {} if retry_after_s is None else {"Retry-After": str(max(1, round(retry_after_s)))}
    return Response(
        msgspec.json.encode(found), found.status, headers=headers, media_type=PROBLEM_JSON
    )


async def on_request_error(request: Request, error: Exception) -> Response:
    """Answer a request that is refused as a whole, and count it."""
    if not isinstance(error, RequestError):
        raise TypeError("this is a bug: registered for RequestError") from error
    return refusal(request.app.state.engine, error)


def refusal(engine: Engine, error: RequestError) -> Response:
    """Make the answer to a request that is refused as a whole, and count it."""
    engine.counters.problems[error.slug] += 1
    found = problem(error)
    retry = error.retry_after_s if isinstance(error, Overloaded) else RETRY_AFTER_S
    has_retry = found.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return response(found, retry_after_s=retry if has_retry else None)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """Say what is wrong without echoing the input, which need not be encodable."""
    if not isinstance(error, RequestValidationError):
        raise TypeError("this is a bug: registered for RequestValidationError") from error
    request.app.state.engine.counters.problems["invalid-request"] += 1
    told = "; ".join(
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()
    )
    detail = told.encode("utf-8", "replace").decode()
    return response(Problem("invalid-request", "Invalid request", 422, detail))


async def _on_http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError("this is a bug: registered for HTTPException") from error
    phrase = HTTPStatus(error.status_code).phrase
    slug = phrase.lower().replace(" ", "-")
    detail = f"{error.detail}: {request.method} {request.url.path}; see /docs for the routes"
    found = response(Problem(slug, phrase, error.status_code, detail))
    found.headers.update(error.headers or {})
    return found


async def _on_gone(request: Request, error: Exception) -> Response:
    """Answer nobody."""
    gone(request.url.path, type(error).__name__)
    return Response(status_code=HTTPStatus.BAD_REQUEST)


def gone(path: str, detail: str) -> None:
    """Note that who asked has left before the body was whole."""
    _log.debug("client gone", path=path, detail=detail)


async def _on_bug(request: Request, error: Exception) -> Response:
    return bug(request.url.path, error)


def bug(path: str, error: BaseException) -> Response:
    """Make the answer to what should not have happened, and tell the log of it."""
    _log.error("this is a bug", path=path, exc_info=error)
    return response(
        Problem("internal-error", "Internal error", 500, "this is a bug; the log tells more")
    )


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(RequestError, on_request_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_exception_handler(Exception, _on_bug)
