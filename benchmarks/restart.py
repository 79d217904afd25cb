"""What do snapshots of many streams cost, and how long does a restart take?

    python -m benchmarks.restart DATA_DIR MODEL [STREAMS [ROUNDS]]

Starts a redis-server of its own and two services, one that keeps snapshots there and one that keeps
none. Each of STREAMS (10000) streams is brought out of washout, then sends an observation every ten
seconds. In ROUNDS (2) rounds one service after the other is measured for 30 seconds, after ten in
which it settles; the sinks write no verdicts, so that what Redis takes in is snapshots. Then the
service is stopped in order, under load until the last moment, and started again.
"""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Final

import httpx
import numpy as np
from redis.asyncio import Redis
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.fleet import FRAMES_A_SECOND, STEP_S, Fleet
from benchmarks.fleet_site import (
    AGE,
    MEASURE_S,
    SETTLE_S,
    Site,
    Stretch,
    Watched,
    client_of,
    connected,
)
from benchmarks.outage import redis_server
from benchmarks.restored import outcomes
from benchmarks.service import Service, free_port, metric
from models.spec import REFERENCE_STEPS

TO_BE_LIVE: Final = REFERENCE_STEPS + 2
SAVED_WITHIN_S: Final = 300.0
READY_WITHIN_S: Final = 300.0
POLL_S: Final = 0.01
BYTES: Final = ("written", "taken_in")
console = Console()


async def until_saved(at: Watched) -> float:
    """Wait until everything is stored; gives the seconds it took."""
    began = monotonic()
    async with asyncio.timeout(SAVED_WITHIN_S):
        while await metric(at.http, AGE):  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.5)
    return monotonic() - began


async def stop(service: Service) -> float:
    """Stop a service in order; gives the seconds until its process has ended."""
    began = monotonic()
    service.process.send_signal(signal.SIGINT)
    await service.process.wait()
    return monotonic() - began


@dataclass(frozen=True, slots=True)
class Restart:
    """A service that was started again: seconds until it listened and took observations."""

    service: Service
    listening_s: float
    ready_s: float


@asynccontextmanager
async def restarted(site: Site, **settings: str) -> AsyncIterator[Restart]:
    """Start a service and look closely when it is there; stop it in order."""
    port, began = free_port(), monotonic()
    process = await asyncio.create_subprocess_exec(
        *("stepwatch", "serve", "--port", str(port), "--data-dir", str(site.data_dir)),
        env=os.environ | {"STEPWATCH_LOG_LEVEL": "error"} | site.settings | settings,
    )
    service = Service(f"http://127.0.0.1:{port}", process)
    try:
        async with client_of(service.url) as http, asyncio.timeout(READY_WITHIN_S):
            await until_ok(http, "/healthz")
            listening_s = monotonic() - began
            await until_ok(http, "/readyz")
            ready_s = monotonic() - began
        yield Restart(service, listening_s, ready_s)
    finally:
        if process.returncode is None:
            await stop(service)


async def until_ok(http: httpx.AsyncClient, path: str) -> None:
    """Ask until the answer is 200."""
    while True:
        with suppress(httpx.TransportError):  # nobody listens yet
            if (await http.get(path)).status_code == httpx.codes.OK:
                return
        await asyncio.sleep(POLL_S)


def figures(stretches: list[Stretch]) -> tuple[str, str]:
    """Give p50 and p99 of all frames together, in milliseconds."""
    p50, p99 = np.percentile(np.concatenate([one.took_ms for one in stretches]), (50, 99))
    return f"{p50:.2f} ms", f"{p99:.2f} ms"


def steady_figures(kept: list[Stretch], plain: list[Stretch]) -> dict[str, str]:
    """Say what the steady load showed."""
    (p50, p99), (plain_p50, plain_p99) = figures(kept), figures(plain)
    written, taken_in = (np.mean([getattr(one, name) for one in kept]) for name in BYTES)
    return {
        "snapshots written in steady state": f"{written:,.0f} bytes/s",
        "taken in by Redis in that time": f"{taken_in:,.0f} bytes/s",
        "age of the snapshots, most": f"{max(max(one.ages_s) for one in kept):.1f} s",
        "ingest p50, with snapshots and without": f"{p50}, {plain_p50}",
        "ingest p99, with snapshots and without": f"{p99}, {plain_p99}",
    }


