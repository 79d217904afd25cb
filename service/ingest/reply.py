"""What observations that came over HTTP are answered with, whichever way they came."""

from typing import Final

from fastapi.responses import Response

from models.blocks import Refusal
from service.engine.columns import Answer
from service.engine.engine import Engine
from service.engine.errors import SNAPSHOT_UNAVAILABLE, NotReady, RowError
from service.ingest.arrow_writing import encode_stream
from service.ingest.body import ARROW, NDJSON
from service.ingest.decode import Decoded
from service.ingest.encode import answer_rows, encode, encode_many
from service.ingest.errors import Problem, response
from service.ingest.ndjson import encode_lines
from service.ingest.schemas import Refused, Verdict

_ACCEPTED: Final = 202


async def reply(
    engine: Engine, decoded: Decoded, media_type: str, *, verdict: str = "full"
) -> Response:
    """Take the observations of a body and answer in kind.

    Args:
        engine: Who takes them.
        decoded: The observations.
        media_type: Of the body, and so of the answer.
        verdict: `none` answers at once, without verdicts.

    Raises:
        RequestError: If the request as a whole is refused.
    """
    pending = await engine.take(decoded.request)
    if verdict == "none" and pending.parts:
        return Response(status_code=_ACCEPTED)
    answer = await pending.answer()
    if not _is_any_taken(answer):
        if {error.type for error in answer.errors.values()} == {SNAPSHOT_UNAVAILABLE.type}:
            raise NotReady(SNAPSHOT_UNAVAILABLE.detail)
        return _all_refused(answer_rows(answer), decoded)
    return Response(_encoded(media_type, decoded, answer), media_type=media_type)


def one_refused(error: RowError) -> Response:
    """Answer a single observation that was refused."""
    title = error.type.replace("-", " ").capitalize()
    return response(Problem(error.type, title, 422, error.detail))


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
    if decoded.is_single:
        return one_refused(RowError(first.type, first.detail))
    title = first.type.replace("-", " ").capitalize()
    detail = f"none of {len(rows)} rows was taken; the first: {first.detail}"
    return response(Problem(first.type, title, 422, detail, list(rows)))
