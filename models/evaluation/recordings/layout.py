"""What the layouts of labelled data have in common: where a machine lies, and how it is read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import numpy as np

from models.blocks import Bool, Float64, Int
from models.evaluation.recordings.machine import Machine
from models.recording import MICROSECONDS, ReadingError

LayoutName = Literal["npz", "csv", "nab", "smd"]
LABEL_NAMES: Final = frozenset({"label", "is_anomaly", "anomaly"})
ASSUMED_STEP_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the files do not say themselves.

    Attributes:
        steps: Seconds between two rows by the name of the data set; under "" for all others.
        label_column: Name of a CSV's label column, if it is not one of the usual names.
        time_column: Name of a CSV's time column, if it is not one of the usual names.
        train_share: Share of a CSV's rows, from the first on, that is taken as normal.
    """

    steps: dict[str, float] = field(default_factory=dict)
    label_column: str | None = None
    time_column: str | None = None
    train_share: float = 0.5

    def step_of(self, dataset: str) -> float | None:
        """Find what was said of a data set's step."""
        return self.steps.get(dataset, self.steps.get(""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A machine that has not been read yet; cheap to hold and to send to another process.

    Attributes:
        path: Its file; of the SMD layout the one of the test part.
        root: The directory of a layout that is made of several; else that of the file.
    """

    name: str
    dataset: str
    layout: LayoutName
    path: Path
    root: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A machine, and what a person should know of how it was read."""

    machine: Machine
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A machine's rows before they are made one: training and test part, labels, times if any."""

    metrics: list[str]
    train: Float64
    test: Float64
    labels: Bool
    times: Int | None = None
    windows: tuple[tuple[int, int], ...] | None = None


def loaded(source: Source, rows: Rows, how: Reading) -> Loaded:
    """Make the machine: its step from its times, else as said, else one second with a notice.

    Raises:
        ReadingError: If train and test do not have the same metrics, one of them is empty, or a
            value to train on is missing.
    """
    if rows.train.shape[1] != rows.test.shape[1]:
        raise ReadingError(
            f"{source.path}: train has {rows.train.shape[1]} metrics, test {rows.test.shape[1]}"
        )
    if not len(rows.test) or not len(rows.train):
        raise ReadingError(f"{source.path}: train and test need rows; one of them has none")
    _check_whole(source, rows)
    step_s, times, notes = _times(source, rows, how)
    machine = Machine(
        name=source.name,
        dataset=source.dataset,
        metrics=rows.metrics,
        train=rows.train,
        test=rows.test,
        labels=rows.labels,
        times=times,
        step_s=step_s,
        windows=rows.windows,
    )
    return Loaded(machine=machine, notes=tuple(notes))


def _check_whole(source: Source, rows: Rows) -> None:
    """Refuse a training part that lacks values; the test part may, as live traffic may."""
    missing = np.argwhere(np.isnan(rows.train))
    if len(missing):
        row, column = missing[0]
        raise ReadingError(
            f"{source.path}: row {row + 1} of the {len(rows.train)} to train on has no value of "
            f"'{rows.metrics[column]}'; fill it in or leave the row out: only rows to be judged "
            "may lack values"
        )


def _times(source: Source, rows: Rows, how: Reading) -> tuple[float, Int, list[str]]:
    times, notes = rows.times, list[str]()
    if times is not None and len(times) > 1 and (step_s := median_step_s(times)) > 0:
        if source.dataset in how.steps:
            notes.append(
                f"--step {source.dataset}={how.steps[source.dataset]:g} is not used: the file has "
                "times of its own"
            )
        if (np.diff(times) > 0).all():
            return step_s, times, notes
        notes.append("its times repeat or go back: they were taken as equally spaced")
        return step_s, times[0] + _spaced(len(times), step_s), notes
    said = how.step_of(source.dataset)
    if said is None:
        notes.append(
            f"the step between its rows is not known; {ASSUMED_STEP_S:g} s is assumed, and false "
            f"alarms per day depend on it: give it by --step {source.dataset}=SECONDS"
        )
    step_s = said or ASSUMED_STEP_S
    return step_s, _spaced(len(rows.test), step_s), notes


def median_step_s(times: Int) -> float:
    """Find the usual step of times in microseconds, whatever their order."""
    return float(np.median(np.diff(np.sort(times)))) / MICROSECONDS


def _spaced(size: int, step_s: float) -> Int:
    """Space times equally, from 0 on; microseconds."""
    return np.arange(size, dtype=np.int64) * max(1, round(step_s * MICROSECONDS))


def as_labels(path: Path, numbers: Float64) -> Bool:
    """Take numbers `[N]` as labels.

    Raises:
        ReadingError: If one of them is neither 0 nor 1.
    """
    wrong = np.flatnonzero((numbers != 0) & (numbers != 1))
    if len(wrong):
        raise ReadingError(
            f"{path}: label {numbers[wrong[0]]:g} of row {wrong[0]} (counted from 0) is neither "
            "0 nor 1"
        )
    labels: Bool = numbers == 1
    return labels
