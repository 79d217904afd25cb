"""The report of an evaluation: report.md to read, report.json to compute with, and pictures."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from models.evaluation.report.levels import level_means
from models.evaluation.report.means import means, unique
from models.evaluation.report.nab import NabRow, nab_rows
from models.evaluation.report.pictures import (
    LEFT_OUT,
    PICTURES,
    draw_aside,
    earlier_pictures,
    file_names,
    remove_pictures,
)
from models.evaluation.report.text import Contents, report_text, terminal_text
from models.evaluation.trials.trial import Result
from models.pictures.files import can_draw

PACKAGES: Final = ("stepwatch", "torch", "numpy")


def write_report(out: Path, results: list[Result]) -> str:
    """Write report.md, report.json and, where matplotlib is installed, the pictures.

    The pictures take minutes, so they are drawn aside first: whoever interrupts that finds what
    there was before.

    Args:
        out: Directory, made if it is not there; files of the same names are replaced, pictures of
            an earlier report there removed.
        results: At least one; data sets, machines and scorers are reported in their order.

    Returns:
        The means as a table for the terminal, and what else is to be known.

    Raises:
        ValueError: There is no result.
        OSError: The directory can't be written.
    """
    if not results:
        raise ValueError("nothing was evaluated, so there is nothing to report")
    out.mkdir(parents=True, exist_ok=True)
    contents = _contents(results)
    report, text = report_json(contents), report_text(contents)
    stale = earlier_pictures(out)
    if contents.pictures:
        stale -= draw_aside(out / PICTURES, results)
    (out / "report.json").write_bytes(report)
    (out / "report.md").write_text(text, encoding="utf-8")
    remove_pictures(out / PICTURES, stale)
    table = terminal_text(contents.means)
    return "\n".join([table, "", *contents.notes, f"{out / 'report.md'}"])


def report_json(contents: Contents) -> bytes:
    """Write report.json: nothing is rounded, and what is unknown is null."""
    account = {
        "versions": contents.versions,
        "notes": contents.notes,
        "scorers": unique(one.figures.scorer for one in contents.results),
        "machines": _machines(contents.results),
        "means": contents.means,
        "levels": contents.levels,
        "nab": contents.nab,
        "runs": _runs(contents),
    }
    # msgspec writes NaN as null, which JSON can hold
    text = msgspec.json.encode(account, enc_hook=_plain)
    return msgspec.json.format(text, indent=2) + b"\n"


def _contents(results: list[Result]) -> Contents:
    figures = [one.figures for one in results]
    nab, notes = _nab(results)
    if not can_draw():
        notes.append(LEFT_OUT)
    return Contents(
        results=results,
        means=means(figures),
        levels=level_means(figures),
        nab=nab,
        versions={key: _version(key) for key in PACKAGES} | {"python": platform.python_version()},
        pictures=file_names(results) if can_draw() else None,
        notes=notes,
    )


def _nab(results: list[Result]) -> tuple[list[NabRow], list[str]]:
    try:
        return nab_rows(results), []
    except ValueError as error:
        # hours of training are not lost to a window that does not fit
        return [], [f"NAB's score was left out: {error}"]


def _machines(results: list[Result]) -> list[dict[str, Any]]:
    machines = {one.machine.name: one.machine for one in results}
    return [
        {
            "machine": key,
            "dataset": one.dataset,
            "metrics": len(one.metrics),
            "train_rows": len(one.train),
            "test_rows": len(one.test),
            "anomalous_rows": int(one.labels.sum()),
            "step_s": one.step_s,
        }
        for key, one in machines.items()
    ]


def _runs(contents: Contents) -> list[dict[str, Any]]:
    """List the figures of each run, and where its picture is if there is one."""
    runs = [msgspec.structs.asdict(one.figures) for one in contents.results]
    for run, picture in zip(runs, contents.pictures or [], strict=False):
        run["picture"] = f"{PICTURES}/{picture}"
    return runs


def _version(package: str) -> str | None:
    """Tell the version of a package; None where it runs from its files without being installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _plain(value: Any) -> Any:
    """Give the Python number that a numpy number is."""
    return value.item()
