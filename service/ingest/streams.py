"""Streams, models and alerts over HTTP: look, create, change, reset, delete."""

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, status
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from models.blocks import NO_SEQ, NO_TIME
from models.spec import Policy
from service.engine.directory import Stream, with_options
from service.ingest import openapi
from service.ingest.body import JSON, engine_of
from service.ingest.encode import PHASES, alert_view, encode
from service.ingest.schemas import PhaseName

router = APIRouter(prefix="/v1")
_MICROSECONDS = 1_000_000


class StreamOptionsBody(BaseModel):
    """What may differ from stream to stream; left out: the model's or the service's default."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"z": 10.0, "start": "own"}},
    )

    model: str | None = Field(None, description="Name of a loaded model.")
    z: float | None = Field(None, gt=0, allow_inf_nan=False)
    sigma_floor: float | None = Field(None, gt=0, allow_inf_nan=False)
    policy: Policy | None = None
    start: Literal["own", "reference"] | None = Field(
        None, description="How the stream starts when it is created or reset."
    )


class StreamView(BaseModel):
    """A stream as it stands; unknown is null. Times are epoch seconds."""

    stream_id: str
    model: str
    phase: PhaseName
    created_at: float
    observations: int
    anomalies: int
    last_timestamp: float | None
    last_seq: int | None
    score: float | None
    threshold: float | None
    scores_held: int = Field(description="Scores in the threshold's window.")
    z: float
    sigma_floor: float
    policy: Policy
    start: Literal["own", "reference"]


class StreamPage(BaseModel):
    """Streams in the order of their ids."""

    streams: list[str]
    total: int
    next_after: str | None = Field(description="Give it as `after` for the next page.")


class ModelView(BaseModel):
    """A loaded model."""

    name: str
    scorer: str
    metrics: list[str]
    scoring: str
    window: int
    z: float
    policy: Policy
    streams: int
    is_default: bool
    content_hash: str
    trained_at: str


@router.get("/streams", tags=["streams"], summary="List streams")
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


@router.get("/models", tags=["models"], summary="List models")
async def list_models(request: Request) -> list[ModelView]:
    """Give the models that are loaded, with their metrics and rules."""
    directory = engine_of(request).directory
    views = []
    for model in directory.models.values():
        spec = model.bank.spec
        views.append(
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
    return views


@router.get("/alerts", tags=["alerts"], summary="List open alerts", response_class=Response)
async def list_alerts(request: Request) -> Response:
    """Give the alerts that are open, oldest first."""
    alerts = sorted(engine_of(request).open_alerts(), key=lambda alert: alert.opened_at)
    return Response(encode({"alerts": [alert_view(one) for one in alerts]}), media_type=JSON)


@router.post(
    "/streams/{stream_id:path}/reset",
    tags=["streams"],
    summary="Begin a stream anew",
    responses=openapi.problems(404, 503),
)
async def reset_stream(request: Request, stream_id: str) -> StreamView:
    """Empty hidden state and threshold window, resolve an open alert, begin washout."""
    engine = engine_of(request)
    stream = engine.directory.find(stream_id)
    await engine.reset(stream)
    return await _view(request, stream)


@router.get(
    "/streams/{stream_id:path}",
    tags=["streams"],
    summary="Look at a stream",
    responses=openapi.problems(404, 503),
)
async def get_stream(request: Request, stream_id: str) -> StreamView:
    """Show phase, last score and threshold, and how it is judged."""
    return await _view(request, engine_of(request).directory.find(stream_id))


@router.put(
    "/streams/{stream_id:path}",
    tags=["streams"],
    summary="Create or change a stream",
    responses={201: {"description": "Created.", "model": StreamView}, **openapi.problems(422, 503)},
)
async def put_stream(
    request: Request, response: Response, stream_id: str, body: StreamOptionsBody
) -> StreamView:
    """Set how a stream is judged; another model begins it anew, all else leaves its state."""
    engine = engine_of(request)
    changes: dict[str, Any] = body.model_dump(exclude_none=True)
    model = changes.pop("model", None)
    options = with_options(engine.directory.options, changes)
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
    responses=openapi.problems(404, 503),
)
async def delete_stream(request: Request, stream_id: str) -> None:
    """Forget a stream and its state; its next observation creates it anew."""
    engine = engine_of(request)
    await engine.delete(engine.directory.find(stream_id))


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
        last_seq=None if known["last_seq"] == NO_SEQ else known["last_seq"],
        score=None if math.isnan(known["score"]) else known["score"],
        threshold=None if math.isnan(known["threshold"]) else known["threshold"],
        scores_held=known["scores_held"],
        z=options.z or default.z,
        sigma_floor=options.sigma_floor or default.sigma_floor,
        policy=options.policy or default.policy,
        start=options.start,
    )
