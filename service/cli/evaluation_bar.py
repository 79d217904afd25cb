"""The progress bar of an evaluation: what is at work now, how many are through, time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from models.evaluation.trials.task import Outcome, Step, Task
from service.cli.progress import interruptible


@contextmanager
def evaluation_bar(
    console: Console, tasks: list[Task]
) -> Iterator[Callable[[Step | Outcome | None], None]]:
    """Show a bar over machines and scorers; gives what to call with all that is told.

    Raises:
        KeyboardInterrupt: At the next call after Ctrl-C came.
    """
    sizes = {task.source.name: len(task.choices) for task in tasks}
    done, doing = dict[str, int](), dict[str, str]()
    bar = Bar(
        TextColumn("evaluating"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
        console=console,
    )
    with interruptible() as check, bar:
        line = bar.add_task("", total=sum(sizes.values()), told="")

        def show(told: Step | Outcome | None) -> None:
            check()
            if isinstance(told, Step):
                done[told.machine] = told.done
                doing[told.machine] = f"{told.machine} {told.doing or 'is read'}"
            elif isinstance(told, Outcome):
                done[told.machine] = sizes[told.machine]
                doing.pop(told.machine, None)
            now = escape(", ".join(doing.values()))
            bar.update(line, completed=sum(done.values()), told=now)

        yield show
        check()
