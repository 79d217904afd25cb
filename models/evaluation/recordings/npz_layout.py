"""Machines as npz files: the arrays `train`, `test` and `labels`."""

import re
from pathlib import Path
from typing import Final

import numpy as np

from models.evaluation.recordings.layout import Loaded, Reading, Rows, Source, as_labels, loaded
from models.reading import npz_array, npz_names, read
from models.recording import ReadingError

_ARRAYS: Final = ("train", "test", "labels")
_LAST_NUMBERS: Final = re.compile(r"(-\d+)+$")


def source(path: Path) -> Source:
    """Name the machine by the file, its data set by that without the numbers at its end."""
    dataset = _LAST_NUMBERS.sub("", path.stem)
    return Source(name=path.stem, dataset=dataset, layout="npz", path=path, root=path.parent)


def load(source: Source, how: Reading) -> Loaded:
    """Read one file; where test and labels differ in length by one, the longer loses its last.

    Raises:
        ReadingError: If an array is missing, or does not fit the others.
    """
    path = source.path
    train, test = read(path, part="train"), read(path, part="test", may_lack=True)
    raw = npz_array(path, "labels")
    if raw.ndim != 1 or raw.dtype.kind not in "biuf":
        raise ReadingError(f"{path}: 'labels' is {raw.dtype} {raw.shape}; 0 and 1 [time] needed")
    if abs(len(raw) - len(test.values)) > 1:
        raise ReadingError(f"{path}: {len(raw)} labels do not fit {len(test.values)} test rows")
    rows = min(len(raw), len(test.values))
    labels = as_labels(path, raw[:rows].astype(np.float64))
    values = test.values[:rows]
    return loaded(
        source, Rows(metrics=train.metrics, train=train.values, test=values, labels=labels), how
    )


def is_machine(path: Path) -> bool:
    """Tell whether a file has all three arrays.

    Raises:
        ReadingError: If it can't be read.
    """
    return set(_ARRAYS) <= set(npz_names(path))
