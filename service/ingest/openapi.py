"""What the OpenAPI page says beyond what FastAPI reads from the code: schemas and examples."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import Path

from models.checkpoint import NAME
from service.ingest.body import ARROW, JSON, NDJSON
from service.ingest.errors import PROBLEM_JSON, Problem
from service.ingest.examples import EXAMPLES, STREAM
from service.ingest.schemas import (
    Alerts,
    AlertView,
    Observation,
    Observations,
    Refused,
    Verdict,
    Verdicts,
)

Answers = dict[int | str, dict[str, Any]]

_REF: Final = "#/components/schemas/{name}"
_, _SCHEMAS = msgspec.json.schema_components(
    [Observation, Observations, Verdict, Refused, AlertView, Alerts, Problem], ref_template=_REF
)
_SCHEMAS["Verdicts"] = {
    "title": "Verdicts",
    "description": Verdicts.__doc__,
    "type": "object",
    "properties": {
        "verdicts": {
            "type": "array",
            "items": {"anyOf": [{"$ref": _REF.format(name=n)} for n in ("Verdict", "Refused")]},
        }
    },
    "required": ["verdicts"],
}

DESCRIPTION: Final = (
    "Push metric vectors, get verdicts. Every stream has its own hidden state in a recurrent "
    "network; the error of the next-step prediction is compared with a rolling threshold.\n\n"
    "WebSocket: `/v1/ingest` takes JSON text frames, one observation or an array of them, and "
    "binary Arrow frames, and answers each in kind and in order; `/v1/live?streams=plant-a/*` "
    "sends verdicts and alerts of chosen streams as they come."
)
StreamId = Annotated[
    str,
    Path(
        description="May have slashes, as they are or as %2F.",
        openapi_examples={"a pump": {"value": STREAM}},
    ),
]
ModelName = Annotated[
    str,
    Path(
        description="Of its directory among the models.",
        pattern=f"^{NAME.pattern}$",
        openapi_examples={"pumps": {"value": "pumps"}},
    ),
]

_PROBLEMS: Final = {
    400: (
        "No JSON or Arrow stream, or not of the shape that is taken.",
        "malformed-json",
        "this is no JSON",
    ),
    404: ("There is no such stream.", "unknown-stream", f"there is no stream '{STREAM}'"),
    409: (
        "Too few observations of the stream are held.",
        "too-few-observations",
        f"of stream '{STREAM}' fewer than 30 observations are held",
    ),
    413: (
        "More bytes than a request may have.",
        "body-too-large",
        "the body has more than 16777216 bytes; send fewer observations at a time",
    ),
    415: (
        "Another media type than those of the body.",
        "unsupported-media-type",
        f"'text/csv' is not taken here; send {JSON} or {NDJSON} or {ARROW}",
    ),
    422: (
        "Nothing was taken or changed; `type` and `detail` say why.",
        "wrong-width",
        "3 values where model 'pumps' takes 2: flow, pressure",
    ),
    429: ("Too much waits; see Retry-After.", "overloaded", "100000 observations wait"),
    503: (
        "The service is starting or stopping; see Retry-After.",
        "not-ready",
        "the service is starting or stopping; send again in a moment",
    ),
}


def components() -> dict[str, dict[str, Any]]:
    """Give the schemas FastAPI does not know of, and the examples.

    FastAPI would leave out every null of an example that stands in the page itself.
    """
    told = dict(EXAMPLES)
    for status, (_, slug, detail) in _PROBLEMS.items():
        title = slug.replace("-", " ").capitalize()
        told[slug] = {"type": slug, "title": title, "status": status, "detail": detail}
    return {
        "schemas": msgspec.to_builtins(_SCHEMAS),
        "examples": {name: {"value": value} for name, value in told.items()},
    }


def reference(schema: type) -> dict[str, str]:
    """Point to a schema in the components of the page."""
    return {"$ref": _REF.format(name=schema.__name__)}


def problems(*statuses: int) -> Answers:
    """Document the problems a route may answer with."""
    found: Answers = {}
    for status in statuses:
        description, slug, _ = _PROBLEMS[status]
        content = {PROBLEM_JSON: _content(slug, reference(Problem))}
        found[status] = {"description": description, "content": content}
    return found


def body(example: str, *schemas: dict[str, Any]) -> dict[str, Any]:
    """Document a body that may have one of several schemas."""
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    return {"requestBody": {"required": True, "content": {JSON: _content(example, schema)}}}


def observations(example: str, *schemas: dict[str, Any]) -> dict[str, Any]:
    """Document a body of observations, which may have other media types than JSON."""
    found = body(example, *schemas)
    found["requestBody"]["content"] |= _other_media(
        "observation-lines",
        lines="One observation a line; blank lines are passed over.",
        stream="One complete Arrow IPC stream, a row an observation",
    )
    return found


def answer(
    example: str, schema: dict[str, Any] | None = None, *, media_type: str = JSON
) -> Answers:
    """Document an answer by an example; without a schema, the one FastAPI knows stands."""
    return {200: {"content": {media_type: _content(example, schema)}}}


def verdicts(example: str, *types: type) -> Answers:
    """Document the answer to observations."""
    found = answer(example, {"anyOf": [reference(one) for one in types]})
    found[200]["description"] = (
        "Verdicts in the order sent, in the media type sent; a refused row stands in place."
    )
    found[200]["content"] |= _other_media(
        "verdict-lines",
        lines="One verdict or refusal a line.",
        stream="One Arrow IPC stream, a row for each row sent",
    )
    found[202] = {"description": "Taken with `?verdict=none`; nothing is sent back."}
    return found | problems(400, 413, 415, 422, 429, 503)


def _other_media(example: str, *, lines: str, stream: str) -> dict[str, Any]:
    """Say what NDJSON and Arrow hold; an Arrow stream is no text, so docs/columns.md shows one."""
    told = f"{stream}; docs/columns.md names its columns and their types, and has an example."
    return {
        NDJSON: _content(example, {"type": "string", "description": lines}),
        ARROW: {"schema": {"type": "string", "format": "binary", "description": told}},
    }


def _content(example: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    shown = {"examples": {example: {"$ref": f"#/components/examples/{example}"}}}
    return shown if schema is None else {"schema": schema, **shown}
