"""`stepwatch demo`: a simulated plant, faults and all, watched by the real service."""

import asyncio
import socket
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import typer
import uvloop

from models.checkpoint import Checkpoint
from service.app import build_server
from service.cli.console import DataDir, fail, failing_clearly, settings_of, stderr, stdout, tell
from service.cli.progress import training_bar
from service.demo.faults import FaultSchedule
from service.demo.files import write_files
from service.demo.gateway import RATE_HZ, Scene, run_gateway
from service.demo.narrator import Narrator
from service.demo.plant import Plant
from service.demo.tally import Tally
from service.demo.training import PUMPS, train
from service.logs import configure_logs
from service.server import Server, listen

MODEL: Final = "pumps"
"""Name of the demo's model; it has a data directory of its own, below the user's."""


def demo(
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks one.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeats a run's plant and faults.")] = None,
    data_dir: DataDir = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Only write history.csv and today.csv of a pump into this directory."),
    ] = None,
) -> None:
    """Train on a simulated plant, serve, inject faults, print alerts until Ctrl-C."""
    if csv is not None:
        _write_csv(csv)
        return
    # a settings file in the user's data directory is about another service: its prefix counts here
    chosen = settings_of(data_dir=data_dir, port=port)
    # the patterns of a settings file name models that the demo does not have
    settings = settings_of(
        data_dir=chosen.data_dir / "demo",
        port=port,
        default_model=MODEL,
        streams=(),
        # a Redis that is shared with a service proper must not mix their streams
        redis_prefix=f"{chosen.redis_prefix}-demo",
    )
    configure_logs("error", settings.log_format)
    chosen_seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    # a taken port is told before the training, not after it
    with failing_clearly(), listen(settings.host, settings.port) as listening:
        _trained(settings.models_dir / MODEL)
        server = build_server(settings)
        tally = Tally()
        scene = _scene(chosen_seed, tally)
        stdout.print(f"seed {chosen_seed}", style="dim")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_play(server, listening, scene, minutes))


def _write_csv(directory: Path) -> None:
    try:
        history, today = write_files(directory)
    except OSError as error:
        fail(f"--csv {directory}: {error.strerror}: {error.filename}; nothing is written over")
    tell(f"{history}: a pump in normal running\n{today}: the day after it, with three faults")


def _trained(directory: Path) -> Checkpoint:
    stdout.print(f"Training on {PUMPS} simulated pumps in normal running ...")
    with training_bar(stderr) as show:
        return train(show, 1 / RATE_HZ).save(directory)


def _scene(seed: int, tally: Tally) -> Scene:
    plant = Plant(PUMPS, seed)
    schedule = FaultSchedule(plant.stream_ids, seed)
    return Scene(plant=plant, schedule=schedule, narrator=Narrator(stdout, RATE_HZ, tally))


async def _play(
    server: Server, listening: socket.socket, scene: Scene, minutes: float | None
) -> None:
    """Serve and stream until the time is up, Ctrl-C comes or one of the two ends."""
    serving = asyncio.create_task(server.serve([listening]))
    await server.until_started(serving)
    if serving.done() or server.should_exit:
        return await serving
    _tell_where(server)
    stop = asyncio.Event()
    url = f"{server.url.replace('http', 'ws', 1)}/v1/ingest"
    gateway = asyncio.create_task(run_gateway(url, scene, stop))
    timeout = None if minutes is None else 60 * minutes
    await asyncio.wait({serving, gateway}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    ticks = await gateway
    scene.narrator.summarise(ticks)
    server.should_exit = True
    await serving
    return None


def _tell_where(server: Server) -> None:
    redis_url = server.app.state.redis_url
    shown = redis_url.replace("unix://", "redis-cli -s ", 1)
    stdout.print(
        f"Serving at {server.url}\n"
        f"  routes   {server.url}/docs\n"
        f"  metrics  {server.url}/metrics\n"
        f"  Redis    {shown}\n"
        f"Ctrl-C ends it.",
        highlight=False,
        soft_wrap=True,
    )