async def loaded(site: Site, progress: Progress, rounds: int) -> tuple[dict[str, str], Fleet]:
    """Bring everything to its steady state, measure it there, and stop."""
    found, empty = {}, await site.info("memory", "used_memory")
    async with (
        site.watched(STEPWATCH_STORE="redis") as kept,
        site.watched(STEPWATCH_STORE="off", STEPWATCH_START="reference") as plain,
    ):
        for _ in progress.track(range(TO_BE_LIVE), description="out of washout"):
            await kept.fleet.everyone()
        await plain.fleet.everyone()
        waiting = progress.add_task("saving", total=None)
        found["everything saved after"] = f"{await until_saved(kept):.1f} s"
        progress.remove_task(waiting)
        found |= await site.sizes(empty)
        seconds = (SETTLE_S + MEASURE_S) * 2 * rounds + SETTLE_S
        task = progress.add_task("steady load", total=seconds * FRAMES_A_SECOND)
        sent = partial(progress.advance, task)
        stretches: tuple[list[Stretch], list[Stretch]] = ([], [])
        for _ in range(rounds):
            stretches[0].append(await site.stretch(kept, sent))
            stretches[1].append(await site.stretch(plain, sent))
        found |= steady_figures(*stretches)
        await kept.fleet.steadily(SETTLE_S, sent)
        found["stopping in order"] = f"{await stop(kept.service):.2f} s"
    return found, kept.fleet


async def back(site: Site, fleet: Fleet) -> tuple[dict[str, str], list[str]]:
    """Start again and let every stream send once; gives figures, and what went wrong."""
    async with restarted(site, STEPWATCH_STORE="off") as bare:
        start = f"{bare.ready_s:.2f} s"
    async with (
        restarted(site, STEPWATCH_STORE="redis") as again,
        connected(again.service) as socket,
    ):
        became = await outcomes(again.service.url)
        fleet.go_on_at(socket)
        await fleet.everyone()
    checks = {
        "not everything was restored": became == {"restored": site.streams},
        "not every stream is live": fleet.phases == {"live": site.streams},
    }
    found = {
        "from process start to ready, without snapshots": start,
        "from process start to listening": f"{again.listening_s:.2f} s",
        "from process start to ready": f"{again.ready_s:.2f} s",
        "from listening to ready": f"{again.ready_s - again.listening_s:.2f} s",
        "snapshots": ", ".join(f"{number} {what}" for what, number in became.items()),
        "first verdicts": ", ".join(f"{number} {what}" for what, number in fleet.phases.items()),
    }
    return found, [problem for problem, is_well in checks.items() if not is_well]


async def main(data_dir: Path, model: str, streams: int, rounds: int) -> bool:
    """Measure and print a table; whether every stream was live again."""
    port = free_port()
    settings = {
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "STEPWATCH_REDIS_SCORES": "off",
        "STEPWATCH_DEFAULT_MODEL": model,
        "STEPWATCH_MAX_STREAMS": str(max(streams, 100_000)),
    }
    with tempfile.TemporaryDirectory() as directory, Progress(console=console) as progress:
        async with (
            redis_server(port, directory),
            Redis(port=port, single_connection_client=True) as redis,
        ):
            site = Site(data_dir, model, streams, redis, settings)
            found, fleet = await loaded(site, progress, rounds)
            later, failures = await back(site, fleet)
    table = Table("", "", title=f"{streams} streams, {streams / STEP_S:.0f} observations a second")
    for what, figure in (found | later).items():
        table.add_row(what, figure)
    console.print(table)
    console.print("\n".join(failures) or "every stream was live again")
    return not failures


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    os.environ.pop("REDIS_URL", None)
    numbers = int(given.get(3, "10000")), int(given.get(4, "2"))
    sys.exit(not asyncio.run(main(Path(given[1]), given[2], *numbers)))
