"""The composition root: builds and wires everything, and says in which order it lives and ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from socket import gethostname
from typing import Any, Final

import structlog
import torch
import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi_offline import FastAPIOffline

from models.bank import StreamBank
from models.checkpoint import Checkpoint, CheckpointError, checkpoints
from models.options import StreamOptions
from service.embedded import EmbeddedValkey
from service.engine.clock import SystemClock
from service.engine.directory import Directory
from service.engine.engine import Engine, Limits
from service.engine.errors import UnknownModel
from service.engine.model import Model
from service.engine.persistence import Keep
from service.engine.rules import StreamRule, check_models
from service.engine.saving import SaveLimits
from service.ingest import errors, http, openapi, operations, streams, websocket
from service.ingest.body import DoorLimits
from service.ingest.frames import FrameProtocol
from service.ingest.hot import HotProtocol
from service.ingest.origin import OriginGuard
from service.keys import Keys
from service.server import Server, leave_to_itself
from service.settings import Settings
from service.sinks.prometheus import MetricsPage
from service.sinks.table import SinkPlace, sinks_of
from service.stores.table import STORES, StorePlace

_log = structlog.get_logger("stepwatch.app")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on


def load_bank(settings: Settings, name: str) -> StreamBank:
    """Load one checkpoint of the data directory.

    Raises:
        CheckpointError: If it is not there or damaged.
    """
    directory = checkpoints(settings.models_dir).get(name)
    if directory is None:
        raise CheckpointError(f"there is no checkpoint '{name}'; train one under this name")
    checkpoint = Checkpoint.load(directory)
    return StreamBank(checkpoint.with_threshold(**settings.threshold_overrides))


def load_models(settings: Settings) -> dict[str, Model]:
    """Load every checkpoint of the data directory.

    Raises:
        CheckpointError: If one is damaged: better not to start than to serve without it.
        UnknownModel: If the default model or that of a pattern is not among them.
    """
    names = checkpoints(settings.models_dir)
    models = {name: Model(name, load_bank(settings, name)) for name in names}
    if settings.default_model is not None and settings.default_model not in models:
        raise UnknownModel(settings.default_model, sorted(models))
    # here too and not only in the directory, which is built when the server runs already
    check_models(stream_rules(settings), models)
    return models


def stream_rules(settings: Settings) -> tuple[StreamRule, ...]:
    """Give the patterns of the settings as rules, the service's options where they are silent."""
    return tuple(
        StreamRule(
            one.pattern,
            one.model,
            StreamOptions(
                z=one.z,
                false_alarms_per_day=one.false_alarms_per_day,
                sigma_floor=one.sigma_floor,
                policy=one.policy,
                start=one.start or settings.start,
                prime=settings.prime,
            ),
        )
        for one in settings.streams
    )


def build_engine(settings: Settings, models: dict[str, Model], redis_url: str) -> Engine:
    """Wire directory, policy, sinks and store."""
    keys, secret = Keys(settings.redis_prefix), settings.webhook_secret
    place = SinkPlace(
        redis_url=redis_url,
        keys=keys,
        redis_scores=settings.redis_scores,
        redis_maxlen=settings.redis_maxlen,
        redis_timeout_s=settings.redis_timeout_s,
        alertmanager_url=settings.alertmanager_url,
        alertmanager_resend_s=settings.alertmanager_resend_s,
        webhook_url=settings.webhook_url,
        webhook_secret=secret.get_secret_value() if secret else None,
        public_url=settings.public_url or _own_url(settings),
    )
    return Engine(
        Directory(
            models,
            default_model=settings.default_model,
            options=StreamOptions(start=settings.start, prime=settings.prime),
            max_streams=settings.max_streams,
            rules=stream_rules(settings),
        ),
        policy=settings.alert_policy,
        sinks=sinks_of(place),
        clock=SystemClock(),
        limits=Limits(
            waiting_rows=settings.max_waiting,
            sink_rows=settings.sink_rows,
            flush_s=settings.flush_s,
        ),
        keep=_keep(
            settings, StorePlace(redis_url, keys, settings.data_dir, settings.redis_timeout_s)
        ),
    )


