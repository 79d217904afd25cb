"""What every command shares: its options, how it speaks to a person, how it fails."""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from models.checkpoint import NAME, CheckpointError
from models.epochs import FitError
from models.recording import ReadingError
from models.spec import ThresholdSpec
from service.engine.errors import StepwatchError
from service.settings import Settings, mistyped
from service.settings_file import SettingsFileError

DataDir = Annotated[
    Path | None,
    typer.Option(help="Holds checkpoints and the embedded Valkey.", envvar="STEPWATCH_DATA_DIR"),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        help="Settings file; else STEPWATCH_CONFIG, else stepwatch.toml in the data directory."
    ),
]


def _above_zero(seconds: float | None) -> float | None:
    if seconds is not None and not 0 < seconds < math.inf:
        raise typer.BadParameter("seconds above 0 are wanted")
    return seconds


Step = Annotated[
    float | None, typer.Option(help="Seconds between rows, if known.", callback=_above_zero)
]
TimeColumn = Annotated[
    str | None,
    typer.Option(help="Name of the time column, or its position from 1 in a CSV without a header."),
]
INTERRUPTED: Final = 130
stdout: Final = Console()
stderr: Final = Console(stderr=True)


def given_only(**given: Any) -> dict[str, Any]:
    """Leave out what was not given on the command line."""
    return {name: value for name, value in given.items() if value is not None}


def told_of(error: ValidationError) -> list[str]:
    """Name the settings that are wrong as the environment does."""
    places = ("_".join(str(part) for part in one["loc"]).upper() for one in error.errors())
    names = (f"STEPWATCH_{place.removeprefix('STEPWATCH_')}" for place in places)
    return [f"{name}: {one['msg']}" for name, one in zip(names, error.errors(), strict=True)]


def settings_of(**given: Any) -> Settings:
    """Read the settings; what is None here was not given on the command line."""
    for name, hint in mistyped():
        complain("warning", f"{name} is no setting{hint}")
    try:
        return Settings(**given_only(**given))
    except ValidationError as error:
        fail("; ".join(told_of(error)))
    except (SettingsFileError, OSError) as error:
        fail(error)


def complain(what: str, reason: object) -> None:
    """Print what is wrong; a reason may hold brackets and colons, which mean nothing here."""
    told = f"[bold red]{escape(what)}:[/] {escape(str(reason))}"
    stderr.print(told, highlight=False, soft_wrap=True, emoji=False)


def tell(text: str) -> None:
    """Print text as it is."""
    stdout.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)


def fail(reason: object) -> NoReturn:
    """Say why and end with status 1."""
    complain("error", reason)
    raise typer.Exit(1)


def level_of(threshold: ThresholdSpec) -> str:
    """Say in words where the threshold stands."""
    if threshold.false_alarms_per_day is None:
        return f"z {threshold.z:g}"
    return f"false alarms per day {threshold.false_alarms_per_day:g}"


def check_name(model: str) -> None:
    """Fail on what is no name of a model, such as a path out of the models' directory."""
    if not NAME.fullmatch(model):
        fail(f"'{model}' is no name: 1 to 100 of A-Z a-z 0-9 . _ - , beginning with A-Z a-z 0-9")


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn what a user can mend into a message, and Ctrl-C into a quiet end."""
    try:
        yield
    except (StepwatchError, CheckpointError, FitError, ReadingError, OSError) as error:
        fail(error)
    except KeyboardInterrupt:
        stderr.print("interrupted; nothing half-done is left behind")
        sys.exit(INTERRUPTED)
