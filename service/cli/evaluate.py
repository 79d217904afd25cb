"""`stepwatch evaluate`: labelled data, several scorers, and what their alarms are worth."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Final

import typer
from rich.markup import escape

from models.evaluation.recordings import datasets
from models.evaluation.recordings.layout import Reading
from models.evaluation.report.writing import write_report
from models.evaluation.trials.choice import ChoiceError, choices
from models.evaluation.trials.running import cores, run
from models.evaluation.trials.task import Outcome, Task
from models.evaluation.trials.training import TrainingOptions
from models.recording import ReadingError
from service.cli.console import (
    TimeColumn,
    complain,
    fail,
    failing_clearly,
    settings_of,
    stderr,
    tell,
)
from service.cli.evaluation_bar import evaluation_bar

SCORERS: Final = "gru,var,pca,ewma,persistence"
NAMED: Final = 3
"""Machines that a note names; of the others it says how many they are."""
_READING: Final = Reading()
_TRAINING: Final = TrainingOptions()


_Paths = Annotated[
    list[Path],
    typer.Argument(
        help="npz (train, test, labels) or CSV with a label column, directories of these, or "
        "directories in the layout of NAB or SMD.",
        show_default=False,
    ),
]
_Out = Annotated[Path, typer.Option(help="Directory for the report; made if needed.")]
_Scorers = Annotated[
    str, typer.Option(help="Separated by commas; with a scoring rule as in gru/mse.")
]
_Steps = Annotated[
    list[str] | None,
    typer.Option(
        help="Seconds between rows where files have no times: 60, or DATASET=60, repeatable."
    ),
]
_Label = Annotated[
    str | None, typer.Option(help="Name of a CSV's labels; else label, is_anomaly, anomaly.")
]
_Share = Annotated[float, typer.Option(min=0.01, max=0.99, help="Of a CSV's rows, to train on.")]
_Epochs = Annotated[int, typer.Option(min=1, help="Most epochs.")]
_Seed = Annotated[int, typer.Option(help="The same seed gives the same weights.")]
_Jobs = Annotated[
    int | None, typer.Option(min=1, help="Processes at a time; else one for each core.")
]
_Cache = Annotated[
    Path | None,
    typer.Option(help="Keeps results by content; else cache/evaluation in the data directory."),
]
_NoCache = Annotated[bool, typer.Option("--no-cache", help="Compute everything, keep nothing.")]


def evaluate(
    paths: _Paths,
    out: _Out,
    scorers: _Scorers = SCORERS,
    step: _Steps = None,
    label_column: _Label = None,
    time_column: TimeColumn = None,
    train_share: _Share = _READING.train_share,
    epochs: _Epochs = _TRAINING.epochs,
    seed: _Seed = _TRAINING.seed,
    jobs: _Jobs = None,
    cache: _Cache = None,
    no_cache: _NoCache = False,
) -> None:
    """Train on each machine's training part, judge its test part as live traffic, and report."""
    place = None if no_cache else cache or settings_of().data_dir / "cache" / "evaluation"
    with failing_clearly():
        reading = Reading(
            steps=_steps(step or []),
            label_column=label_column,
            time_column=time_column,
            train_share=train_share,
        )
        tasks = _tasks(paths, scorers, reading, TrainingOptions(epochs=epochs, seed=seed), place)
        _check_writable(out)
        outcomes = _performed(tasks, jobs or cores())
        results = [result for outcome in outcomes for result in outcome.results]
        _tell_notes(outcomes)
        if results:
            tell(write_report(out, results))
    _tell_end(outcomes, place)


def _check_writable(out: Path) -> None:
    """Make the directory and write into it, so that nobody trains for hours to find he can't.

    Raises:
        OSError: If it can't be made or written.
    """
    out.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryFile(dir=out) as probe:
            probe.write(b"stepwatch")
            probe.flush()
    except OSError as error:
        raise OSError(f"--out {out}: can't be written: {error}") from error


def _steps(given: list[str]) -> dict[str, float]:
    """Read seconds for all data sets, or for one that is named."""
    steps = dict[str, float]()
    for text in given:
        dataset, _, seconds = text.rpartition("=")
        try:
            steps[dataset] = float(seconds)
        except ValueError:
            fail(f"--step {text}: seconds are wanted, or DATASET=seconds")
        if not 0 < steps[dataset] < float("inf"):
            fail(f"--step {text}: seconds above 0 are wanted")
    return steps


def _tasks(
    paths: list[Path],
    scorers: str,
    reading: Reading,
    options: TrainingOptions,
    cache: Path | None,
) -> list[Task]:
    """Lay out the work: a task for each machine."""
    try:
        chosen = tuple(choices(scorers))
    except ChoiceError as error:
        fail(f"--scorers {scorers}: {error}")
    found = datasets.find(paths)
    for note in found.notes:
        _note(note)
    unknown = reading.steps.keys() - {source.dataset for source in found.sources} - {""}
    if unknown:
        known = ", ".join(sorted({source.dataset for source in found.sources}))
        raise ReadingError(f"--step {sorted(unknown)[0]}=...: no such data set; there are: {known}")
    return [
        Task(source=source, reading=reading, choices=chosen, options=options, cache=cache)
        for source in found.sources
    ]


def _performed(tasks: list[Task], jobs: int) -> list[Outcome]:
    """Perform the tasks behind a bar; gives what came of them, in their order."""
    done = dict[str, Outcome]()
    with evaluation_bar(stderr, tasks) as show:
        running = run(tasks, jobs)
        try:
            for told in running:
                show(told)
                if isinstance(told, Outcome):
                    done[told.machine] = told
        finally:
            running.close()
    return [done[task.source.name] for task in tasks]


def _tell_notes(outcomes: Iterable[Outcome]) -> None:
    """Print each note once, with the machines it is of."""
    machines = defaultdict[str, list[str]](list)
    for outcome in outcomes:
        for note in outcome.notes:
            machines[note].append(outcome.machine)
    for note, names in machines.items():
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        _note(f"{', '.join(names[:NAMED])}{more}: {note}")


def _note(text: str) -> None:
    """Print what is no error, beside the results."""
    stderr.print(escape(text), style="yellow", highlight=False, soft_wrap=True, emoji=False)


def _tell_end(outcomes: list[Outcome], cache: Path | None) -> None:
    """Say what was made and what failed; ends with 1 if anything did."""
    made = sum(len(outcome.results) for outcome in outcomes)
    kept = sum(outcome.from_cache for outcome in outcomes)
    told = "" if cache is None else f", {kept} of them from the cache {cache}"
    tell(f"{made} results{told}")
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    for failure in failures:
        complain(" ".join(filter(None, (failure.machine, failure.scorer))), failure.reason)
    if failures:
        raise typer.Exit(1)
