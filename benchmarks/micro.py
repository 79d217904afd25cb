"""What does each part cost, as a multiple of what its arithmetic or its bytes cost at least?

    python -m benchmarks.micro [--json FILE]

The floor of a step is its matrix products at the rate of a large float32 one, plus sigmoid and
tanh at their own; the floor of decoding, encoding and telling is one copy of the bytes. All on one
thread, in one process; each figure and its floor are measured in turn. Ends with status 0: targets
are told, not enforced.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import structlog
import torch
from rich.console import Console
from rich.progress import Progress

from benchmarks.json_file import write_json
from benchmarks.micro_codecs import SIZES, codecs
from benchmarks.micro_figures import Figure, tables_of
from benchmarks.micro_sinks import EXPORTED, page_figures, redis_figures
from benchmarks.micro_steps import (
    BATCHES,
    FEW,
    GROWN_BATCHES,
    MANY,
    Banks,
    advances,
    growth,
    steps,
)
from benchmarks.speed_model import write_model
from models.checkpoint import Checkpoint

console = Console(width=max(Console().width, 120))


def measured(model: Checkpoint) -> list[Figure]:
    """Measure everything."""
    found: list[Figure] = []
    banks = Banks(model)
    total = len(BATCHES) * (1 + len((FEW, MANY))) + len(GROWN_BATCHES) + 4 * len(SIZES)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("", total=total + 2 * len(SIZES) + len(EXPORTED))
        for name, part in (
            ("step", steps(model)),
            ("advance", advances(banks)),
            ("growth", growth(banks)),
            ("decode and encode", codecs(model)),
        ):
            progress.update(task, description=name)
            for figure in part:
                found.append(figure)
                progress.advance(task)
        for name, telling in (("Redis", redis_figures), ("metrics page", page_figures)):
            progress.update(task, description=name)
            many = asyncio.run(telling(model))
            found += many
            progress.advance(task, len(many))
    return found


def main(file: Path | None) -> int:
    """Measure, print and write."""
    torch.set_num_threads(1)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with tempfile.TemporaryDirectory() as home:
        model = Checkpoint.load(write_model(Path(home) / "bench"))
    found = measured(model)
    console.print(*tables_of(found))
    write_json(file, [one.told() for one in found])
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where the figures are written")
    sys.exit(main(parser.parse_args().json))
