import msgspec
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from service.engine import errors as engine_errors
from service.engine.errors import (
    BANK_REFUSALS,
    ROW_ERROR_TYPES,
    NotAdmitted,
    NotReady,
    Overloaded,
    RequestError,
    UnknownModel,
    UnknownStream,
)
from service.ingest import errors
from service.ingest.errors import PROBLEM_JSON, BodyTooLarge, MalformedJSON, problem, response
from tests.engines import make_engine


def raising(error: Exception) -> FastAPI:
    """Make an app whose only route raises."""
    app = FastAPI()
    app.state.engine = make_engine()
    errors.install(app)

    @app.get("/raise")
    async def fail(number: int = 0) -> int:
        raise error

    return app


def client(app: FastAPI) -> AsyncClient:
    transport = ASGITransport(app, raise_app_exceptions=False)
    return AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (Overloaded(5, 4, 1.0), 429, "overloaded"),
        (NotReady("wait"), 503, "not-ready"),
        (UnknownStream("a"), 404, "unknown-stream"),
        (UnknownModel("a", []), 422, "unknown-model"),
        (MalformedJSON("no"), 400, "malformed-json"),
        (BodyTooLarge("no"), 413, "body-too-large"),
        (RequestError("no"), 422, "invalid-request"),
    ],
)
async def test_errors_of_the_caller_are_problems(
    error: RequestError, status: int, slug: str
) -> None:
    """Status and type go by the slug; it is counted; who may retry is told when."""
    app = raising(error)
    async with client(app) as asking:
        found = await asking.get("/raise")
    assert (found.status_code, found.headers["content-type"]) == (status, PROBLEM_JSON)
    body = found.json()
    assert (body["type"], body["status"], body["detail"]) == (slug, status, str(error))
    assert body["title"] == slug.replace("-", " ").capitalize()
    assert ("retry-after" in found.headers) == (status in {429, 503})
    assert app.state.engine.counters.problems == {slug: 1}


async def test_a_bug_is_told_without_its_details() -> None:
    """Whatever else is raised is a 500 that says nothing of the inside."""
    async with client(raising(ValueError("secret"))) as asking:
        found = await asking.get("/raise")
    assert (found.status_code, found.json()["type"]) == (500, "internal-error")
    assert "secret" not in found.text


async def test_a_query_out_of_range_is_a_problem() -> None:
    """What FastAPI refuses looks like every other problem."""
    async with client(raising(ValueError())) as asking:
        found = await asking.get("/raise?number=%ed%a0%80")
    assert (found.status_code, found.json()["type"]) == (422, "invalid-request")
    assert "query.number" in found.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere/%ed%a0%80%ff", 404), ("POST", "/raise", 405)],
)
async def test_routes_that_are_not_there(method: str, path: str, status: int) -> None:
    """Any path, even one that is no UTF-8, gets a problem that points to the docs."""
    async with client(raising(ValueError())) as asking:
        found = await asking.request(method, path)
    assert (found.status_code, found.headers["content-type"]) == (status, PROBLEM_JSON)
    assert "/docs" in found.json()["detail"]
    assert (found.headers.get("allow") == "GET") == (status == 405)


def test_text_that_is_no_utf8_can_be_sent() -> None:
    """Half a surrogate pair in what the caller sent does not break the answer."""
    found = problem(UnknownStream("a\ud800"))
    assert msgspec.json.decode(response(found).body)["detail"].startswith("there is no stream 'a?'")


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (1.0, "1"), (2.6, "3")])
def test_retry_after_is_whole_seconds(seconds: float, header: str) -> None:
    """At least one, as HTTP has it."""
    found = response(problem(NotReady("wait")), retry_after_s=seconds)
    assert found.headers["retry-after"] == header


def test_types_of_row_errors_are_a_closed_set() -> None:
    """Every refusal of the bank has a type that is listed, and none is listed twice."""
    types = {error.type for error in BANK_REFUSALS.values()}
    assert types <= set(ROW_ERROR_TYPES)
    assert len(set(ROW_ERROR_TYPES)) == len(ROW_ERROR_TYPES)


def test_slugs_are_stable_and_their_own() -> None:
    """No two errors of the caller share a slug."""
    kinds = [
        kind
        for module in (engine_errors, errors)
        for kind in vars(module).values()
        # what is not admitted has the slug of its row error
        if isinstance(kind, type) and issubclass(kind, RequestError) and kind is not NotAdmitted
    ]
    assert len({kind.slug for kind in kinds}) == len(set(kinds))
