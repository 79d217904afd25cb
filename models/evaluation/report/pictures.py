"""All pictures of a report, as PNG files; left out where matplotlib is not installed."""

import importlib.util
import re
from pathlib import Path
from typing import Final

from models.evaluation.trials.trial import Result

LEFT_OUT: Final = (
    "The pictures were left out: matplotlib is not installed. "
    "To get them: pip install 'stepwatch[plot]'"
)
PRECISION_RECALL: Final = "precision-recall.png"
FOUND_FALSE: Final = "found-false-alarms.png"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST: Final = 100


def can_draw() -> bool:
    """Say whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


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
