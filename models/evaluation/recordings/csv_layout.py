"""Machines as CSV files with a column of labels: the first rows for training, the rest judged."""

from functools import partial
from pathlib import Path

import numpy as np

from models.csv_files import read_csv
from models.evaluation.recordings.layout import (
    LABEL_NAMES,
    Loaded,
    Reading,
    Rows,
    Source,
    as_labels,
    loaded,
)
from models.recording import ReadingError, Recording


def source(path: Path) -> Source:
    """Name the machine by the file, its data set by the directory it lies in."""
    dataset = path.resolve().parent.name
    return Source(name=path.stem, dataset=dataset, layout="csv", path=path, root=path.parent)


def load(source: Source, how: Reading) -> Loaded:
    """Read one file; labels are 0 and 1, or false and true.

    Raises:
        ReadingError: If it has no such column, or a row to train on is labelled anomalous.
    """
    recording = read_csv(
        source.path,
        how.time_column,
        may_lack=True,
        may_be_label=partial(_may_be_label, wanted=how.label_column),
    )
    at = _label_column(source.path, recording, how.label_column)
    labels = as_labels(source.path, recording.values[:, at])
    split = int(len(labels) * how.train_share)
    anomalous = np.flatnonzero(labels[:split])
    if len(anomalous):
        raise ReadingError(
            f"{source.path}: row {anomalous[0] + 1} of the {split} to train on is labelled "
            f"anomalous; take a --train-share up to {anomalous[0] / len(labels):.3f}, or another "
            "file for training"
        )
    values = np.delete(recording.values, at, axis=1)
    rows = Rows(
        metrics=[name for place, name in enumerate(recording.metrics) if place != at],
        train=values[:split],
        test=values[split:],
        labels=labels[split:],
        times=None if recording.times is None else recording.times[split:],
    )
    return loaded(source, rows, how)


def _may_be_label(name: str, wanted: str | None) -> bool:
    return name.lower() in LABEL_NAMES if wanted is None else name == wanted


def _label_column(path: Path, recording: Recording, wanted: str | None) -> int:
    """Find the labels among the columns that are not the times."""
    names, there = recording.metrics, ", ".join(recording.metrics)
    if len(names) == 1:
        raise ReadingError(f"{path}: a metric and a label are needed; there is only {there}")
    if wanted is not None and wanted not in names:
        raise ReadingError(f"{path}: no column '{wanted}'; there are: {there}")
    found = [at for at, name in enumerate(names) if _may_be_label(name, wanted)]
    if len(found) != 1:
        raise ReadingError(
            f"{path}: {len(found)} columns are named {' or '.join(sorted(LABEL_NAMES))}; name the "
            f"labels by --label-column; there are: {there}"
        )
    return found[0]
