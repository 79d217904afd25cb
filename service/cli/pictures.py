"""The option --plot: its place is checked before the work, matplotlib imported after it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from models.pictures.files import SUFFIXES, PictureError, check_place, save
from service.cli.console import fail

if TYPE_CHECKING:
    from models.checkpoint import Checkpoint
    from models.epochs import EpochLoss
    from models.pictures.run import Run
    from models.recording import Recording

_KINDS: Final = ", ".join(SUFFIXES)
Plot = Annotated[
    Path | None, typer.Option(help=f"Picture to draw, by its ending {_KINDS}; needs matplotlib.")
]


def check_plot(path: Path) -> None:
    """Fail where a picture can't be drawn there."""
    try:
        check_place(path)
    except PictureError as error:
        fail(f"--plot {error}")


def draw_run(path: Path, run: "Run") -> None:
    """Draw a replay.

    Raises:
        OSError: If the picture can't be written.
    """
    # slow to import, and an optional extra: only who wants pictures pays for it
    from models.pictures.replay_picture import drawn  # noqa: PLC0415

    save(drawn(run), path)


def draw_training(
    path: Path,
    checkpoint: "Checkpoint",
    recording: "Recording",
    losses: "list[EpochLoss]",
    name: str,
) -> None:
    """Draw a training.

    Raises:
        OSError: If the picture can't be written.
    """
    from models.pictures.training import training_run  # noqa: PLC0415 - as above
    from models.pictures.training_picture import drawn  # noqa: PLC0415

    save(drawn(training_run(checkpoint, recording, losses, name)), path)
