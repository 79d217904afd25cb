"""Streams, models and alerts over HTTP: look, create, change, reset, delete."""

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from models.bank import StreamBank
from models.blocks import NO_SEQ, NO_TIME
from service.engine.model import Model, Stream
from service.ingest import openapi
from service.ingest.body import JSON, engine_of, read_body
from service.ingest.encode import PHASES, alert_view, encode
from service.ingest.errors import MalformedJSON
from service.ingest.schemas import Alerts
from service.ingest.stream_ids import STREAM_ID
from service.ingest.views import ModelView, StreamOptionsBody, StreamPage, StreamView

router = APIRouter(prefix="/v1")
_MICROSECONDS: Final = 1_000_000
BankLoader = Callable[[str], StreamBank]
"""Reads the checkpoint of a name."""


@router.get(
    "/streams",
    tags=["streams"],
    summary="List streams",
    responses={**openapi.answer("streams"), **openapi.problems(422)},
)
async def list_streams(
    request: Request,
    after: Annotated[str, Query(description="List ids behind this one.")] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> StreamPage:
    """Give ids, a page at a time."""
    directory = engine_of(request).directory
    ids = [stream.stream_id for stream in directory.page(after, limit)]
    return StreamPage(
        streams=ids, total=len(directory), next_after=ids[-1] if len(ids) == limit else None
    )


@router.get(
    "/models",
    tags=["models"],
    summary="List models",
    responses=openapi.answer("models"),
)
async def list_models(request: Request) -> list[ModelView]:
    """Give the models that are loaded, with their metrics and rules."""
    directory = engine_of(request).directory
    return [_model_view(model, directory.default) for model in directory.models.values()]


@router.post(
    "/models/{name}/reload",
    tags=["models"],
    summary="Serve from a retrained checkpoint",
    responses={**openapi.answer("model"), **openapi.problems(422, 503)},
)
async def reload_model(request: Request, name: openapi.ModelName) -> ModelView:
    """Read the checkpoint of this name anew, or for the first time, and swap it in.

    Its streams wash out on their own last observations beside the old scorer, which judges until
    the new one is ready: no verdict is lost. Threshold windows begin anew.
    """
    engine = engine_of(request)
    load: BankLoader = request.app.state.load_bank
    try:
        model = await engine.streams.reload(name, partial(load, name))
    except Exception:
        engine.counters.reloads["failed"] += 1
        raise
    engine.counters.reloads["done"] += 1
    return _model_view(model, engine.directory.default)


def _model_view(model: Model, default: Model | None) -> ModelView:
    spec = model.bank.spec
    return ModelView(
        name=model.name,
        scorer=spec.scorer.name,
        metrics=spec.metrics,
        scoring=spec.scoring.rule,
        window=spec.threshold.window,
        z=spec.threshold.z,
        false_alarms_per_day=spec.threshold.false_alarms_per_day,
        policy=spec.threshold.policy,
        streams=model.n_streams,
        is_default=model is default,
        content_hash=spec.content_hash,
        trained_at=spec.training.finished_at,
    )


@router.get(
    "/alerts",
    tags=["alerts"],
    summary="List open alerts",
    response_class=Response,
    responses=openapi.answer("alerts", openapi.reference(Alerts)),
)
async def list_alerts(request: Request) -> Response:
    """Give the alerts that are open, oldest first."""
    alerts = sorted(engine_of(request).open_alerts(), key=lambda alert: alert.opened_at)
    return Response(encode(Alerts([alert_view(one) for one in alerts])), media_type=JSON)


@router.post(
    f"/streams/{STREAM_ID}/reset",
    tags=["streams"],
    summary="Begin a stream anew",
    responses={**openapi.answer("stream"), **openapi.problems(404, 422, 503)},
)
async def reset_stream(request: Request, stream_id: openapi.StreamId) -> StreamView:
    """Empty hidden state and threshold window, resolve an open alert, begin washout."""
    streams = engine_of(request).streams
    stream = await streams.find(stream_id)
    await streams.reset(stream)
    return await _view(request, stream)


@router.post(
    f"/streams/{STREAM_ID}/accept-baseline",
    tags=["streams"],
    summary="Take a new level as the usual one",
    responses={**openapi.answer("stream"), **openapi.problems(404, 409, 422, 503)},
)
async def accept_baseline(request: Request, stream_id: openapi.StreamId) -> StreamView:
    """Set threshold and scale by the stream's last observations, resolve an open alert.

    For a level shift that is to stay, such as another load or a new part. 30 observations at
    least must be held.
    """
    streams = engine_of(request).streams
    stream = await streams.find(stream_id)
    await streams.accept_baseline(stream)
    return await _view(request, stream)


@router.get(
    f"/streams/{STREAM_ID}",
    tags=["streams"],
    summary="Look at a stream",
    responses={**openapi.answer("stream"), **openapi.problems(404, 422, 503)},
)
async def get_stream(request: Request, stream_id: openapi.StreamId) -> StreamView:
    """Show phase, last score and threshold, and how it is judged."""
    return await _view(request, await engine_of(request).streams.find(stream_id))


@router.put(
    f"/streams/{STREAM_ID}",
    tags=["streams"],
    summary="Create or change a stream",
    openapi_extra=openapi.body("options", StreamOptionsBody.model_json_schema()),
    responses={
        **openapi.answer("stream"),
        201: {"description": "Created.", "model": StreamView, **openapi.answer("stream")[200]},
        **openapi.problems(400, 413, 415, 422, 503),
    },
)
async def put_stream(
    request: Request, response: Response, stream_id: openapi.StreamId
) -> StreamView:
    """Set how a stream is judged; another model begins it anew, all else leaves its state."""
    own = (await _options_of(request)).model_dump(exclude_none=True)
    stream, is_new = await engine_of(request).streams.put(stream_id, own)
    if is_new:
        response.status_code = status.HTTP_201_CREATED
    return await _view(request, stream)


@router.delete(
    f"/streams/{STREAM_ID}",
    tags=["streams"],
    summary="Forget a stream",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=openapi.problems(404, 422, 503),
)
async def delete_stream(request: Request, stream_id: openapi.StreamId) -> None:
    """Forget a stream and its state; its next observation creates it anew."""
    await engine_of(request).streams.forget(stream_id)


async def _options_of(request: Request) -> StreamOptionsBody:
    """Read the body within the limits that every body has."""
    data = await read_body(request)
    try:
        return StreamOptionsBody.model_validate_json(data)
    except ValidationError as error:
        told = error.errors(include_url=False, include_context=False, include_input=False)
        if told[0]["type"] == "json_invalid":
            raise MalformedJSON(f"this is no JSON: {told[0]['msg']}") from error
        raise RequestValidationError(
            [{**one, "loc": ("body", *one["loc"])} for one in told]
        ) from error


async def _view(request: Request, stream: Stream) -> StreamView:
    known = await engine_of(request).streams.inspect(stream)
    options, default = stream.options, stream.model.bank.spec.threshold
    return StreamView(
        stream_id=stream.stream_id,
        model=stream.model.name,
        phase=PHASES[known["phase"]],
        created_at=stream.created_at / _MICROSECONDS,
        observations=known["seen"],
        anomalies=known["anomalies"],
        last_timestamp=_seconds(known["last_time"]),
        missing_values=known["missing"],
        usual_step_s=(known["step_us"] or known["pace_us"]) / _MICROSECONDS or None,
        is_silent=known["is_silent"],
        last_seq=None if known["last_seq"] == NO_SEQ else known["last_seq"],
        score=_or_none(known["score"]),
        smoothed_score=_or_none(known["smoothed"]),
        threshold=_or_none(known["threshold"]),
        level_shift_since=_seconds(known["shifted_since"]),
        scores_held=known["scores_held"],
        z=known["z"],
        false_alarms_per_day=known["asked"] or None,
        sigma_floor=options.sigma_floor or default.sigma_floor,
        policy=options.policy or default.policy,
        start=options.start,
    )


def _seconds(time: int) -> float | None:
    return None if time == NO_TIME else time / _MICROSECONDS


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else number
