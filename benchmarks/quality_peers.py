"""How well do detectors that others published find the events of labelled machines?

    python -m benchmarks.quality_peers PATH... [--step S] [--out FILE.json]

River's HalfSpaceTrees (streaming: it learns the training part, then scores and learns each test
row) and scikit-learn's IsolationForest (fitted on the training part), with the figures that
`stepwatch evaluate` gives of our own scorers. Smoothed is the score by the default smoothing.
`--trees paper` takes half-space trees in the size of their authors, `both` takes both sizes.

Neither has a threshold of its own. Their scores are judged by our default level: the rolling
threshold with policy clip, primed with the scores of the last fifth of the training part, whose
tail says which z leads to one false alarm a day, kept up as scores come. Half-space trees score
those rows before they learn them; the isolation forest was fitted on them with all others. The
scores of both end at 1 while the level counts sigmas, so it can lie where no score comes: for how
many rows is told.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.json_file import write_json
from benchmarks.quality_peer_level import Result, result_of
from benchmarks.quality_peer_scores import (
    PAPER,
    MissingError,
    Scores,
    half_space_trees,
    isolation_forest,
)
from models.evaluation.recordings import datasets
from models.evaluation.recordings.layout import Reading, Source
from models.evaluation.recordings.machine import Machine
from models.evaluation.report.means import Summary, means, summary, unique
from models.evaluation.report.tables import COLUMNS, cells, markdown, name
from models.recording import ReadingError

LEVEL: Final = """\
Neither has a threshold of its own: alarms are those of our default level on their scores (rolling \
threshold, policy clip, primed with the scores of the last fifth of the training part, z from \
their tail for one false alarm a day)."""
TREES: Final = "half-space trees"
TREES_OF_PAPER: Final = "half-space trees, size of the paper"
FOREST: Final = "isolation forest"
WHAT: Final = {
    TREES: "River's HalfSpaceTrees as it comes: 10 trees of height 8, window 250",
    TREES_OF_PAPER: "the same with "
    f"{PAPER['n_trees']} trees of height {PAPER['height']}, window {PAPER['window_size']}",
    FOREST: "scikit-learn's IsolationForest as it comes: 100 trees of 256 rows",
}
SIZES: Final = {
    "default": (TREES,),
    "paper": (TREES_OF_PAPER,),
    "both": (TREES, TREES_OF_PAPER),
}
PEERS: Final[dict[str, Callable[[Machine, int], Scores]]] = {
    TREES: half_space_trees,
    TREES_OF_PAPER: lambda machine, seed: half_space_trees(machine, seed, **PAPER),
    FOREST: isolation_forest,
}
stderr = Console(stderr=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured.

    Attributes:
        peers: Names in `PEERS`.
        seed: Of the trees.
    """

    sources: list[Source]
    reading: Reading
    peers: list[str]
    seed: int


def measured(wanted: Wanted) -> tuple[list[Result], list[str]]:
    """Run every peer on every machine behind a bar; gives what came of it, and notes on the data.

    Raises:
        ReadingError: If a machine can't be read.
        MissingError: If a package is not installed.
    """
    found, notes = list[Result](), list[str]()
    jobs = [(source, peer) for source in wanted.sources for peer in wanted.peers]
    loaded, last = None, None
    for source, peer in track(jobs, "peers on machines", console=stderr, transient=True):
        if loaded is None or last is not source:
            loaded, last = datasets.load(source, wanted.reading), source
            notes += [f"{source.name}: {note}" for note in loaded.notes]
            _check_whole(loaded.machine)
        scores = PEERS[peer](loaded.machine, wanted.seed)
        found.append(result_of(peer, scores, loaded.machine))
    return found, notes


def _check_whole(machine: Machine) -> None:
    missing = int(np.count_nonzero(np.isnan(machine.test)))
    if missing:
        raise ReadingError(
            f"{machine.name}: {missing} values of the test part are missing, which these detectors "
            "can't take; leave it out"
        )


