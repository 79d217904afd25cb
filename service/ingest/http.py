"""Observations over HTTP: for one stream and for many.

Plain requests do not come here: `hot.py` answers them where they are read.
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.ingest import openapi
from service.ingest.body import OBSERVATIONS, decoders_of, engine_of, media_type_of, read_body
from service.ingest.reply import reply
from service.ingest.schemas import Observation, Observations, Verdict, Verdicts
from service.ingest.stream_ids import STREAM_ID

router = APIRouter(prefix="/v1", tags=["observations"])

Explain = Annotated[bool, Query(description="Give contributors with every verdict.")]
Wanted = Annotated[
    Literal["full", "none"], Query(description="`none`: take the rows and answer 202 at once.")
]


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
    return await _scored(request, None, explain=explain, verdict=verdict)


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
    return await _scored(request, stream_id, explain=explain, verdict=verdict)


async def _scored(
    request: Request, stream_id: str | None, *, explain: bool, verdict: str
) -> Response:
    """Read a body and answer it.

    Raises:
        RequestError: If the request as a whole is refused.
    """
    data = await read_body(request, OBSERVATIONS)
    media_type = media_type_of(request)
    decoder = decoders_of(request.app.state.limits)[media_type]
    decoded = decoder.body(data, stream_id=stream_id, explain=explain)
    return await reply(engine_of(request), decoded, media_type, verdict=verdict)
