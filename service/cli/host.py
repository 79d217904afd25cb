"""`stepwatch host`: this computer's own metrics, learned and then watched by the real service."""

import asyncio
import platform
import shlex
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from models.checkpoint import Checkpoint
from service.app import build_server, load_bank
from service.cli.console import (
    INTERRUPTED,
    DataDir,
    check_name,
    fail,
    failing_clearly,
    settings_of,
    stderr,
    stdout,
    tell,
)
from service.cli.progress import collecting_bar, training_bar
from service.engine.directory import id_error
from service.engine.stream_options import LEAST_FALSE_ALARMS
from service.gateway.connection import GatewayError
from service.host.elsewhere import Elsewhere
from service.host.keeping import Kept, differing
from service.host.learning import LEAST_READINGS
from service.host.naming import stream_id_of
from service.host.readings import left_out, snapshot
from service.host.session import FALSE_ALARMS, LearningStoppedError, Plan, Session
from service.host.watching import Watch
from service.host.words import duration
from service.logs import configure_logs
from service.server import Server, listen
from service.settings import Settings

_Learn = Annotated[float, typer.Option(help="Minutes that are learned from.")]
_Relearn = Annotated[bool, typer.Option("--relearn", help="Learn anew, though there is a model.")]
_Every = Annotated[float, typer.Option(help="Seconds between readings.")]
_Level = Annotated[
    float | None, typer.Option(help=f"Asked for; sets the level. {FALSE_ALARMS:g} if not given.")
]
_Url = Annotated[str | None, typer.Option(help="Stream to a service that runs there.")]
_Stream = Annotated[str | None, typer.Option(help="Name of the stream; else the computer's.")]
_Model = Annotated[str, typer.Option(help="Name of the model.")]


