"""The OpenAPI page: every route with an example, and every example runs as it stands."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from service.ingest import http, operations, streams
from service.ingest.examples import STREAM
from tests.integration.running import Running, observations

pytestmark = pytest.mark.integration

ORDER = ("put", "post", "get", "delete")
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


class Page:
    """An OpenAPI page, and the part of JSON Schema that it uses."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def example(self, shown: Any) -> Any:
        """Give the one example of a body, answer or parameter."""
        ((_, example),) = shown["examples"].items()
        return self.resolved(example)["value"]

    def operations(self) -> Iterator[tuple[str, str, Any]]:
        """Give path, method and description of every operation."""
        for path, methods in self.page["paths"].items():
            for method, operation in methods.items():
                yield path, method, operation

    def resolved(self, schema: Any) -> Any:
        """Follow a reference."""
        if "$ref" not in schema:
            return schema
        found = self.page
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self.resolved(found)

    def misfits(self, schema: Any, value: Any, at: str = "$") -> list[str]:
        """Say where a value is not what a schema documents; unknown fields are misfits too."""
        schema = self.resolved(schema)
        if "anyOf" in schema:
            tried = [self.misfits(one, value, at) for one in schema["anyOf"]]
            return min(tried, key=len)
        if "enum" in schema or "const" in schema:
            allowed = schema.get("enum", [schema.get("const")])
            return [] if value in allowed else [f"{at}: {value!r} is none of {allowed}"]
        kind = schema.get("type")
        fits = kind is None or isinstance(value, TYPES[kind])
        if not fits or (isinstance(value, bool) and kind in ("number", "integer")):
            return [f"{at}: {value!r} is no {kind}"]
        if kind == "array":
            parts = [self.misfits(schema.get("items", {}), one, f"{at}[]") for one in value]
            return [text for part in parts for text in part]
        return self._misfits_of_fields(schema, value, at) if kind == "object" else []

    def _misfits_of_fields(self, schema: Any, value: dict[str, Any], at: str) -> list[str]:
        fields, others = schema.get("properties", {}), schema.get("additionalProperties")
        found = [f"{at}.{name} is missing" for name in schema.get("required", ())]
        found = [text for text in found if text.split(".")[-1].split(" ")[0] not in value]
        for name, one in value.items():
            part = fields.get(name, others if isinstance(others, dict) else None)
            if part is None:
                found.append(f"{at}.{name} is not documented")
            else:
                found += self.misfits(part, one, f"{at}.{name}")
        return found


@pytest.fixture
async def page(service: Running) -> Page:
    """The page as the service gives it."""
    answer = await service.http.get("/openapi.json")
    assert answer.status_code == 200
    return Page(answer.json())


def media(answer: Any) -> tuple[str, Any]:
    """Give the media type of an answer, JSON where there are several, and what is said of it."""
    content = answer["content"]
    media_type = "application/json" if len(content) > 1 else next(iter(content))
    return media_type, content[media_type]


async def test_every_route_is_in_the_page(page: Page) -> None:
    """Every route of every door is there, with summary, description and answers."""
    routes = {
        (route.path_format, method.lower())
        for module in (http, streams, operations)
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    shown = {(path, method): operation for path, method, operation in page.operations()}
    assert set(shown) == routes
    assert len(shown) == 14
    for operation in shown.values():
        assert operation["summary"]
        assert operation["description"]
        assert operation["tags"]
    for socket in ("/v1/ingest", "/v1/live"):
        assert socket in page.page["info"]["description"]


async def test_the_docs_page_answers(service: Running) -> None:
    """The page for people is there and shows this service's OpenAPI page."""
    answer = await service.http.get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text


async def test_the_docs_page_needs_no_other_host(service: Running) -> None:
    """Scripts and styles of the page come from the service: a plant's network is often closed."""
    text = (await service.http.get("/docs")).text
    parts = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"swagger-ui-bundle.js", "swagger-ui.css"} <= {part.rsplit("/", 1)[-1] for part in parts}
    for part in parts:
        assert part.startswith("/")
        assert (await service.http.get(part)).status_code == 200


