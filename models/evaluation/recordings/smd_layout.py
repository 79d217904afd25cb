"""The text layout in which the Server Machine Dataset was published (Su et al., KDD 2019).

The directories `train`, `test` and `test_label` hold files of the same names: comma-separated
numbers without a header, a line a row, and a 0 or 1 a line.
"""

from pathlib import Path
from typing import Final

from models.csv_files import read_csv
from models.evaluation.recordings.layout import Loaded, Reading, Rows, Source, as_labels, loaded
from models.recording import ReadingError, default_names

_PARTS: Final = ("train", "test", "test_label")


def is_layout(directory: Path) -> bool:
    """Tell whether a directory has this layout."""
    return all((directory / part).is_dir() for part in _PARTS)


def sources(directory: Path) -> list[Source]:
    """Find the machines; their data set is the name of the directory in small letters.

    Raises:
        ReadingError: If there are none, or one has no training part or no labels.
    """
    dataset = directory.resolve().name.lower()
    found = [
        Source(name=path.stem, dataset=dataset, layout="smd", path=path, root=directory)
        for path in sorted((directory / "test").glob("*.txt"))
    ]
    if not found:
        raise ReadingError(f"{directory / 'test'}: there are no .txt files")
    for source in found:
        for part in _PARTS:
            if not (directory / part / source.path.name).is_file():
                raise ReadingError(f"{directory / part / source.path.name}: there is no such file")
    return found


def load(source: Source, how: Reading) -> Loaded:
    """Read one machine; where test and labels differ in length by one, the longer loses its last.

    Raises:
        ReadingError: If a file can't be read, or the three do not fit one another.
    """
    train, test, marks = (
        read_csv(source.root / part / source.path.name, None, may_lack=part == "test").values
        for part in _PARTS
    )
    path = source.root / "test_label" / source.path.name
    if marks.shape[1] != 1 or abs(len(marks) - len(test)) > 1:
        raise ReadingError(f"{path}: labels {marks.shape} do not fit {len(test)} test rows")
    rows = min(len(marks), len(test))
    labels = as_labels(path, marks[:rows, 0])
    metrics = default_names(train.shape[1])
    return loaded(source, Rows(metrics=metrics, train=train, test=test[:rows], labels=labels), how)
