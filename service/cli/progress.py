"""The progress bar of a training: losses and time left, and a Ctrl-C that is never lost."""

import math
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models.epochs import Progress


@contextmanager
def training_bar(
    console: Console,
    *,
    has_epochs: bool = True,
    check: Callable[[], None] | None = None,
) -> Iterator[Callable[[Progress], None]]:
    """Show a bar while training; gives what to call after each batch.

    Args:
        console: Where it is shown.
        has_epochs: Whether there are any; else the weights are solved for at once.
        check: Raises where the training is to stop; None: on Ctrl-C.

    Raises:
        KeyboardInterrupt: After the batch in which Ctrl-C came.
    """
    bar = Bar(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
        console=console,
    )
    with interruptible() if check is None else nullcontext(check) as stop_if_asked, bar:
        task = bar.add_task("", total=1, told="")

        def show(progress: Progress) -> None:
            stop_if_asked()
            bar.update(
                task,
                total=progress.epochs,
                completed=progress.epochs_done,
                told=f"{_stage(progress) if has_epochs else 'solved'}, "
                f"loss {progress.train_loss:.6f}, validation {_known(progress.validation_loss)}",
            )

        yield show
        stop_if_asked()


@contextmanager
def collecting_bar(console: Console, readings: int) -> Iterator[Callable[[int, str], None]]:
    """Show a bar while readings are collected; gives what to tell how many, and the newest.

    Args:
        console: Where it is shown.
        readings: How many are wanted.
    """
    bar = Bar(
        TextColumn("learning"),
        BarColumn(bar_width=12),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[told]}"),
        console=console,
    )
    with bar:
        task = bar.add_task("", total=readings, told="")
        yield lambda done, told: bar.update(task, completed=done, told=told)


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Note Ctrl-C and raise it where it is asked for.

    Raised just anywhere it can be lost: Python prints and forgets what is raised inside, say, a
    finalizer. A training was once seen to go on after Ctrl-C; where it was lost was not traced.
    """
    came: list[int] = []
    earlier = signal.signal(signal.SIGINT, lambda number, _: came.append(number))

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, earlier)


def _stage(progress: Progress) -> str:
    return f"epoch {math.ceil(progress.epochs_done)} of at most {progress.epochs}"


def _known(loss: float) -> str:
    """Until the first epoch is over there is no validation loss."""
    return f"{loss:.6f}" if math.isfinite(loss) else "-"
