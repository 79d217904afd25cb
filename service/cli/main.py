"""The command `stepwatch`: one table of commands, each imported when it is asked for.

To import them all takes seconds, torch's among them, and a health check is made every few.
"""

from importlib import import_module
from importlib.metadata import version as version_of
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: Final = {
    "demo": "service.cli.demo:demo",
    "host": "service.cli.host:host",
    "serve": "service.cli.serve:serve",
    "train": "service.cli.train:train",
    "models": "service.cli.models:models",
    "replay": "service.cli.replay:replay",
    "evaluate": "service.cli.evaluate:evaluate",
    "check": "service.cli.check:check",
    "health": "service.cli.health:health",
}


class Commands(TyperGroup):
    """Finds commands in the table; typer keeps the types of contexts and commands to itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # their names, which what is mistyped is compared with
        self.commands: Any = dict.fromkeys(COMMANDS)

    def list_commands(self, ctx: Any) -> list[str]:
        """Name the commands, as they are to be listed."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command; None if there is none of this name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, function = place.partition(":")
        alone = typer.Typer(add_completion=False, pretty_exceptions_show_locals=False)
        alone.command(cmd_name)(getattr(import_module(module), function))
        return get_command(alone)


app = typer.Typer(
    name="stepwatch",
    help="Streaming anomaly detection for metric vectors with a stateful recurrent network.",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(version_of("stepwatch"))
        raise typer.Exit


@app.callback()
def stepwatch(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Streaming anomaly detection for metric vectors with a stateful recurrent network."""
