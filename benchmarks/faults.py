"""What does a Redis that ails cost those who wait for verdicts? Nothing, and no verdict is lost.

    python -m benchmarks.faults DATA_DIR MODEL [SECONDS [ROUNDS]]

For each fault, in ROUNDS (3) rounds: SECONDS (30) without it, as many with it, then until the sink
has caught up by itself, all under a steady load that does not wait for answers. A frame's latency
counts from when it was due to when its verdicts are read.

A shared machine has bad moments of its own: therefore stretches with and without the fault take
turns, and what is compared are the medians of the rounds' percentiles. A p99 of more than 1.2
times that without the fault is too much. The fewer and shorter the rounds, the more is chance.

Each fault gets a redis-server and a service of its own. Between them, in all stretches alike, is
a proxy in this process. Only the stream of verdicts is counted, whatever else is in that Redis.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.service import metric
from benchmarks.site import FAULTS, RECOVERY_TIMEOUT_S, Site, site
from benchmarks.steady import ROWS_A_SECOND, SteadyLoad
from models.blocks import Float64
from service.keys import Keys

MOST_TIMES_THE_P99: Final = 1.2
WARM_UP_S: Final = 3.0
SCORES: Final = '{kind="scores",sink="redis"}'
console = Console()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault did.

    Attributes:
        p50_p99_ms: Medians of the rounds, `[without, with, catching up] x [p50, p99]`.
        recovery_s: Longest time until the sink had caught up.
        felt: Failed attempts of the sink and connections it had to make anew.
    """

    p50_p99_ms: Float64
    recovery_s: float
    felt: int
    asked: int
    answered: int
    entries: int
    dropped: int

    @property
    def times_the_p99(self) -> float:
        """What the p99 grew to, as a multiple of that without the fault."""
        return float(self.p50_p99_ms[1, 1] / self.p50_p99_ms[0, 1])

    @property
    def failures(self) -> list[str]:
        """What is not as it should be."""
        checks = {
            "verdicts are missing": self.asked == self.answered,
            "entries and drops are not the verdicts": self.entries + self.dropped == self.answered,
            "it did not recover": self.recovery_s < RECOVERY_TIMEOUT_S,
            "the sink felt nothing of it: too short": self.felt > 0,
            "the p99 rose too much": self.times_the_p99 <= MOST_TIMES_THE_P99,
        }
        return [problem for problem, is_well in checks.items() if not is_well]


async def measure(
    at: Site, fault: str, rounds: int, pause: Callable[[], Awaitable[None]]
) -> Outcome:
    """Go through the rounds; `pause` waits for the length of a stretch."""
    await at.recovered(ROWS_A_SECOND)
    await asyncio.sleep(WARM_UP_S)
    connections = at.proxy.accepted
    marks, recoveries = [], []
    for _ in range(rounds):
        marks.append(at.load.now())
        await pause()
        marks.append(at.load.now())
        async with FAULTS[fault](at):
            await pause()
        marks.append(at.load.now())
        recoveries.append(await at.recovered(ROWS_A_SECOND))
    marks.append(at.load.now())
    await at.load.stop()
    recoveries.append(await at.recovered(0))
    return Outcome(
        p50_p99_ms=_medians(at.load, marks),
        recovery_s=max(recoveries),
        felt=await at.failures() + at.proxy.accepted - connections,
        asked=at.load.asked,
        answered=at.load.answered,
        entries=await at.control.xlen(Keys().scores),
        dropped=int(await metric(at.http, "stepwatch_sink_dropped_total", SCORES)),
    )


def _medians(load: SteadyLoad, marks: list[float]) -> Float64:
    stretches = [_percentiles(load.latencies_ms(*ends)) for ends in pairwise(marks)]
    return np.median(np.reshape(stretches, (-1, 3, 2)), axis=0)


def _percentiles(took_ms: Float64) -> Float64:
    """The sink may have caught up before a frame was due."""
    return np.percentile(took_ms, (50, 99)) if len(took_ms) else np.full(2, np.nan)


def table_of(outcomes: dict[str, Outcome]) -> Table:
    """Show what was measured, times in milliseconds."""
    table = Table("fault", "stretch", "p50 ms", "p99 ms", "of p99", "all rounds")
    for fault, outcome in outcomes.items():
        told = {
            "without": f"{outcome.answered} verdicts of {outcome.asked}",
            "with": f"{outcome.entries} entries, {outcome.dropped} dropped",
            "catching up": f"{outcome.felt} failures, up again in {outcome.recovery_s:.1f} s",
        }
        for row, (stretch, what) in enumerate(told.items()):
            p50, p99 = outcome.p50_p99_ms[row]
            times = f"{outcome.times_the_p99:.2f} x" if stretch == "with" else ""
            name = fault if row == 0 else ""
            table.add_row(name, stretch, f"{p50:.2f}", f"{p99:.2f}", times, what)
        table.add_section()
    return table


async def main(data_dir: Path, model: str, seconds: float, rounds: int) -> bool:
    """Measure every fault and print a table; whether all is as it should be."""
    outcomes = {}
    with Progress(console=console) as progress:
        task = progress.add_task("", total=2 * rounds * seconds * len(FAULTS))

        async def pause() -> None:
            for _ in range(ceil(seconds)):
                await asyncio.sleep(seconds / ceil(seconds))
                progress.advance(task, seconds / ceil(seconds))

        for fault in FAULTS:
            progress.update(task, description=fault)
            async with site(data_dir, model) as at:
                outcomes[fault] = await measure(at, fault, rounds, pause)
    console.print(table_of(outcomes))
    failures = [
        f"{fault}: {failure}" for fault, outcome in outcomes.items() for failure in outcome.failures
    ]
    console.print("\n".join(failures) or "nobody waited, nothing was lost")
    return not failures


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    length_s, times = float(given.get(3, "30")), int(given.get(4, "3"))
    os.environ.pop("REDIS_URL", None)
    sys.exit(not asyncio.run(main(Path(given[1]), given[2], length_s, times)))
