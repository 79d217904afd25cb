"""Observations over HTTP: for one stream and for many."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from models.blocks import Refusal
from service.engine.columns import Answer
from service.engine.errors import SNAPSHOT_UNAVAILABLE, NotReady, RowError
from service.ingest import openapi
from service.ingest.arrow_writing import encode_stream
from service.ingest.body import (
    ARROW,
    NDJSON,
    OBSERVATIONS,
    decoder_of,
    engine_of,
    media_type_of,
    read_body,
)
from service.ingest.decode import Decoded
from service.ingest.encode import answer_rows, encode, encode_many
from service.ingest.errors import Problem, response
from service.ingest.ndjson import encode_lines
from service.ingest.schemas import Observation, Observations, Refused, Verdict, Verdicts
from service.ingest.stream_ids import STREAM_ID

router = APIRouter(prefix="/v1", tags=["observations"])

Explain = Annotated[bool, Query(description="Give contributors with every verdict.")]
Wanted = Annotated[
    Literal["full", "none"], Query(description="`none`: take the rows and answer 202 at once.")
]
_ACCEPTED: Final = 202


@router.post(
    "/observations",
    summary="Score observations of many streams",
    response_class=Response,
    openapi_extra=openapi.observations(
        "observations", openapi.reference(Observations), openapi.reference(Observation)
    ),
    responses=openapi.verdicts("verdicts", Verdicts, Verdict),
)
async def score_many(
    request: Request, *, explain: Explain = False, verdict: Wanted = "full"
) -> Response:
    """Take `{"observations": [...]}` or one observation, each row with its `stream_id`.

    Taken too, and answered in kind: `application/x-ndjson`, one observation a line, and
    `application/vnd.apache.arrow.stream`, whose columns docs/columns.md describes.
    A refused row stands in its place with its reason and spoils no other: 200 if any row was
    taken, 422 if none.
    """
    return await scored(request, None, explain=explain, verdict=verdict)


@router.post(
    f"/streams/{STREAM_ID}/observations",
    summary="Score observations of one stream",
    response_class=Response,
    openapi_extra=openapi.observations(
        "observation", openapi.reference(Observation), openapi.reference(Observations)
    ),
    responses=openapi.verdicts("verdict", Verdict, Verdicts),
)
async def score_one(
    request: Request,
    stream_id: openapi.StreamId,
    *,
    explain: Explain = False,
    verdict: Wanted = "full",
) -> Response:
    """Take one observation, or `{"observations": [...]}`; the path names the stream.

    Taken too, and answered in kind: `application/x-ndjson`, one observation a line, and
    `application/vnd.apache.arrow.stream`, whose columns docs/columns.md describes.
    A stream nobody knows is created by its first good observation.
    """
    return await scored(request, stream_id, explain=explain, verdict=verdict)


async def scored(
    request: Request, stream_id: str | None, *, explain: bool = False, verdict: str = "full"
) -> Response:
    """Take the observations of a request and answer in kind.

    Args:
        request: With its body still to be read.
        stream_id: Whose they all are, if the path says so.
        explain: Whether every verdict gets contributors.
        verdict: `none` answers at once, without verdicts.

    Raises:
        RequestError: If the request as a whole is refused.
    """
    data = await read_body(request, OBSERVATIONS)
    decoded = decoder_of(request).body(data, stream_id=stream_id, explain=explain)
    pending = await engine_of(request).take(decoded.request)
    if verdict == "none" and pending.parts:
        return Response(status_code=_ACCEPTED)
    answer = await pending.answer()
    if not _is_any_taken(answer):
        if {error.type for error in answer.errors.values()} == {SNAPSHOT_UNAVAILABLE.type}:
            raise NotReady(SNAPSHOT_UNAVAILABLE.detail)
        return _all_refused(answer_rows(answer), decoded)
    media_type = media_type_of(request)
    return Response(_encoded(media_type, decoded, answer), media_type=media_type)


def _is_any_taken(answer: Answer) -> bool:
    return any(
        (judged.scored.verdicts.refusal[judged.start : judged.stop] == Refusal.NONE).any()
        for _, judged in answer.parts
    )


def _encoded(media_type: str, decoded: Decoded, answer: Answer) -> bytes:
    """Answer in kind."""
    if media_type == ARROW:
        return encode_stream(decoded.request, answer)
    rows = answer_rows(answer)
    if media_type == NDJSON:
        return encode_lines(rows)
    return encode(rows[0]) if decoded.is_single else encode_many(rows)


def _all_refused(rows: list[Verdict | Refused], decoded: Decoded) -> Response:
    first = next(row.error for row in rows if isinstance(row, Refused))
    error = RowError(first.type, first.detail)
    title = error.type.replace("-", " ").capitalize()
    if decoded.is_single:
        return response(Problem(error.type, title, 422, error.detail))
    detail = f"none of {len(rows)} rows was taken; the first: {error.detail}"
    return response(Problem(error.type, title, 422, detail, list(rows)))