def host(
    learn: _Learn = 5.0,
    every: _Every = 1.0,
    minutes: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
    relearn: _Relearn = False,
    false_alarms_per_day: _Level = None,
    url: _Url = None,
    stream: _Stream = None,
    model: _Model = "host",
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks one.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Learn what is usual on this computer, then tell what is not, until Ctrl-C."""
    check_name(model)
    stream_id = stream_id_of(platform.node()) if stream is None else stream
    if wrong := id_error(stream_id):
        fail(f"--stream '{stream_id}': {wrong}")
    _check_numbers(false_alarms_per_day, learn=learn, every=every, minutes=minutes)
    settings = _settings(data_dir, port, model, false_alarms_per_day)
    configure_logs("error", settings.log_format)
    plan = Plan(
        names=snapshot(0.0).names,
        stream_id=stream_id,
        model=model,
        every_s=every,
        learn_s=60 * learn,
        false_alarms_per_day=false_alarms_per_day,
        minutes=minutes,
    )
    with failing_clearly():
        try:
            _run(plan, settings, url, is_new=relearn)
        except GatewayError as error:
            fail(error)
        except LearningStoppedError:
            raise typer.Exit(INTERRUPTED) from None


def _settings(
    data_dir: Path | None, port: int | None, model: str, false_alarms_per_day: float | None
) -> Settings:
    """Take the settings of the environment, and a data directory below the user's.

    A settings file in the user's data directory is about another service: its port, its sinks and
    its levels are not taken over.
    """
    chosen = settings_of(data_dir=data_dir, port=port)
    return settings_of(
        data_dir=chosen.data_dir / "host",
        port=port,
        default_model=model,
        # a Redis that is shared with a service proper must not mix their streams
        redis_prefix=f"{chosen.redis_prefix}-host",
        # the patterns of a settings file name models that this one does not have
        streams=(),
        start="reference",
        false_alarms_per_day=false_alarms_per_day,
    )


def _run(plan: Plan, settings: Settings, url: str | None, *, is_new: bool) -> None:
    """Run with a service of its own, or with one elsewhere."""
    for what in left_out(plan.names):
        tell(f"left out: {what}")
    kept = Kept(settings.data_dir, plan.model, tell)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if url is not None:
            return runner.run(_elsewhere(plan, kept, url, is_new=is_new))
        # a taken port is told before the learning, not after it
        with listen(settings.host, settings.port) as listening:
            is_new = not kept.fits(plan.names, plan.every_s) or is_new
            _check_time(plan, is_new=is_new)
            with kept.standing_in(plan.names):
                server = build_server(settings)
                runner.run(_here(plan, kept, settings, (server, listening), is_new=is_new))
    return None


async def _here(
    plan: Plan,
    kept: Kept,
    settings: Settings,
    serving_at: tuple[Server, socket.socket],
    *,
    is_new: bool,
) -> None:
    """Serve, stream, learn where that is to be done, and watch until it is over."""
    server, listening = serving_at
    serving = asyncio.create_task(server.serve([listening]))
    await server.until_started(serving)
    if serving.done() or server.should_exit:
        return await serving
    tell(f"Serving at {server.url}; routes {server.url}/docs, metrics {server.url}/metrics")
    session = _session(plan, server.url)
    serving.add_done_callback(lambda _: session.stop.set())
    websocket = f"{server.url.replace('http', 'ws', 1)}/v1/ingest"
    try:
        async with session.running(websocket, is_own=True):
            if is_new:
                kept.save(await _learned(session, kept), session.recording)
                streams = server.app.state.engine.streams
                await streams.reload(plan.model, lambda: load_bank(settings, plan.model))
            await session.watched()
    finally:
        server.should_exit = True
        await serving
    return None


async def _elsewhere(plan: Plan, kept: Kept, url: str, *, is_new: bool) -> None:
    """Stream to a service that has the model; else learn one, and say how to bring it there."""
    service = _service_at(url)
    session = _session(plan, service.url, lambda: service.put_stream(plan))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, session.stop.set)
    theirs = await service.metrics_of(plan.model)
    if theirs is not None and sorted(theirs) == sorted(plan.names) and not is_new:
        tell(f"Streaming to {service.url} as '{plan.stream_id}'. Ctrl-C ends it.")
        async with session.running(service.websocket):
            await session.watched()
        return
    if theirs is not None and not is_new:
        fail(
            f"the service has a model '{plan.model}' of other metrics "
            f"({differing(plan.names, theirs)}); choose another name with --model"
        )
    if is_new or not kept.fits(plan.names, plan.every_s):
        _check_time(plan, is_new=True)
        async with session.running(None):
            kept.save(await _learned(session, kept), session.recording)
    # the data directory is one below the user's
    tell(service.bringing(plan, kept.directory, kept.recording.parent.parent))


def _service_at(url: str) -> Elsewhere:
    try:
        return Elsewhere(url)
    except ValueError as error:
        fail(f"--url: {error}")


def _session(
    plan: Plan, url: str, on_connected: Callable[[], Awaitable[None]] | None = None
) -> Session:
    return Session(plan, Watch(stdout, url), asyncio.Event(), on_connected)


async def _learned(session: Session, kept: Kept) -> Checkpoint:
    """Collect and train, with a bar for each; what was recorded is kept, whatever happens."""
    plan, recording = session.plan, session.recording
    why = "; fewer can't be learned from" if plan.is_stretched else ""
    tell(
        f"Learning what is usual on '{plan.stream_id}': {len(plan.names)} metrics, "
        f"{plan.readings} readings in {duration(plan.collecting_s)}{why}. Ctrl-C ends it."
    )
    try:
        with collecting_bar(stderr, plan.readings) as show:
            await session.collect(show)
        kept.keep(recording)
        with training_bar(stderr, check=session.check) as show_training:
            return await session.train(show_training)
    except LearningStoppedError:
        kept.keep(recording)
        _tell_ended(plan, kept, len(recording))
        raise


def _tell_ended(plan: Plan, kept: Kept, readings: int) -> None:
    """Say what there is of a learning that was ended, and what can be done with it."""
    told = f"ended after {readings} of {plan.readings} readings: nothing was learned"
    tell(f"{told}; they are kept in {kept.interrupted}" if readings else told)
    if readings >= LEAST_READINGS:
        options = ("--name", plan.model, "--false-alarms-per-day", f"{FALSE_ALARMS:g}")
        place = ("--data-dir", str(kept.recording.parent))
        again = shlex.join(("stepwatch", "train", str(kept.interrupted), *options, *place))
        tell(f"to learn from these: {again}")


def _check_time(plan: Plan, *, is_new: bool) -> None:
    """Fail before the learning where the run would end in the middle of it."""
    if is_new and plan.minutes is not None and 60 * plan.minutes <= plan.collecting_s:
        fail(f"--minutes {plan.minutes:g}: learning alone takes {duration(plan.collecting_s)}")


def _check_numbers(false_alarms_per_day: float | None, **above_zero: float | None) -> None:
    for name, value in above_zero.items():
        if value is not None and not 0 < value < float("inf"):
            fail(f"--{name}: a number above 0 is wanted")
    if false_alarms_per_day is not None and not false_alarms_per_day >= LEAST_FALSE_ALARMS:
        fail(f"--false-alarms-per-day: {LEAST_FALSE_ALARMS:g} or more is wanted")
