"""A task: all that is wanted of one machine, small enough to be sent to another process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models.checkpoint import CheckpointError
from models.epochs import FitError
from models.evaluation.recordings import datasets
from models.evaluation.recordings.layout import Reading, Source
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.cache import Cache
from models.evaluation.trials.choice import Choice
from models.evaluation.trials.traffic import TrafficError, unscored
from models.evaluation.trials.training import TrainingOptions
from models.evaluation.trials.trial import Result, Trials
from models.recording import ReadingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One machine and the scorers to evaluate on it.

    Attributes:
        cache: Directory of the cache; None computes everything.
    """

    source: Source
    reading: Reading
    choices: tuple[Choice, ...]
    options: TrainingOptions
    cache: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How far a task has come.

    Attributes:
        doing: Scorer that is at work now; "" while the machine is read.
        done: Scorers that are through.
    """

    machine: str
    doing: str
    done: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result; without a scorer: of the whole machine."""

    machine: str
    scorer: str | None
    reason: str


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a task.

    Attributes:
        notes: What a person should know of the machine or of the cache.
        from_cache: Results that were not computed anew.
    """

    machine: str
    results: list[Result] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    from_cache: int = 0


def performed(task: Task, tell: Callable[[Step], None]) -> Outcome:
    """Read the machine and try every scorer; what fails is told, the others go on."""
    name = task.source.name
    outcome = Outcome(machine=name)
    tell(Step(machine=name, doing="", done=0))
    try:
        loaded = datasets.load(task.source, task.reading)
    except Exception as error:
        outcome.failures.append(Failure(machine=name, scorer=None, reason=_told(error)))
        return outcome
    cache = None if task.cache is None else Cache(directory=task.cache)
    trials = Trials(loaded.machine, task.options, cache)
    for done, choice in enumerate(task.choices):
        tell(Step(machine=name, doing=choice.word, done=done))
        try:
            result, is_kept = trials.result(choice)
        except Exception as error:
            outcome.failures.append(Failure(machine=name, scorer=choice.word, reason=_told(error)))
            continue
        outcome.results.append(result)
        outcome.from_cache += is_kept
    outcome.notes += [*loaded.notes, *_notes(loaded.machine)]
    outcome.notes += [] if cache is None else cache.told
    return outcome


def _notes(machine: Machine) -> list[str]:
    """Say what of a machine keeps figures from being known."""
    notes, n_rows = list[str](), len(machine.test)
    if n_unscored := unscored(machine):
        notes.append(
            f"{n_unscored} of {n_rows} test rows lack more than half of their values: "
            "they have no score and are no anomaly"
        )
    if machine.labels.all() or not machine.labels.any():
        kind = "anomalous" if machine.labels.all() else "normal"
        notes.append(
            f"all {n_rows} test rows are labelled {kind}: its rankings and point-adjusted figures "
            "are unknown"
        )
    return notes


def _told(error: Exception) -> str:
    """Give the reason, and where it is none of the expected ones its kind and place too."""
    if isinstance(error, ReadingError | FitError | CheckpointError | TrafficError):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    place = "" if frame is None else f" ({frame.tb_frame.f_code.co_filename}:{frame.tb_lineno})"
    return f"{type(error).__name__}: {error}{place}"
