"""What the OpenAPI page says beyond what FastAPI reads from the code: schemas and examples."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import Path

from service.ingest.errors import PROBLEM_JSON, Problem
from service.ingest.schemas import (
    Alerts,
    AlertView,
    Observation,
    Observations,
    Refused,
    Verdict,
    Verdicts,
)

_JSON: Final = "application/json"
_REF: Final = "#/components/schemas/{name}"
_, SCHEMAS = msgspec.json.schema_components(
    [Observation, Observations, Verdict, Refused, AlertView, Alerts, Problem], ref_template=_REF
)
SCHEMAS["Verdicts"] = {
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
"""Schemas of the JSON that FastAPI does not know of, for the components of the page."""

STREAM: Final = "plant-a/pump-7"
StreamId = Annotated[
    str,
    Path(
        description="May have slashes, as they are or as %2F.",
        openapi_examples={"a pump": {"value": STREAM}},
    ),
]
_VALUES: Final = {"flow": 1.5, "pressure": 0.2}
ONE: Final = {"timestamp": 1763762400.0, "values": _VALUES, "seq": 42}
MANY: Final = {
    "observations": [
        {"stream_id": STREAM, "timestamp": 1763762460.0, "values": _VALUES},
        {"stream_id": "plant-a/pump-8", "timestamp": 1763762460.0, "values": [1.5, None]},
    ]
}
_CONTRIBUTORS: Final = [
    {"metric": "flow", "actual": 1.5, "expected": 0.6, "share": 0.97},
    {"metric": "pressure", "actual": 0.2, "expected": 0.21, "share": 0.03},
]
_EVENT: Final = "9f86d081884c7d65"
VERDICT: Final = {
    "stream_id": STREAM,
    "timestamp": 1763762400.0,
    "seq": 42,
    "phase": "live",
    "score": 0.31,
    "smoothed_score": None,
    "threshold": 0.02,
    "severity": 15.5,
    "is_anomaly": True,
    "contributors": _CONTRIBUTORS,
    "alert": {"event_id": _EVENT, "status": "open"},
    "progress": None,
}
_REFUSAL: Final = {
    "index": 1,
    "error": {"type": "out-of-order", "detail": "the time or seq lies before the stream's last"},
}
MANY_VERDICTS: Final = {"verdicts": [VERDICT, _REFUSAL]}
ALERTS: Final = {
    "alerts": [
        {
            "event_id": _EVENT,
            "stream_id": STREAM,
            "model": "pumps",
            "status": "opened",
            "timestamp": 1763762400.0,
            "since": 1763762280.0,
            "opened_at": 1763762400.0,
            "severity": 15.5,
            "peak_severity": 15.5,
            "anomalies": 3,
            "contributors": _CONTRIBUTORS,
        }
    ]
}

_PROBLEMS: Final = {
    400: ("No JSON, or not of the shape that is taken.", "malformed-json", "this is no JSON"),
    404: ("There is no such stream.", "unknown-stream", f"there is no stream '{STREAM}'"),
    413: (
        "More bytes than a request may have.",
        "body-too-large",
        "the body has more than 16777216 bytes; send fewer observations at a time",
    ),
    415: (
        f"Another media type than {_JSON}.",
        "unsupported-media-type",
        f"'text/csv' is not taken here; send {_JSON}",
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


def reference(schema: type) -> dict[str, str]:
    """Point to a schema in the components of the page."""
    return {"$ref": _REF.format(name=schema.__name__)}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the problems a route may answer with."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        description, slug, detail = _PROBLEMS[status]
        title = slug.replace("-", " ").capitalize()
        example = {"type": slug, "title": title, "status": status, "detail": detail}
        content = {PROBLEM_JSON: {"schema": reference(Problem), "example": example}}
        found[status] = {"description": description, "content": content}
    return found


def body(*schemas: dict[str, Any], example: Any) -> dict[str, Any]:
    """Document a body that may have one of several schemas."""
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
    content = {_JSON: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def answer(
    example: Any, schema: dict[str, Any] | None = None, *, media_type: str = _JSON
) -> dict[int | str, dict[str, Any]]:
    """Document an answer by an example; without a schema, the one FastAPI knows stands."""
    content = {"example": example} | ({} if schema is None else {"schema": schema})
    return {200: {"content": {media_type: content}}}


def verdicts(example: Any, *types: type) -> dict[int | str, dict[str, Any]]:
    """Document the answer to observations."""
    found = answer(example, {"anyOf": [reference(one) for one in types]})
    found[200]["description"] = "Verdicts in the order sent; a refused row stands in its place."
    found[202] = {"description": "Taken with `?verdict=none`; nothing is sent back."}
    return found | problems(400, 413, 415, 422, 429, 503)