def _own_url(settings: Settings) -> str:
    """Guess where people reach this service; who listens everywhere is found by its name."""
    host = gethostname() if settings.host in _EVERYWHERE else settings.host
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _keep(settings: Settings, place: StorePlace) -> Keep | None:
    """Say where and how snapshots are kept, if they are."""
    if settings.store == "off":
        return None
    save = SaveLimits(
        every_s=settings.snapshot_every_s,
        recent_every_s=settings.snapshot_recent_every_s,
        bytes_per_s=settings.snapshot_bytes_per_s,
        stop_s=settings.snapshot_stop_s,
    )
    return Keep(
        store=STORES[settings.store](place),
        save=save,
        wait_s=settings.restore_wait_s,
        evict_after_s=settings.evict_after_s,
    )


def build_app(settings: Settings, models: dict[str, Model]) -> FastAPI:
    """Build the web application; nothing is opened before its lifespan begins."""
    # the page's own scripts: a plant's network has no way to the usual ones
    app = FastAPIOffline(
        redoc_url=None,
        title="Stepwatch",
        version=version("stepwatch"),
        description=openapi.DESCRIPTION,
        lifespan=_lifespan(settings, models),
    )
    app.state.limits = DoorLimits(
        max_body_bytes=settings.max_body_bytes,
        max_rows=settings.max_rows,
        send_timeout_s=settings.send_timeout_s,
    )
    for module in (http, websocket, streams, operations):
        app.include_router(module.router)
    errors.install(app)
    app.add_middleware(
        OriginGuard, allowed=settings.allowed_origins, on_refusal=partial(_count_problem, app)
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _count_problem(app: FastAPI, slug: str) -> None:
    app.state.engine.counters.problems[slug] += 1


def _lifespan(
    settings: Settings, models: dict[str, Model]
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Take observations from here to there; on leaving, score and write what waits."""
        # the loop has one core and the compute thread the other: more threads would fight them
        torch.set_num_threads(1)
        engine = build_engine(settings, models, app.state.redis_url)
        page = MetricsPage(engine, export=settings.export, worst=settings.worst)
        app.state.engine, app.state.exposition = engine, page.render
        app.state.load_bank = partial(load_bank, settings)
        _log.info(
            "starting",
            models=sorted(models),
            default_model=settings.default_model,
            settings_file=str(settings.config) if settings.config else None,
        )
        if not models:
            told = "no models, every observation will be refused: stepwatch train FILE --name NAME"
            _log.warning(told, models_dir=str(settings.models_dir))
        # beside the server, which answers 503 until streams are restored
        starting = asyncio.create_task(engine.start(), name="starting")
        starting.add_done_callback(leave_to_itself)
        yield
        _log.info("stopping", waiting=engine.waiting_rows)
        starting.cancel()
        await asyncio.wait([starting])
        await engine.stop()

    return lifespan


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Add what FastAPI does not know of the JSON that the doors take and give."""
    if app.openapi_schema is None:
        page = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for kind, known in openapi.components().items():
            page.setdefault("components", {}).setdefault(kind, {}).update(known)
        app.openapi_schema = page
    return app.openapi_schema


def build_server(settings: Settings) -> Server:
    """Load the models and build the server; `serve()` runs it until a signal comes.

    Raises:
        CheckpointError: If a checkpoint is damaged.
        UnknownModel: If the default model or that of a pattern is not there.
    """
    app = build_app(settings, load_models(settings))
    app.state.redis_url = settings.redis_url
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HotProtocol,
        ws=FrameProtocol,
        ws_max_size=settings.max_body_bytes,
        log_config=None,
        timeout_graceful_shutdown=10,
    )
    embedded = EmbeddedValkey(settings.data_dir) if settings.redis_url is None else None
    return Server(config, app, embedded)
