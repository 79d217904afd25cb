"""`stepwatch serve`: the service."""

from pathlib import Path
from typing import Annotated

import typer

from service.app import build_server
from service.cli.console import ConfigFile, DataDir, fail, failing_clearly, settings_of
from service.logs import configure_logs


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 picks one.")] = None,
    data_dir: DataDir = None,
    default_model: Annotated[
        str | None, typer.Option(help="Model of streams nobody said anything about.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Serve the models of the data directory until Ctrl-C.

    Every setting can be given as STEPWATCH_<NAME> or in the settings file too; REDIS_URL names a
    Redis or Valkey to use instead of the embedded one.
    """
    run_service(host, port, data_dir, default_model, config)


def run_service(
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    default_model: str | None,
    config: Path | None,
) -> None:
    """Read the settings and run until a signal comes."""
    settings = settings_of(
        host=host, port=port, data_dir=data_dir, default_model=default_model, config=config
    )
    configure_logs(settings.log_level, settings.log_format)
    with failing_clearly():
        server = build_server(settings)
        server.run()
    if not server.started:
        fail("the service did not start; the log above says why")
