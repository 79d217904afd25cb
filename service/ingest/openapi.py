"""What the OpenAPI page says of the routes that read their bodies themselves."""

from typing import Any, Final

import msgspec

from service.ingest.errors import PROBLEM_JSON, Problem
from service.ingest.schemas import Observation, Observations, Refused, Verdict, Verdicts

_REF: Final = "#/components/schemas/{name}"
_, SCHEMAS = msgspec.json.schema_components(
    [Observation, Observations, Verdict, Refused, Problem], ref_template=_REF
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

_VALUES: Final = {"flow": 1.5, "pressure": 0.2}
ONE: Final = {"timestamp": 1763762400.0, "values": _VALUES, "seq": 42}
MANY: Final = {
    "observations": [
        {"stream_id": "plant-a/pump-7", "timestamp": 1763762460.0, "values": _VALUES},
        {"stream_id": "plant-a/pump-8", "timestamp": 1763762460.0, "values": [1.5, None]},
    ]
}
VERDICT: Final = {
    "stream_id": "plant-a/pump-7",
    "timestamp": 1763762400.0,
    "seq": 42,
    "phase": "live",
    "score": 0.31,
    "smoothed_score": None,
    "threshold": 0.02,
    "severity": 15.5,
    "is_anomaly": True,
    "contributors": [
        {"metric": "flow", "actual": 1.5, "expected": 0.6, "share": 0.97},
        {"metric": "pressure", "actual": 0.2, "expected": 0.21, "share": 0.03},
    ],
    "alert": {"event_id": "9f86d081884c7d65", "status": "open"},
    "progress": None,
}
_REFUSAL: Final = {
    "index": 1,
    "error": {"type": "out-of-order", "detail": "the time or seq lies before the stream's last"},
}
PROBLEM: Final = {
    "type": "wrong-width",
    "title": "Wrong width",
    "status": 422,
    "detail": "3 values where model 'pumps' takes 2: flow, pressure",
}

_STATUSES: Final = {
    400: "No JSON, or not of the shape that is taken.",
    404: "There is no such stream.",
    413: "More bytes than a request may have.",
    415: "Another media type than application/json.",
    422: "No row was taken; `type` and `detail` say why.",
    429: "Too much waits; see Retry-After.",
    503: "The service is starting or stopping; see Retry-After.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the problems a route may answer with."""
    content = {PROBLEM_JSON: {"schema": _reference(Problem), "example": PROBLEM}}
    return {status: {"description": _STATUSES[status], "content": content} for status in statuses}


def body(*types: type, example: Any) -> dict[str, Any]:
    """Document a body that may have one of several schemas."""
    schema = {"anyOf": [_reference(one) for one in types]}
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def verdicts(example: Any, *types: type) -> dict[int | str, dict[str, Any]]:
    """Document the answer to observations."""
    schema = {"anyOf": [_reference(one) for one in types]}
    return {
        200: {
            "description": "Verdicts in the order sent; a refused row stands in its place.",
            "content": {"application/json": {"schema": schema, "example": example}},
        },
        202: {"description": "Taken with `?verdict=none`; nothing is sent back."},
        **problems(400, 413, 415, 422, 429, 503),
    }


MANY_VERDICTS: Final = {"verdicts": [VERDICT, _REFUSAL]}


def _reference(schema: type) -> dict[str, str]:
    return {"$ref": _REF.format(name=schema.__name__)}