async def test_every_example_fits_its_schema(page: Page) -> None:
    """Bodies, answers and problems have an example, and each is what its schema says."""
    for path, method, operation in page.operations():
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] == "query" or parameter["examples"], (path, method)
        said = [operation["requestBody"]] if "requestBody" in operation else []
        said += [answer for answer in operation["responses"].values() if "content" in answer]
        for media_type, shown in (one for part in said for one in part["content"].items()):
            if shown["schema"].get("format") == "binary":
                assert "docs/columns.md" in shown["schema"]["description"]
                continue
            misfits = page.misfits(shown["schema"], page.example(shown))
            assert misfits == [], (path, method, media_type)


async def test_problems_are_told_as_they_come(page: Page) -> None:
    """Every refusal in the page is a problem of ours, its example of the status it stands at."""
    for path, method, operation in page.operations():
        for status, answer in operation["responses"].items():
            if status >= "400":
                media_type, shown = media(answer)
                assert media_type == "application/problem+json", (path, method)
                assert page.example(shown)["status"] == int(status)
    assert "HTTPValidationError" not in page.page["components"]["schemas"]


def requests(page: Page, path: str, operation: Any) -> Iterator[dict[str, Any]]:
    """Make httpx's arguments of the examples of the path and of the body, one a media type."""
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", page.example(parameter))
    if "requestBody" not in operation:
        yield {"url": path}
        return
    for media_type, shown in operation["requestBody"]["content"].items():
        if "examples" not in shown:  # Arrow: the example of docs/columns.md runs elsewhere
            continue
        body = page.example(shown)
        content = body if isinstance(body, str) else json.dumps(body)
        yield {"url": path, "content": content, "headers": {"content-type": media_type}}


async def test_every_example_runs(service: Running, page: Page) -> None:
    """Each route's examples are answered 2xx by a service with the metrics flow and pressure."""
    asked = sorted(page.operations(), key=lambda one: (ORDER.index(one[1]), len(one[0])))
    for path, method, operation in asked:
        if path.endswith("accept-baseline"):  # it wants a stream with some observations
            rows = observations(STREAM, 40, first=50)
            await service.http.post("/v1/observations", json={"observations": rows})
        for arguments in requests(page, path, operation):
            answer = await service.http.request(method, **arguments)
            assert answer.is_success, (path, method, answer.text)
            documented = operation["responses"][str(answer.status_code)]
            if "content" not in documented:
                assert answer.content == b""
                continue
            sent = arguments.get("headers", {}).get("content-type", "application/json")
            media_type = answer.headers["content-type"].partition(";")[0]
            assert sent == media_type or len(documented["content"]) == 1
            check_answer(page, documented["content"][media_type], answer, media_type)


def check_answer(page: Page, shown: Any, answer: httpx.Response, media_type: str) -> None:
    """Compare an answer with its schema and its example; of NDJSON, line by line."""
    if media_type == "text/plain":
        return
    if media_type == "application/x-ndjson":
        for line in answer.text.splitlines():
            verdict = page.resolved({"$ref": "#/components/schemas/Verdict"})
            assert page.misfits(verdict, json.loads(line)) == []
        return
    assert page.misfits(shown["schema"], answer.json()) == []
    if isinstance(answer.json(), dict):
        assert set(answer.json()) == set(page.example(shown))


async def test_answers_with_refusals_and_alerts_are_documented(
    service: Running, page: Page
) -> None:
    """Verdicts with contributors, refusals, problems and alerts look as the page says."""
    rows = observations("a", 5)
    spikes = [row | {"values": [60.0, -60.0]} for row in rows]
    documented = page.page["paths"]
    sent = await service.http.post("/v1/observations", json={"observations": [*spikes, rows[0]]})
    schema = media(documented["/v1/observations"]["post"]["responses"]["200"])[1]["schema"]
    assert page.misfits(schema, sent.json()) == []
    assert "error" in sent.json()["verdicts"][-1]
    listed = (await service.http.get("/v1/alerts")).json()
    schema = media(documented["/v1/alerts"]["get"]["responses"]["200"])[1]["schema"]
    assert len(listed["alerts"]) == 1
    assert page.misfits(schema, listed) == []
    refused = await service.http.post("/v1/observations", json={"observations": rows[:2]})
    schema = media(documented["/v1/observations"]["post"]["responses"]["422"])[1]["schema"]
    assert page.misfits(schema, refused.json()) == []
