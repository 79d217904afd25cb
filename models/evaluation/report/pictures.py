"""All pictures of a report, as PNG files; left out where matplotlib is not installed."""

import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from models.evaluation.trials.trial import Result
from models.pictures.files import HOW_TO_GET

LEFT_OUT: Final = f"The pictures were left out: matplotlib is not installed. {HOW_TO_GET}"
PICTURES: Final = "pictures"
"""Where they lie, below the report."""
PRECISION_RECALL: Final = "precision-recall.png"
FOUND_FALSE: Final = "found-false-alarms.png"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST: Final = 100


class _Run(Struct):
    picture: str | None = None


class _Report(Struct):
    """What is read of an earlier report.json."""

    runs: list[_Run]


def file_names(results: list[Result]) -> list[str]:
    """Name a picture for each result: safe on any file system, and no two alike."""
    taken = {PRECISION_RECALL, FOUND_FALSE}
    names = []
    for one in results:
        stem = _UNSAFE.sub("-", f"{one.figures.machine}--{one.figures.scorer}")
        stem = stem.strip(".-")[:_LONGEST] or "machine"
        name, count = f"{stem}.png", 1
        # some file systems do not tell upper from lower case
        while name.lower() in taken:
            count += 1
            name = f"{stem}-{count}.png"
        taken.add(name.lower())
        names.append(name)
    return names


def draw_pictures(directory: Path, results: list[Result]) -> None:
    """Draw one picture a result, named by `file_names`, and those over all.

    Args:
        directory: Made if it is not there.
        results: At least one.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; ask `can_draw` first.
        OSError: The directory can't be written.
    """
    # slow to import, and an optional extra: only who wants pictures pays for it
    from models.evaluation.report import machine_picture, overall_picture  # noqa: PLC0415

    directory.mkdir(parents=True, exist_ok=True)
    overall_picture.precision_against_recall(results).savefig(directory / PRECISION_RECALL)
    overall_picture.found_against_false(results).savefig(directory / FOUND_FALSE)
    for one, name in zip(results, file_names(results), strict=True):
        machine_picture.drawn(one).savefig(directory / name)


def draw_aside(directory: Path, results: list[Result]) -> set[str]:
    """Draw all pictures beside a directory, and only then move them into it.

    Args:
        directory: Made if it is not there, in one that is there; files of the same names are
            replaced. Until all are drawn, or if drawing is interrupted, nothing in it changes.
        results: At least one.

    Returns:
        Names of the files.

    Raises:
        ModuleNotFoundError, OSError: As of `draw_pictures`.
    """
    beside = directory.with_name(f".{directory.name}.{os.getpid()}.unfinished")
    try:
        draw_pictures(beside, results)
        directory.mkdir(exist_ok=True)
        names = {path.name for path in beside.iterdir()}
        for name in names:
            (beside / name).replace(directory / name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return names


def earlier_pictures(out: Path) -> set[str]:
    """Name the pictures that the report in a directory leads to; none where there is no report."""
    try:
        report = msgspec.json.decode((out / "report.json").read_bytes(), type=_Report)
    except (OSError, ValueError):
        return set()
    names = {Path(run.picture).name for run in report.runs if run.picture}
    return names | {PRECISION_RECALL, FOUND_FALSE} if names else set()


def remove_pictures(directory: Path, names: set[str]) -> None:
    """Remove files, those that are there, and the directory once nothing is left in it.

    Raises:
        OSError: If a file can't be removed.
    """
    for name in names:
        (directory / name).unlink(missing_ok=True)
    if names and directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
