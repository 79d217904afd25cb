"""How many times faster than the service one would write by hand? Every path, in one run.

    python -m benchmarks.speed [--quick] [--json FILE] [--rounds N] [--seconds S]

Three services run all the time, each with a redis-server of its own: the naive one, ours with an
entry in Redis for each verdict (paths of one observation at a time) and ours with packed entries
(batches). In a round each path is measured on the naive one and on ours, one after the other, while
those that are not measured are held still. A stretch ends when the last verdict is in Redis. Ends
with status 1 on errors and wrong counts or scores, not on a target that is missed. Linux only.
"""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path as File
from statistics import median
from time import perf_counter
from typing import Any, Final

import uvloop
from rich.console import Console
from rich.progress import Progress

from benchmarks import speed_report
from benchmarks.load_check import RELATIVE, worst_error
from benchmarks.load_rows import METRICS, STREAMS
from benchmarks.speed_cores import Cores, on
from benchmarks.speed_model import HIDDEN, write_model
from benchmarks.speed_paths import EACH, NAIVE, PACKED, PATHS, SINGLE, Path
from benchmarks.speed_report import Rounds
from benchmarks.speed_run import Stretch, stretch
from benchmarks.speed_site import Contender, contenders

QUICK: Final = (3, 0.7)
"""Rounds, and seconds of a stretch."""
WHOLE: Final = (7, 3.0)
NOTES: Final = (
    f"{STREAMS} streams, {METRICS} metrics, {HIDDEN} hidden units, none washing out. "
    "{cores} cores: {pinned}. {rounds} rounds, {took_s} s in all. Ours writes an entry a verdict, "
    "or where many come at a time packed entries; snapshots are on; Redis writes nothing to disk. "
    "Rows a second until the last verdict is in Redis. {others:.2f} cores were busy with something "
    "else, {most:.2f} at most."
)
Checks = dict[str, dict[str, Any]]
WARM_UP_STEPS: Final = {NAIVE: 1, EACH: 4, PACKED: 4}
console = Console(width=max(Console().width, 140))


@dataclass(slots=True)
class Race:
    """Rounds of every path on the naive service and one of ours.

    Attributes:
        seconds: A stretch is to take.
        found: What was measured.
        rates: Of each service and path, the last that was measured.
        troubles: What was answered where a verdict was wanted.
    """

    contenders: list[Contender]
    seconds: float
    found: Rounds = field(default_factory=lambda: defaultdict(list))
    rates: dict[tuple[str, str], float] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    async def warm_up(self) -> None:
        """Let everything happen once; gives a first idea of the rates."""
        for path in PATHS:
            for one in self._running(path):
                with one.alone(self.contenders):
                    found = await self._measured(one, path, WARM_UP_STEPS[one.name])
                one.warm_up_errors += found.errors

    async def round(self, *, is_ours_first: bool) -> None:
        """Measure every path on the naive service and on ours, one right after the other."""
        for path in PATHS:
            running = self._running(path)
            for one in reversed(running) if is_ours_first and path is not SINGLE else running:
                with one.alone(self.contenders):
                    found = await self._measured(one, path, self._steps(one, path))
                self.found[one.name, path.title].append(found)

    def _running(self, path: Path) -> list[Contender]:
        """Tell who is measured by a path: where ours is held against another, ours alone."""
        names = {path.ours, NAIVE} if path.against is None else {path.ours}
        return [one for one in self.contenders if one.name in names]

    def _steps(self, one: Contender, path: Path) -> int:
        rate = self.rates[one.name, path.title]
        return max(1, round(rate * self.seconds / STREAMS))

    async def _measured(self, one: Contender, path: Path, steps: int) -> Stretch:
        rate = self.rates[NAIVE, SINGLE.title] / 2 if path.measure == "p99" else None
        found = await stretch(one, path, steps, rate)
        if found.trouble:
            self.troubles.append(f"{one.name}, {path.title}: {found.trouble}")
        self.rates[one.name, path.title] = found.rate
        return found


async def raced(every: list[Contender], rounds: int, seconds: float, cores: Cores) -> Race:
    """Warm all up and run the rounds; who comes first changes from round to round."""
    race = Race(every, seconds)
    with Progress(console=console, transient=True) as progress, on(cores.client):
        task = progress.add_task("warming up", total=rounds + 1)
        await race.warm_up()
        for number in range(rounds):
            progress.update(task, advance=1, description=f"round {number + 1} of {rounds}")
            await race.round(is_ours_first=number % 2 == 1)
    return race


async def checks_of(every: list[Contender], found: Rounds, model: File) -> Checks:
    """Say of each service whether its answers were right."""
    checks: Checks = {}
    for one in every:
        stretches = chain.from_iterable(
            many for (name, _), many in found.items() if name == one.name
        )
        checks[one.name] = {
            "answered": one.answered,
            "in Redis": await one.ledger.written(),
            "dropped": await one.dropped(),
            "errors": sum(part.errors for part in stretches) + one.warm_up_errors,
            "scores looked at": len(one.scores),
            "largest relative error of these": worst_error(one.scores, model),
        }
    return checks


def failures_of(checks: Checks) -> list[str]:
    """Name what is not as it should be."""
    found = []
    for service, told in checks.items():
        wrong = {
            "rows got no verdict": told["errors"] > 0,
            "verdicts were dropped": told["dropped"] > 0,
            "as many verdicts are not in Redis as were answered": told["in Redis"]
            != told["answered"],
            "scores are off": not told["largest relative error of these"] <= RELATIVE,
        }
        found += [f"{service}: {what}" for what, is_so in wrong.items() if is_so]
    return found


def tell(race: Race, checks: Checks, machine: dict[str, Any]) -> list[str]:
    """Print everything; gives what is not as it should be."""
    found = race.found
    console.print(speed_report.targets(found), speed_report.details(found))
    others = [one.others for many in found.values() for one in many]
    console.print(NOTES.format(**machine, others=median(others), most=max(others)))
    for service, told in checks.items():
        console.print(
            f"{service}: " + ", ".join(f"{name} {value:,.6g}" for name, value in told.items())
        )
    failures = failures_of(checks)
    console.print(
        "\n".join([*failures, *race.troubles])
        or "every row got its verdict, every verdict is in Redis"
    )
    return failures


async def main(rounds: int, seconds: float, file: File | None) -> bool:
    """Measure, print and write; whether counts and scores are right."""
    cores = Cores.of_this_machine()
    machine = {"cores": len(os.sched_getaffinity(0)), "pinned": str(cores), "rounds": rounds}
    machine |= {
        "seconds": seconds,
        "python": platform.python_version(),
        "system": platform.system(),
    }
    began = perf_counter()
    with tempfile.TemporaryDirectory(prefix="sw-") as home:
        model = write_model(File(home) / "models" / "bench")
        async with contenders(model, File(home), cores) as every:
            race = await raced(every, rounds, seconds, cores)
            checks = await checks_of(every, race.found, model)
    machine["took_s"] = round(perf_counter() - began, 1)
    failures = tell(race, checks, machine)
    speed_report.write(file, race.found, checks, machine)
    return not failures


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under two minutes")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="a stretch takes")
    parser.add_argument("--json", type=File, help="where results are written")
    given = parser.parse_args()
    rounds, seconds = QUICK if given.quick else WHOLE
    given.rounds, given.seconds = given.rounds or rounds, given.seconds or seconds
    return given


if __name__ == "__main__":
    options = _options()
    os.environ.pop("REDIS_URL", None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(not runner.run(main(options.rounds, options.seconds, options.json)))
