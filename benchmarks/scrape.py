"""What does a scrape cost a service with very many streams, and those who wait meanwhile?

    python -m benchmarks.scrape [--streams 100000] [--seconds S] [--json FILE]

For K = 200 (the default) and K = all exported streams, each with a service of its own without Redis
entries and snapshots: seconds and bytes of GET /metrics, and the latency of single observations at
a steady rate, without and with a scrape each second. Who is answered late waited for the event
loop: the longest latency with scrapes, less the usual one, is its longest hold as seen from
outside. Ends with status 1 if a row got no verdict, not if a target is missed. Linux only.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import uvloop
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.herd import Herd, HerdError
from benchmarks.json_file import write_json
from benchmarks.load import Answers, Line, load
from benchmarks.load_check import COUNTS, is_kept
from benchmarks.load_rows import STREAMS, Feed, Template, http_templates
from benchmarks.service import serving
from benchmarks.speed_cores import Cores, on
from benchmarks.speed_model import write_model

RESIDENT: Final = 100_000
FEW: Final = 200
RATE: Final = 300.0
"""Single observations a second."""
SECONDS: Final = 20.0
EVERY_S: Final = 1.0
FEW_MS: Final = 10.0
"""What a page of few streams is to take at most."""
ALL_MS: Final = 100.0
LOOP_MS: Final = 5.0
"""The longest hold of the loop."""
P99_TIMES: Final = 1.5
CONNECTIONS: Final = 16
console = Console(width=max(Console().width, 110))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """What was found of one K.

    Attributes:
        exported: K.
        most_ms: What the page is to take at most.
        page_ms: What pages took.
        size: Bytes of the last.
        alone_ms: Latencies of single observations without scrapes.
        with_ms: As above, with a scrape each second.
    """

    exported: int
    most_ms: float
    page_ms: list[float]
    size: int
    alone_ms: list[float]
    with_ms: list[float]

    @property
    def hold_ms(self) -> float:
        """The longest hold of the loop that is seen from outside."""
        return max(self.with_ms) - median(self.alone_ms)

    @property
    def p99_times(self) -> float:
        """How many times longer the slowest hundredth waits where there are scrapes."""
        return float(np.percentile(self.with_ms, 99) / np.percentile(self.alone_ms, 99))

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self) | {"hold_ms": self.hold_ms, "p99_times": self.p99_times}


class Singles:
    """A steady stream of single observations."""

    def __init__(self, port: int) -> None:
        self._line = Line(port=port, connections=CONNECTIONS, window=1, rate=RATE)
        self._feed = Feed()
        self._templates: list[list[Template]] = http_templates(
            "/v1/observations", 1, "json", is_plain=True
        )

    async def latencies_ms(self, seconds: float) -> list[float]:
        """Send for so long; gives the latency of each.

        Raises:
            HerdError: If one got no verdict.
        """
        steps = max(1, round(seconds * RATE / STREAMS))
        answers = Answers(wanted=steps * STREAMS, count=COUNTS["json"], keep=is_kept)
        await load(self._line, self._feed.messages(self._templates, steps), answers)
        if answers.errors:
            raise HerdError(f"{answers.errors} rows got no verdict: {answers.trouble}")
        return [took * 1e3 for took in answers.took_s]


@asynccontextmanager
async def _scraping(port: int, times: int) -> AsyncIterator[list[tuple[float, int]]]:
    """Scrape meanwhile; what was found is there when the block has ended."""
    given = ("-m", "benchmarks.scraper", str(port), str(EVERY_S), str(times))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *given, stdout=asyncio.subprocess.PIPE
    )
    found: list[tuple[float, int]] = []
    try:
        yield found
    finally:
        told, _ = await process.communicate()
    if process.returncode:
        raise HerdError("the metrics page did not come")
    found += json.loads(told)


async def measured(worst: int, most_ms: float, streams: int, seconds: float) -> Scraped:
    """Fill a service and scrape it."""
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(f"K = {worst:,}: filling", total=3)
        async with _service(worst, streams) as port:
            await Herd("herd", streams - STREAMS).send(port, steps=2)
            singles = Singles(port)
            await singles.latencies_ms(STREAMS / RATE)  # starts these streams
            progress.update(task, advance=1, description=f"K = {worst:,}: without scrapes")
            alone = await singles.latencies_ms(seconds)
            progress.update(task, advance=1, description=f"K = {worst:,}: with scrapes")
            async with _scraping(port, round(seconds / EVERY_S)) as pages:
                loaded = await singles.latencies_ms(seconds)
    return Scraped(
        exported=worst,
        most_ms=most_ms,
        page_ms=[took_s * 1e3 for took_s, _ in pages],
        size=pages[-1][1],
        alone_ms=alone,
        with_ms=loaded,
    )


@asynccontextmanager
async def _service(worst: int, streams: int) -> AsyncIterator[int]:
    """Run a service on a core of its own and this process on another; gives the port."""
    settings = {
        "STEPWATCH_DEFAULT_MODEL": "bench",
        "STEPWATCH_START": "reference",
        "STEPWATCH_REDIS_SCORES": "off",
        "STEPWATCH_STORE": "off",
        "STEPWATCH_MAX_STREAMS": str(streams),
        "STEPWATCH_WORST": str(worst),
    }
    cores = Cores.of_this_machine()
    async with AsyncExitStack() as opened:
        home = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="sw-")))
        write_model(home / "models" / "bench")
        with on(cores.server):
            service = await opened.enter_async_context(serving(home, **settings))
        opened.enter_context(on(cores.client))
        yield int(service.url.rpartition(":")[2])


def table_of(found: list[Scraped], streams: int) -> Table:
    """Show what was found beside what is wanted."""
    columns = (f"K = {one.exported:,}" for one in found)
    table = Table("", *columns, "at most", title=f"/metrics of {streams:,} resident streams")

    def row(what: str, told: list[str], most: str = "") -> None:
        table.add_row(what, *told, most)

    pages = [(*np.percentile(one.page_ms, (50, 100)), one.most_ms) for one in found]
    told = [f"{middle:.1f}, {most:.1f} (at most {wanted:g})" for middle, most, wanted in pages]
    row("page, ms: median, most", told)
    row("page, kB", [f"{one.size / 1e3:,.0f}" for one in found])
    for what, name in (("without", "alone_ms"), ("with", "with_ms")):
        tails = [np.percentile(getattr(one, name), (50, 99, 100)) for one in found]
        told = [f"{p50:.2f}, {p99:.2f}, {most:.2f}" for p50, p99, most in tails]
        row(f"singles {what} scrapes, ms: p50, p99, most", told)
    row("longest hold of the loop, ms", [f"{one.hold_ms:.1f}" for one in found], f"{LOOP_MS:g}")
    row("p99 with / without", [f"{one.p99_times:.2f}" for one in found], f"{P99_TIMES:g}")
    return table


async def main(streams: int, seconds: float, file: Path | None) -> int:
    """Measure, print and write."""
    wanted = ((FEW, FEW_MS), (streams, ALL_MS))
    found = [await measured(worst, most_ms, streams, seconds) for worst, most_ms in wanted]
    console.print(table_of(found, streams))
    write_json(file, [one.told() for one in found])
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--streams", type=int, default=RESIDENT)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="without, and with scrapes")
    parser.add_argument("--json", type=Path, help="where results are written")
    given = parser.parse_args()
    os.environ.pop("REDIS_URL", None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            sys.exit(runner.run(main(given.streams, given.seconds, given.json)))
        except HerdError as error:
            sys.exit(str(error))
