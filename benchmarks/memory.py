"""How much memory does a stream take? Resident bytes by which a fresh process grows.

    python -m benchmarks.memory [--streams 1000,10000,100000] [--json FILE]

38 metrics, 64 hidden units, a window of 1,000 scores; every stream is started and has seen so much
that its rings are full. Once through `StreamBank` alone, once through a real service that is fed
Arrow batches, without Redis entries and snapshots. Before the first look each has done the same
with streams of another bank or model, so that what a batch needs for itself is there, and what is
kept of batches whatever the streams. Ends with status 1 if a row got no verdict, not if a target is
missed. Linux only.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.herd import BATCH, Herd, HerdError
from benchmarks.json_file import write_json
from benchmarks.load_rows import METRICS
from benchmarks.micro_steps import TOUCHED, block_of
from benchmarks.service import serving
from benchmarks.speed_model import write_model
from models.bank import StreamBank
from models.checkpoint import Checkpoint
from models.options import StreamOptions

COUNTS: Final = (1_000, 10_000, 100_000)
MOST_KIB: Final = 16
AIM_KIB: Final = 8
WARM: Final = "warm"
"""Name of the other model, and of its streams."""
_KIB: Final = 1024
console = Console()


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """What streams added to a process.

    Attributes:
        what: Who holds the streams.
        before: Resident bytes without them.
        after: Resident bytes with them.
    """

    what: Literal["bank", "service"]
    streams: int
    before: int
    after: int

    @property
    def kib_a_stream(self) -> float:
        """How much a stream took."""
        return (self.after - self.before) / self.streams / _KIB


def resident(pid: int) -> int:
    """Read how many bytes of a process are in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * _KIB


def of_bank(count: int) -> Growth:
    """Measure a bank in this process, which is to be a fresh one."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        model = Checkpoint.load(write_model(Path(home) / "bench"))
    other = _used(model, min(count, BATCH), steps=2)
    before = resident(os.getpid())
    bank = _used(model, count, steps=TOUCHED)
    after = resident(os.getpid())
    del other, bank  # not before: both count
    return Growth(what="bank", streams=count, before=before, after=after)


def _used(model: Checkpoint, count: int, steps: int) -> StreamBank:
    """Make a bank whose streams have seen so many observations."""
    bank = StreamBank(model)
    values = np.random.default_rng(0).normal(0.5, 0.1, (min(count, BATCH), METRICS)).clip(0, 1)
    parts = [np.arange(first, min(first + BATCH, count)) for first in range(0, count, BATCH)]
    for slots in parts:  # as they would come, not all at once
        bank.start(slots, StreamOptions(start="reference"))
    for step in range(steps):
        for slots in parts:
            bank.advance(block_of(slots, values[: len(slots)], step))
    return bank


async def of_service(count: int, progress: Progress) -> Growth:
    """Measure a service."""
    settings = {
        "STEPWATCH_DEFAULT_MODEL": "bench",
        "STEPWATCH_START": "reference",
        "STEPWATCH_REDIS_SCORES": "off",
        "STEPWATCH_STORE": "off",
        "STEPWATCH_MAX_STREAMS": str(count + BATCH),
    }
    other, herd = Herd(WARM, min(count, BATCH)), Herd("herd", count)
    task = progress.add_task(f"service, {count:,} streams", total=TOUCHED)
    with tempfile.TemporaryDirectory(prefix="sw-") as place:
        home = Path(place)
        shutil.copytree(write_model(home / "models" / "bench"), home / "models" / WARM)
        pattern = f'[[streams]]\npattern = "{WARM}*"\nmodel = "{WARM}"\n'
        (home / "stepwatch.toml").write_text(pattern)
        async with serving(home, **settings) as service:
            port, pid = int(service.url.rpartition(":")[2]), service.process.pid
            await other.send(port, steps=TOUCHED)  # as long, so that caches are full, too
            before = resident(pid)
            await herd.send(port, TOUCHED, lambda: progress.advance(task))
            after = resident(pid)
    progress.remove_task(task)
    return Growth(what="service", streams=count, before=before, after=after)


async def _bank_apart(count: int, progress: Progress) -> Growth:
    """Measure a bank in a process of its own."""
    task = progress.add_task(f"bank, {count:,} streams", total=None)
    given = ("-m", "benchmarks.memory", "--bank", str(count))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *given, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    if process.returncode:
        raise HerdError(f"the process with {count:,} streams ended with {process.returncode}")
    progress.remove_task(task)
    return Growth(**json.loads(told))


def table_of(found: list[Growth]) -> Table:
    """Show what streams took, and what those took that one process had more than another."""
    table = Table("", "streams", "before", "after", "KiB a stream", "of those that came", "met")
    table.title = f"Resident memory (at most {MOST_KIB} KiB a stream, aim {AIM_KIB})"
    fewer = {(two.what, two.streams): one for one, two in pairwise(found) if one.what == two.what}
    for one in found:
        less, kib = fewer.get((one.what, one.streams)), one.kib_a_stream
        more = ""
        if less is not None:
            grown = (one.after - one.before) - (less.after - less.before)
            more = f"{grown / (one.streams - less.streams) / _KIB:.2f}"
        table.add_row(
            one.what,
            f"{one.streams:,}",
            f"{one.before / 1e6:,.0f} MB",
            f"{one.after / 1e6:,.0f} MB",
            f"{kib:.2f}",
            more,
            "aim" if kib <= AIM_KIB else "must" if kib <= MOST_KIB else "no",
        )
    return table


async def main(counts: list[int], file: Path | None) -> int:
    """Measure, print and write."""
    found = []
    with Progress(console=console, transient=True) as progress:
        for measure in (_bank_apart, of_service):
            found += [await measure(count, progress) for count in counts]
    console.print(table_of(found))
    write_json(file, [asdict(one) | {"kib_a_stream": one.kib_a_stream} for one in found])
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", default=",".join(map(str, COUNTS)), help="how many, by commas")
    parser.add_argument("--json", type=Path, help="where results are written")
    parser.add_argument("--bank", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    if options.bank is not None:
        print(json.dumps(asdict(of_bank(options.bank))))  # noqa: T201 - read by the parent
        sys.exit()
    os.environ.pop("REDIS_URL", None)
    try:
        sys.exit(asyncio.run(main([int(one) for one in options.streams.split(",")], options.json)))
    except HerdError as error:
        sys.exit(str(error))