def told(results: list[Result], seed: int) -> str:
    """Lay out means and machines as Markdown, and say what was run."""
    figures = [one.figures for one in results]
    headings = ["scorer", *(column.heading for column in COLUMNS)]
    parts = [
        markdown(["data set", *headings], _lines(means(figures), "dataset"), 2),
        markdown(["machine", *headings], _lines([summary(one) for one in figures], "machine"), 2),
        LEVEL,
        "\n".join(_what(peer, results, seed) for peer in unique(one.scorer for one in figures)),
    ]
    return "\n\n".join(parts) + "\n"


def _what(peer: str, results: list[Result], seed: int) -> str:
    """Say what a peer is, and how often its level was of no use."""
    shares = [one.out_of_reach for one in results if one.figures.scorer == peer]
    return (
        f"- {peer}: {WHAT[peer]}, seed {seed}; its level was above 1, where no score comes, for "
        f"{100 * fmean(shares):.1f} % of the rows ({sum(share > 0 for share in shares)} of "
        f"{len(shares)} machines)."
    )


def _lines(rows: list[Summary], key: str) -> list[list[str]]:
    """Print rows; those of one data set, or of one machine, compete for bold."""
    lines = list[list[str]]()
    for group in unique(getattr(row, key) for row in rows):
        chosen = [row for row in rows if getattr(row, key) == group]
        printed = cells(COLUMNS, chosen)
        lines += [
            [name(group), name(row.scorer), *line]
            for row, line in zip(chosen, printed, strict=True)
        ]
    return lines


def run(wanted: Wanted, out: Path | None) -> None:
    """Measure, print and write: `means` and `runs` as in the report of `stepwatch evaluate`."""
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    results, notes = measured(wanted)
    _note(notes)
    sys.stdout.write(told(results, wanted.seed))
    figures = [one.figures for one in results]
    account = {
        "peers": {peer: WHAT[peer] for peer in wanted.peers},
        "seed": wanted.seed,
        "level": LEVEL,
        "means": means(figures),
        "runs": [
            msgspec.structs.asdict(one.figures) | {"out_of_reach": one.out_of_reach}
            for one in results
        ],
    }
    # by way of msgspec: it writes null for NaN, which JSON can't hold
    write_json(out, msgspec.json.decode(msgspec.json.encode(account, enc_hook=_plain)))


def _note(notes: list[str]) -> None:
    for note in notes:
        stderr.print(note, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _plain(value: Any) -> Any:
    """Give the Python number that a numpy number is."""
    return value.item()


def _step(text: str) -> tuple[str, float]:
    """Read seconds for all data sets (under ""), or for one that is named."""
    dataset, _, seconds = text.rpartition("=")
    step_s = float(seconds)
    if not 0 < step_s < float("inf"):
        raise ValueError(text)
    return dataset, step_s


def _wanted(given: argparse.Namespace) -> Wanted:
    """Find the machines.

    Raises:
        ReadingError: If there are none, or a step is given for a data set that is not there.
    """
    steps = dict[str, float](given.step or [])
    there = datasets.find(given.paths)
    _note(there.notes)
    known = {source.dataset for source in there.sources}
    if unknown := sorted(steps.keys() - known - {""}):
        names = ", ".join(sorted(known))
        raise ReadingError(f"--step {unknown[0]}=...: no such data set; there are: {names}")
    return Wanted(
        sources=there.sources,
        reading=Reading(steps=steps),
        peers=[*SIZES[given.trees], FOREST],
        seed=given.seed,
    )


def main(arguments: list[str] | None = None) -> int:
    """Run it as the command line says; gives the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="as of `evaluate`")
    parser.add_argument(
        "--step", type=_step, action="append", help="seconds between rows: 60, or DATASET=60"
    )
    parser.add_argument("--trees", choices=SIZES, default="default", help="size of the forest")
    parser.add_argument("--seed", type=int, default=0, help="of the trees")
    parser.add_argument("--out", type=Path, help="where figures are written as JSON")
    given = parser.parse_args(arguments)
    try:
        run(_wanted(given), given.out)
    except (ReadingError, MissingError, OSError) as error:
        stderr.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
