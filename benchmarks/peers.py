"""What does an observation cost in process, beside what others would use?

    python -m benchmarks.peers [--rounds N] [--json FILE]

River's HalfSpaceTrees as it comes and in the size of its authors, one `nn.GRU` call an observation,
and `StreamBank.advance` of one row and of 1,024 rows take the same rows of 38 metrics, in turn, on
one thread. River learns from each row and scores it; of it there is one model where the others
keep 1,024 streams apart, and its rows are dictionaries before the clock runs.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from river.anomaly import HalfSpaceTrees

from benchmarks.json_file import write_json
from benchmarks.micro_steps import block_of
from benchmarks.naive_service import Detector
from benchmarks.speed_model import write_model
from benchmarks.timing import ratio
from models.bank import StreamBank
from models.blocks import Float64
from models.checkpoint import Checkpoint
from models.options import StreamOptions

STREAMS: Final = 1024
VARIANTS: Final = 4
"""Vectors a stream sends in turn."""
ROUNDS: Final = 9
ROUND_S: Final = 0.4
"""That one of them takes in a round."""
PAPER: Final = {"n_trees": 25, "height": 15, "window_size": 250}
"""Tan, Ting, Liu: "Fast Anomaly Detection for Streaming Data" (2011)."""
ONE: Final = "StreamBank.advance, 1 row"
MANY: Final = "StreamBank.advance, 1,024 rows"
Step = Callable[[], int]
"""Takes the next rows; tells how many."""
console = Console(width=max(Console().width, 110))


@dataclass(frozen=True, slots=True)
class Peer:
    """What one of them takes.

    Attributes:
        us: Microseconds an observation, for each round.
    """

    name: str
    us: list[float]


def trees(rows: Float64, **size: int) -> Step:
    """Let River learn from rows and score them.

    Args:
        rows: `[V, S, F]`.
        size: Of the forest; nothing: as it comes.
    """
    forest = HalfSpaceTrees(**size, seed=0)
    vectors = cycle([dict(enumerate(row)) for row in rows.reshape(-1, rows.shape[2]).tolist()])

    def step() -> int:
        one = next(vectors)
        forest.score_one(one)
        forest.learn_one(one)
        return 1

    return step


def loop(rows: Float64, model: Checkpoint) -> Step:
    """Call `nn.GRU` for each row: hidden state, expectation and last scores in a dictionary."""
    detector = Detector(model)
    vectors = cycle(
        (f"stream-{number}", row)
        for variant in rows.tolist()
        for number, row in enumerate(variant)
    )  # fmt: skip

    def step() -> int:
        detector.score(*next(vectors))
        return 1

    return step


def advancing(rows: Float64, model: Checkpoint, size: int) -> Step:
    """Advance so many rows at a time, each of another stream."""
    bank, slots = StreamBank(model), np.arange(rows.shape[1])
    bank.start(slots, StreamOptions(start="reference"))
    blocks = _blocks(rows, slots, size)

    def step() -> int:
        bank.advance(block_of(*next(blocks)))
        return size

    return step


def _blocks(
    rows: Float64, slots: np.ndarray[tuple[int], np.dtype[np.int64]], size: int
) -> Iterator[tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Float64, int]]:
    step = 0
    while True:
        for first in range(0, len(slots), size):
            part = slice(first, first + size)
            yield slots[part], rows[step % len(rows), part], step
        step += 1


def raced(steps: dict[str, Step], rounds: int) -> list[Peer]:
    """Let them take rows in turn."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("warming up", total=rounds + 1)
        for step in steps.values():
            _run(step)
        for number in range(rounds):
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
            for name, step in steps.items():
                found[name].append(_run(step))
    return [Peer(name, us) for name, us in found.items()]


def _run(step: Step) -> float:
    """Take rows for a while; gives the microseconds of one."""
    began, rows = perf_counter(), 0
    while (took := perf_counter() - began) < ROUND_S:
        for _ in range(8):  # the clock costs little beside so many
            rows += step()
    return took / rows * 1e6


def table_of(peers: list[Peer]) -> Table:
    """Show medians, ranges, and how many times more each takes than the bank."""
    by_name = {one.name: one.us for one in peers}
    title = "Microseconds an observation of 38 metrics, in process"
    table = Table("", "median", "of the rounds", "times 1 row", "times 1,024 rows", title=title)
    for name, us in by_name.items():
        table.add_row(
            name,
            f"{median(us):.2f}",
            f"{min(us):.2f}-{max(us):.2f}",
            f"{ratio(us, by_name[ONE]):.2f}",
            f"{ratio(us, by_name[MANY]):.1f}",
        )
    return table


def main(rounds: int, file: Path | None) -> int:
    """Measure, print and write."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        model = Checkpoint.load(write_model(Path(home) / "bench"))
    noise = np.random.default_rng(0).normal(0.5, 0.1, (VARIANTS, STREAMS, len(model.spec.metrics)))
    rows = noise.clip(0.0, 1.0)
    size = ", ".join(f"{value} {name}" for name, value in PAPER.items())
    peers = raced(
        {
            "River HalfSpaceTrees, as it comes": trees(rows),
            f"River HalfSpaceTrees, {size}": trees(rows, **PAPER),
            "nn.GRU, a call an observation": loop(rows, model),
            ONE: advancing(rows, model, 1),
            MANY: advancing(rows, model, STREAMS),
        },
        rounds,
    )
    console.print(table_of(peers))
    write_json(file, [asdict(one) for one in peers])
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where results are written")
    options = parser.parse_args()
    sys.exit(main(options.rounds, options.json))
