"""What does a service lose that is killed with kill -9? No more than /metrics said just before.

    stepwatch train FILE.npz --name MODEL --data-dir DATA_DIR
    python -m benchmarks.crash FILE.npz MODEL DATA_DIR [ROUNDS]

In each of ROUNDS (3) rounds a service with the embedded store is fed the file up to its longest
quiet stretch, there one observation a second, and is killed after a while, each time another
while. Its successor restores, and each stream goes on with the first observation that was not
answered. Everything is compared with a service that went through.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import Final

import httpx
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from websockets.asyncio.client import connect

from benchmarks.fleet import answer_of, frame_of
from benchmarks.restored import NUMBERS, WITHIN, Rows, errors_of, home_with, outcomes, within
from benchmarks.service import Service, metric, serving
from models.blocks import Float64
from models.reading import read

STREAMS: Final = 4
STEP_S: Final = 1.0
"""Of the event times, and between observations before the crash."""
PACED: Final = 12
"""Observations that come at that pace in the first round; one more in each further round."""
MARGIN: Final = 60
AFTER: Final = 200
ROWS_A_FRAME: Final = 200
IDS: Final = [f"crash/{number}" for number in range(STREAMS)]
console = Console()
Start = Callable[[], AbstractAsyncContextManager[Service]]


class TooLoudError(Exception):
    """The recording has no quiet stretch that is long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one crash; of several streams the worst.

    Attributes:
        restored: Snapshots by what became of them.
        shown_s: Age of the snapshots that /metrics showed, and the time from then to the crash.
        age_s: Age of the oldest observation that was lost.
        lost: Observations of a stream that were lost.
        loud: Anomalies, alerts and verdicts that are not live afterwards.
        errors: Relative errors of scores and thresholds, `[2, STREAMS, AFTER]`.
    """

    restored: dict[str, int]
    shown_s: float
    age_s: float
    lost: int
    loud: dict[str, int]
    errors: Float64

    @property
    def failures(self) -> list[str]:
        """What is not as it should be."""
        checks = {
            "not everything was restored": self.restored == {"restored": STREAMS},
            "the state was older than shown": self.age_s <= self.shown_s,
            "false alarms": not any(self.loud.values()),
        }
        return [problem for problem, is_well in checks.items() if not is_well]


async def send(service: Service, values: Float64, begin: int, end: int) -> dict[str, Rows]:
    """Send rows of the recording to every stream; gives the verdicts."""
    verdicts: dict[str, Rows] = {one: [] for one in IDS}
    async with connect(service.socket_url, proxy=None, compression=None, max_size=None) as socket:
        for first in range(begin, end, ROWS_A_FRAME):
            rows = np.arange(first, min(first + ROWS_A_FRAME, end))
            ids = np.repeat(IDS, len(rows)).tolist()
            every = np.tile(rows, STREAMS)
            await socket.send(frame_of(ids, STEP_S * every.astype(np.float64), values[every]))
            for row in answer_of(await socket.recv()).to_pylist():
                verdicts[row["stream_id"]].append(row)
    return verdicts


async def through(values: Float64, start: Start) -> Rows:
    """Give the verdicts of a service that is not killed; they are the same for every stream."""
    async with start() as service:
        return (await send(service, values, 0, len(values)))[IDS[0]]


def quiet_place(verdicts: Rows, needed: int) -> int:
    """Find where the longest stretch without anomalies begins, some rows after the last one.

    Raises:
        TooLoudError: If there is none of `needed` rows.
    """
    loud = [at for at, row in enumerate(verdicts) if row["is_anomaly"] or row["alert"]]
    length, begin = max((high - low, low) for low, high in pairwise([0, *loud, len(verdicts)]))
    if length < MARGIN + needed:
        raise TooLoudError(f"the longest quiet stretch has {length} rows, not {MARGIN + needed}")
    return begin + MARGIN


async def crash(
    service: Service, values: Float64, paced: range, tick: Callable[[], None]
) -> tuple[float, list[float]]:
    """Send rows at the pace of their times, then kill the service.

    Returns:
        The age that was shown, as of the crash, and how long before the crash each was answered.
    """
    answered = []
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        began = monotonic()
        for number, row in enumerate(paced):
            await asyncio.sleep(max(0.0, began + number * STEP_S - monotonic()))
            await send(service, values, row, row + 1)
            answered.append(monotonic())
            tick()
        await asyncio.sleep(STEP_S / 2)
        asked = monotonic()
        age_s = await metric(client, "stepwatch_snapshot_age_seconds")
        killed = monotonic()
        service.process.kill()
        await service.process.wait()
    return age_s + killed - asked, [killed - one for one in answered]


async def seen_by(service: Service) -> list[int]:
    """Ask how many observations each stream knows of."""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        answers = [await client.get(f"/v1/streams/{one}") for one in IDS]
    return [answer.json().get("observations", 0) for answer in answers]


async def measured(
    reference: Rows, values: Float64, start: Start, paced: range, tick: Callable[[], None]
) -> Outcome:
    """Feed, crash, restore, go on and compare."""
    async with start() as service:
        await send(service, values, 0, paced.start)
        shown_s, ages = await crash(service, values, paced, tick)
    async with start() as service:
        restored = await outcomes(service.url)
        seen = await seen_by(service)
        found = await send(service, values, paced.stop, paced.stop + AFTER)
    lost = paced.stop - min(seen)
    rows = [row for verdicts in found.values() for row in verdicts]
    return Outcome(
        restored=restored,
        shown_s=shown_s,
        age_s=0.0 if lost <= 0 else ages[-lost] if lost <= len(ages) else float("inf"),
        lost=lost,
        loud={
            "anomalies": sum(bool(row["is_anomaly"]) for row in rows),
            "alerts": sum(row["alert"] is not None for row in rows),
            "not live": sum(row["phase"] != "live" for row in rows),
        },
        errors=errors_of(reference[paced.stop : paced.stop + AFTER], list(found.values())),
    )


def told_of(one: Outcome) -> dict[str, str]:
    """Say what was measured in a round."""
    told = {
        "restored": ", ".join(f"{number} {what}" for what, number in one.restored.items()),
        "age that was shown, s": f"{one.shown_s:.2f}",
        "age of the oldest lost observation, s": f"{one.age_s:.2f}",
        "lost observations of a stream, most": str(one.lost),
        "alarms": ", ".join(f"{number} {what}" for what, number in one.loud.items() if number)
        or "none",
    }
    for name, errors in zip(NUMBERS, one.errors, strict=True):
        told[f"{name}: relative error, largest"] = f"{errors.max():.1e}"
        told[f"{name}: relative error, median"] = f"{np.median(errors):.1e}"
        told[f"{name}: observations until below {WITHIN:.0e}"] = within(errors)
    return told


def table_of(found: list[Outcome]) -> Table:
    """Show the rounds side by side."""
    table = Table("", *(f"crash {number}" for number in range(1, len(found) + 1)))
    rounds = [told_of(one) for one in found]
    for what in rounds[0]:
        table.add_row(what, *(told[what] for told in rounds))
    return table


async def main(file: Path, model: str, data_dir: Path, rounds: int) -> bool:
    """Run all rounds and print a table; whether all is as it should be."""
    values, checkpoint = read(file, part="test").values, data_dir / "models" / model
    settings = {"STEPWATCH_START": "reference", "STEPWATCH_DEFAULT_MODEL": model}
    found = []
    with Progress(console=console) as progress:
        task = progress.add_task("a service that goes through", total=None)
        with home_with(checkpoint) as home:
            whole = await through(values, partial(serving, home, **settings, STEPWATCH_STORE="off"))
        begin = quiet_place(whole, PACED + rounds + AFTER)
        progress.update(task, total=sum(PACED + number for number in range(rounds)))
        for number in range(rounds):
            progress.update(task, description=f"crash {number + 1} of {rounds}")
            paced, tick = range(begin, begin + PACED + number), partial(progress.advance, task)
            with home_with(checkpoint) as home:
                start = partial(serving, home, **settings)
                found.append(await measured(whole, values, start, paced, tick))
    console.print(table_of(found))
    console.print(f"{STREAMS} streams, {AFTER} observations of each after the crash")
    failures = [f"{at}: {failure}" for at, one in enumerate(found, 1) for failure in one.failures]
    console.print("\n".join(failures) or "nothing corrupt, nothing older than shown, no alarm")
    return not failures


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    os.environ.pop("REDIS_URL", None)
    where = Path(given[1]), given[2], Path(given[3])
    try:
        sys.exit(not asyncio.run(main(*where, int(given.get(4, "3")))))
    except TooLoudError as error:
        sys.exit(str(error))
