"""`stepwatch host` on this machine, with bursts made on purpose: found or not, and how fast.

    python -m benchmarks.host --minutes 10

Run it on a machine where nobody else works: an alert about their work would count as a false one.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from benchmarks.json_file import write_json

COMMAND = Path(sys.executable).with_name("stepwatch")
BURST_S = 20.0
FIRST_S = 30.0
"""From the begin of watching to the first burst."""
APART_S = 60.0
"""From the begin of one burst to that of the next."""
AFTER_S = 30.0
"""An alert that opens so soon after a burst is about it: the load is an average over a minute."""
KINDS = ("cpu", "disk")
console = Console()


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Work made on purpose; epoch seconds."""

    kind: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a burst.

    Attributes:
        delay_s: From its begin to the alert; None: there was none.
        reasons: Metrics the alert named when it opened, the largest share first.
        was_open: Whether an alert was open already, so that none could open.
    """

    kind: str
    delay_s: float | None
    reasons: list[str]
    was_open: bool


class Ear:
    """Hears of alerts over the service's live tail.

    Attributes:
        opened: Alerts as they opened.
        resolved: As they resolved.
    """

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.resolved: list[dict[str, Any]] = []

    async def listen(self, url: str) -> None:
        """Listen until the service ends."""
        place = f"{url.replace('http', 'ws', 1)}/v1/live?only=alerts"
        with suppress(ConnectionClosedError):  # a service that ends says so in this way
            await self._hear(place)

    async def _hear(self, place: str) -> None:
        async with connect(place, proxy=None) as socket:
            async for frame in socket:
                for alert in json.loads(frame)["alerts"]:
                    if alert["status"] == "opened":
                        self.opened.append(alert)
                    elif alert["status"] == "resolved":
                        self.resolved.append(alert)

    def was_open_at(self, at_s: float) -> bool:
        """Tell whether an alert was open at a time."""
        begun = [alert for alert in self.opened if alert["timestamp"] <= at_s]
        ended = [alert for alert in self.resolved if alert["timestamp"] <= at_s]
        return len(begun) > len(ended)


def outcome(burst: Burst, ear: Ear) -> Outcome:
    """Find the first alert that opened in the time of a burst."""
    about = [one for one in ear.opened if burst.begin <= one["timestamp"] < burst.end + AFTER_S]
    return Outcome(
        kind=burst.kind,
        delay_s=about[0]["timestamp"] - burst.begin if about else None,
        reasons=[part["metric"] for part in about[0]["contributors"][:3]] if about else [],
        was_open=ear.was_open_at(burst.begin),
    )


def false_alerts(bursts: list[Burst], ear: Ear) -> list[dict[str, Any]]:
    """Find the alerts that opened in the time of no burst."""
    return [
        one
        for one in ear.opened
        if not any(burst.begin <= one["timestamp"] < burst.end + AFTER_S for burst in bursts)
    ]


async def make(kind: str, folder: Path) -> Burst:
    """Make one burst: a process for each CPU, or one that writes."""
    begin, count = time.time(), (os.cpu_count() or 1) if kind == "cpu" else 1
    command = (sys.executable, "-m", "benchmarks.host_bursts", kind, str(BURST_S))
    workers = [
        await asyncio.create_subprocess_exec(*command, "--folder", str(folder))
        for _ in range(count)
    ]
    await asyncio.gather(*(worker.wait() for worker in workers))
    return Burst(kind=kind, begin=begin, end=time.time())


@asynccontextmanager
async def hosting(data_dir: Path, learn_min: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start `stepwatch host` with nothing of this machine's settings; Ctrl-C at the end."""
    theirs = ("STEPWATCH_", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    options = ("--learn", f"{learn_min:g}", "--port", "0", "--data-dir", str(data_dir))
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        "host",
        *options,
        env=kept | {"PYTHONUNBUFFERED": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def shown_until(process: asyncio.subprocess.Process, word: str) -> str:
    """Show what it prints up to a line with a word; gives that line."""
    assert process.stdout is not None
    while line := (await process.stdout.readline()).decode():
        _say(f"  | {line.rstrip()}")
        if word in line:
            return line
    sys.exit("stepwatch host ended before it watched")


async def watched(given: argparse.Namespace, data_dir: Path) -> tuple[list[Burst], Ear, float]:
    """Learn, watch, make the bursts; gives them, the alerts, and how many seconds were watched."""
    began = time.monotonic()
    async with hosting(data_dir, given.learn) as process:
        line = await shown_until(process, "Serving at")
        url = line.split()[2].rstrip(";")
        await shown_until(process, "Watching")
        ear, start = Ear(), time.monotonic()
        listening = asyncio.create_task(ear.listen(url))
        showing = asyncio.create_task(shown_until(process, "summary"))
        bursts = list[Burst]()
        due, end = start + FIRST_S, began + 60 * given.minutes
        while due + BURST_S + AFTER_S <= end:
            await asyncio.sleep(due - time.monotonic())
            bursts.append(await make(KINDS[len(bursts) % len(KINDS)], given.folder))
            due += APART_S
        await asyncio.sleep(max(0.0, end - time.monotonic()))
        lasted = time.monotonic() - start
        process.send_signal(signal.SIGINT)
        await asyncio.gather(showing, listening, process.wait())
    return bursts, ear, lasted


def _say(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def report(bursts: list[Burst], ear: Ear, lasted: float) -> dict[str, Any]:
    """Print what became of each burst, and what else was told."""
    outcomes, wrong = [outcome(burst, ear) for burst in bursts], false_alerts(bursts, ear)
    _say(f"\nwatched for {lasted:.0f} s, {len(bursts)} bursts of {BURST_S:.0f} s")
    for one in outcomes:
        found = "MISSED" if one.delay_s is None else f"found after {one.delay_s:4.1f} s"
        masked = " (an alert was open already)" if one.was_open else ""
        _say(f"  {one.kind:<5} {found}  {', '.join(one.reasons)}{masked}")
    _say(f"{len(wrong)} alerts outside of bursts")
    for alert in wrong:
        reasons = ", ".join(part["metric"] for part in alert["contributors"][:3])
        _say(f"  severity {alert['severity']:.1f}: {reasons}")
    return {
        "watched_s": round(lasted, 1),
        "bursts": [asdict(one) for one in outcomes],
        "false_alerts": wrong,
    }


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description="`stepwatch host` and bursts made on purpose.")
    parser.add_argument("--minutes", type=float, default=10.0, help="learning included")
    parser.add_argument("--learn", type=float, default=4.0, help="minutes; 305 readings at least")
    parser.add_argument("--folder", type=Path, help="where 256 MB are written and removed")
    parser.add_argument("--json", type=Path, help="write the results here too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stepwatch-host-") as scratch:
        given.folder = given.folder or Path(scratch)
        write_json(given.json, report(*asyncio.run(watched(given, Path(scratch)))))


if __name__ == "__main__":
    main()
