"""Streams, models and alerts over HTTP: look, create, change, reset, delete."""

import math
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError

from models.blocks import NO_SEQ, NO_TIME
from service.engine.directory import Stream, with_options
from service.ingest import openapi
from service.ingest.body import JSON, engine_of, read_body
from service.ingest.encode import PHASES, alert_view, encode
from service.ingest.errors import MalformedJSON
from service.ingest.schemas import Alerts
from service.ingest.views import ModelView, StreamOptionsBody, StreamPage, StreamView

router = APIRouter(prefix="/v1")
_MICROSECONDS: Final = 1_000_000


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
    shown = []
    for model in directory.models.values():
        spec = model.bank.spec
        shown.append(
            ModelView(
                name=model.name,
                scorer=spec.scorer.name,
                metrics=spec.metrics,
                scoring=spec.scoring.rule,
                window=spec.threshold.window,
                z=spec.threshold.z,
                policy=spec.threshold.policy,
                streams=model.used - len(model.free),
                is_default=model is directory.default,
                content_hash=spec.content_hash,
                trained_at=spec.training.finished_at,
            )
        )
    return shown


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
    "/streams/{stream_id:path}/reset",
    tags=["streams"],
    summary="Begin a stream anew",
    responses={**openapi.answer("stream"), **openapi.problems(404, 422, 503)},
)
async def reset_stream(request: Request, stream_id: openapi.StreamId) -> StreamView:
    """Empty hidden state and threshold window, resolve an open alert, begin washout."""
    engine = engine_of(request)
    stream = engine.directory.find(stream_id)
    await engine.reset(stream)
    return await _view(request, stream)


@router.get(
    "/streams/{stream_id:path}",
    tags=["streams"],
    summary="Look at a stream",
    responses={**openapi.answer("stream"), **openapi.problems(404, 422, 503)},
)
async def get_stream(request: Request, stream_id: openapi.StreamId) -> StreamView:
    """Show phase, last score and threshold, and how it is judged."""
    return await _view(request, engine_of(request).directory.find(stream_id))


@router.put(
    "/streams/{stream_id:path}",
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
    engine = engine_of(request)
    changes: dict[str, Any] = (await _options_of(request)).model_dump(exclude_none=True)
    model = changes.pop("model", None)
    _, defaults = engine.directory.defaults_of(stream_id)
    options = with_options(defaults, changes)
    stream = engine.directory.get(stream_id)
    if stream is not None and model in (None, stream.model.name):
        await engine.configure(stream, options)
        return await _view(request, stream)
    if stream is not None:
        engine.directory.model(model)
        # not waited for: a row that came meanwhile would create the stream with the default model
        engine.delete(stream)
    else:
        response.status_code = status.HTTP_201_CREATED
    return await _view(request, engine.create(stream_id, model, options))


@router.delete(
    "/streams/{stream_id:path}",
    tags=["streams"],
    summary="Forget a stream",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=openapi.problems(404, 422, 503),
)
async def delete_stream(request: Request, stream_id: openapi.StreamId) -> None:
    """Forget a stream and its state; its next observation creates it anew."""
    engine = engine_of(request)
    await engine.delete(engine.directory.find(stream_id))


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
    known = await engine_of(request).inspect(stream)
    options, default = stream.options, stream.model.bank.spec.threshold
    return StreamView(
        stream_id=stream.stream_id,
        model=stream.model.name,
        phase=PHASES[known["phase"]],
        created_at=stream.created_at / _MICROSECONDS,
        observations=known["seen"],
        anomalies=known["anomalies"],
        last_timestamp=(
            None if known["last_time"] == NO_TIME else known["last_time"] / _MICROSECONDS
        ),
        missing_values=known["missing"],
        usual_step_s=(known["step_us"] or known["pace_us"]) / _MICROSECONDS or None,
        is_silent=known["is_silent"],
        last_seq=None if known["last_seq"] == NO_SEQ else known["last_seq"],
        score=None if math.isnan(known["score"]) else known["score"],
        threshold=None if math.isnan(known["threshold"]) else known["threshold"],
        scores_held=known["scores_held"],
        z=options.z or default.z,
        sigma_floor=options.sigma_floor or default.sigma_floor,
        policy=options.policy or default.policy,
        start=options.start,
    )
