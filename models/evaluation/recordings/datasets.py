"""Labelled data by its path: which machines lie there, and each of them read when it is wanted."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.evaluation.recordings import csv_layout, nab_layout, npz_layout, smd_layout
from models.evaluation.recordings.layout import LayoutName, Loaded, Reading, Source
from models.evaluation.recordings.machine import Machine
from models.recording import ReadingError

LOADERS: Final[dict[LayoutName, Callable[[Source, Reading], Loaded]]] = {
    "npz": npz_layout.load,
    "csv": csv_layout.load,
    "nab": nab_layout.load,
    "smd": smd_layout.load,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The machines of some paths, and what was left out of them."""

    sources: list[Source]
    notes: list[str]


def find(paths: list[Path]) -> Found:
    """Find the machines below paths, without reading them.

    A path is an npz file, a CSV file, a directory of such files, or one in the layout of NAB
    (`data/`, `labels/combined_windows.json`) or of SMD (`train/`, `test/`, `test_label/`). An npz
    file of a directory that is no machine is left out.

    Raises:
        ReadingError: If there are none, or two of the same name.
    """
    sources, notes = list[Source](), list[str]()
    for path in paths:
        there, left_out = _below(path)
        sources += there
        notes += left_out
    _check_names(sources)
    return Found(sources=sources, notes=notes)


def load(source: Source, how: Reading) -> Loaded:
    """Read one machine.

    Raises:
        ReadingError: If it can't be used, with the reason.
    """
    return LOADERS[source.layout](source, how)


def machines(
    path: Path,
    *,
    step_s: float | None = None,
    label_column: str | None = None,
    time_column: str | None = None,
) -> list[Machine]:
    """Read every machine of one path at once; see `find` for what it can be.

    Args:
        path: A file or a directory.
        step_s: Seconds between two rows, where the file has no times.
        label_column: Name of a CSV's label column, if it is not one of the usual names.
        time_column: Name of a CSV's time column, if it is not one of the usual names.

    Raises:
        ReadingError: If something there can't be used, with the reason.
    """
    steps = {} if step_s is None else {"": step_s}
    how = Reading(steps=steps, label_column=label_column, time_column=time_column)
    return [load(source, how).machine for source in find([path]).sources]


def _below(path: Path) -> tuple[list[Source], list[str]]:
    """Find the machines of one path, and say what was left out."""
    if path.is_file():
        return [_of_file(path)], []
    if not path.is_dir():
        raise ReadingError(f"{path}: there is no such file or directory")
    if nab_layout.is_layout(path):
        return nab_layout.sources(path)
    if smd_layout.is_layout(path):
        return smd_layout.sources(path), []
    return _of_directory(path)


def _of_file(path: Path) -> Source:
    kinds = {".npz": npz_layout.source, ".csv": csv_layout.source}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise ReadingError(f"{path}: can't read '{path.suffix}' files; give .npz or .csv")
    return kind(path)


def _of_directory(path: Path) -> tuple[list[Source], list[str]]:
    files = [one for one in sorted(path.iterdir()) if one.suffix.lower() in (".npz", ".csv")]
    others = {
        one for one in files if one.suffix.lower() == ".npz" and not npz_layout.is_machine(one)
    }
    found = [_of_file(one) for one in files if one not in others]
    if not found:
        raise ReadingError(
            f"{path}: no machine in it: give a directory of .npz (train, test, labels) or .csv "
            "files, or one in the layout of NAB or SMD"
        )
    notes = [f"{one}: left out, it lacks train, test or labels" for one in sorted(others)]
    return found, notes


def _check_names(sources: list[Source]) -> None:
    """Refuse two machines of one name: results would go by it."""
    known = dict[str, Source]()
    for source in sources:
        earlier = known.setdefault(source.name, source)
        if earlier is not source:
            raise ReadingError(
                f"two machines are named '{source.name}': {earlier.path} and {source.path}; "
                "evaluate them one after another, or rename one"
            )
