"""A real Prometheus for tests: skipped where there is none."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from benchmarks.dashboards_prometheus import scraping
from tests.programs import require_program

SCRAPE_S = 0.2
"""Between scrapes, and between evaluations of rules."""


@asynccontextmanager
async def prometheus(
    directory: Path, target: str, rules: Sequence[Path] = ()
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a Prometheus that scrapes a target; gives a client for it."""
    program = require_program("prometheus")
    every = f"{round(1000 * SCRAPE_S)}ms"
    async with scraping(program, directory, target, every=every, rules=rules) as client:
        yield client
