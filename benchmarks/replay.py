"""How much faster is a recording scored in long blocks than row by row? And is it the same?

    python -m benchmarks.replay FILE.npz [MODEL DATA_DIR] [--rounds N] [--json FILE]

One stream takes all rows of the file through `StreamBank.advance`, in blocks of one row and in
longer ones, in turn. Without a model one is trained for an epoch. Ends with status 1 if phases or
anomalies differ, or scores or thresholds by more than they may; not if the target is missed.
"""

import argparse
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.json_file import write_json
from benchmarks.timing import ratio
from models.bank import StreamBank
from models.blocks import NO_SEQ, Float64, ObservationBlock, VerdictBlock
from models.checkpoint import Checkpoint
from models.epochs import FitOptions
from models.fit import fit
from models.options import StreamOptions
from models.reading import read
from models.recording import MICROSECONDS

SIZES: Final = (1, 256, 1_000, 10_000)
"""Rows of a block."""
ROUNDS: Final = 3
GAIN: Final = 4.0
"""That the longest blocks are to reach over single rows."""
RELATIVE: Final = 1e-4
STEP_S: Final = 60
COMPARED: Final = ("score", "threshold")
console = Console()


@dataclass(slots=True)
class Way:
    """Blocks of one length.

    Attributes:
        seconds: Of all rows, for each round.
        told: What the rows got, the last time.
    """

    rows: int
    seconds: list[float] = field(default_factory=list)
    told: list[VerdictBlock] = field(default_factory=list)

    def run(self, bank: StreamBank, values: Float64) -> None:
        """Let a stream that begins anew take all rows."""
        slots = np.zeros(1, np.int64)
        bank.start(slots, StreamOptions(start="own"))
        blocks = [
            _block(values, first, min(first + self.rows, len(values)))
            for first in range(0, len(values), self.rows)
        ]
        began = perf_counter()
        self.told = [bank.advance(block) for block in blocks]
        self.seconds.append(perf_counter() - began)

    def column(self, name: str) -> Float64:
        """Give a column of all verdicts."""
        column: Float64 = np.concatenate([getattr(block, name) for block in self.told])
        return column


def _block(values: Float64, first: int, end: int) -> ObservationBlock:
    size = end - first
    times = np.arange(first, end) * STEP_S * MICROSECONDS
    return ObservationBlock(
        slots=np.zeros(size, np.int64),
        times=times,
        seqs=np.full(size, NO_SEQ),
        values=values[first:end],
        explain=np.zeros(size, np.bool_),
        arrival=int(times[-1]),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """What tells long blocks from single rows.

    Attributes:
        worst: Largest relative error of each number; infinite where one is unknown for one alone.
        differing: Rows whose refusal, phase or anomaly is another.
    """

    worst: dict[str, float]
    differing: int

    @property
    def is_none(self) -> bool:
        """Whether they say the same."""
        return not self.differing and max(self.worst.values()) <= RELATIVE


def difference(singly: Way, other: Way) -> Difference:
    """Compare what the rows got."""
    worst = {name: _worst(singly.column(name), other.column(name)) for name in COMPARED}
    names = ("refusal", "phase", "is_anomaly")
    differs = [singly.column(name) != other.column(name) for name in names]
    return Difference(worst, int(np.any(differs, axis=0).sum()))


def _worst(expected: Float64, found: Float64) -> float:
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        return float("inf")
    errors = np.abs(found - expected) / np.maximum(np.abs(expected), np.finfo(np.float64).tiny)
    return float(np.nanmax(errors, initial=0.0))


def measured(checkpoint: Checkpoint, values: Float64, rounds: int) -> list[Way]:
    """Let each way take all rows, in turn."""
    bank, found = StreamBank(checkpoint), [Way(size) for size in SIZES]
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("replay", total=rounds * len(found))
        for _ in range(rounds):
            for way in found:
                way.run(bank, values)
                progress.advance(task)
    return found


def table_of(found: list[Way], rows: int, differences: list[Difference]) -> Table:
    """Show times, gains and differences."""
    table = Table("rows a block", "us a row", "gain", *COMPARED, "rows that differ")
    table.title = f"{rows:,} rows of one stream (gain wanted: {GAIN:g}; largest relative errors)"
    for way, differs in zip(found, differences, strict=True):
        table.add_row(
            f"{way.rows:,}",
            f"{median(way.seconds) / rows * 1e6:.2f}",
            f"{ratio(found[0].seconds, way.seconds):.1f}",
            *(f"{differs.worst[name]:.1e}" for name in COMPARED),
            str(differs.differing),
        )
    return table


def _told(way: Way, differs: Difference) -> dict[str, Any]:
    return {
        "rows": way.rows,
        "seconds": way.seconds,
        "worst": differs.worst,
        "differing": differs.differing,
    }


def main(given: argparse.Namespace) -> int:
    """Measure, print and write."""
    torch.set_num_threads(1)
    if given.model is None:
        recording = read(given.file, part="train")
        checkpoint = fit(recording.values, recording.metrics, FitOptions(epochs=1))
    else:
        checkpoint = Checkpoint.load(given.data_dir / "models" / given.model)
    values = read(given.file, part="test").values
    found = measured(checkpoint, values, given.rounds)
    differences = [difference(found[0], way) for way in found]
    console.print(table_of(found, len(values), differences))
    write_json(given.json, [_told(*pair) for pair in zip(found, differences, strict=True)])
    is_same = all(one.is_none for one in differences)
    console.print("all say the same" if is_same else "they do not say the same")
    return not is_same


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="npz with an array 'test'")
    parser.add_argument("model", nargs="?", help="name; none: trained for an epoch on 'train'")
    parser.add_argument("data_dir", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where results are written")
    sys.exit(main(parser.parse_args()))
