"""The progress bar of a training: losses and time left."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models.epochs import Progress


@contextmanager
def training_bar(console: Console) -> Iterator[Callable[[Progress], None]]:
    """Show a bar while training; gives what to call after each batch."""
    bar = Bar(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=console,
    )
    with bar:
        task = bar.add_task("", total=1, told="")

        def show(progress: Progress) -> None:
            bar.update(
                task,
                total=progress.epochs,
                completed=progress.epochs_done,
                told=f"epoch {math.ceil(progress.epochs_done)} of at most {progress.epochs}, "
                f"loss {progress.train_loss:.6f}, validation {_told(progress.validation_loss)}",
            )

        yield show


def _told(loss: float) -> str:
    """Infinite is what the loss is called until there is one."""
    return f"{loss:.6f}" if math.isfinite(loss) else "-"
