"""A Prometheus of its own for a measurement or a test, on a free port of this machine."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx

JOB: Final = "stepwatch"
_START_S: Final = 60.0
_ANSWER_S: Final = 60.0


@asynccontextmanager
async def scraping(
    program: str, directory: Path, target: str, *, every: str = "1s", rules: Sequence[Path] = ()
) -> AsyncIterator[httpx.AsyncClient]:
    """Run a Prometheus that scrapes a service; gives a client for it.

    Args:
        program: Its path.
        directory: Where its configuration and data go.
        target: Host and port of the service.
        every: Between scrapes, and between evaluations of rules.
        rules: Files of rules.

    Raises:
        RuntimeError: If it does not start.
    """
    config = directory / "prometheus.yml"
    given = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": JOB, "static_configs": [{"targets": [target]}]}],
    }
    config.write_text(json.dumps(given), encoding="utf-8")  # JSON is YAML
    process = await asyncio.create_subprocess_exec(
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    reading = None
    try:
        async with asyncio.timeout(_START_S):
            address = await _address(process)
        reading = asyncio.create_task(_drained(process))
        url = f"http://{address}"
        async with httpx.AsyncClient(base_url=url, timeout=_ANSWER_S, trust_env=False) as client:
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await (reading or _drained(process))
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    """Read its log until it says where it listens."""
    assert process.stderr is not None
    said = []
    while line := (await process.stderr.readline()).decode():
        said.append(line)
        if found := re.search(r'Listening on" address=(127\.0\.0\.1:\d+)', line):
            return found[1]
    raise RuntimeError("Prometheus did not start:\n" + "".join(said))


async def _drained(process: asyncio.subprocess.Process) -> None:
    """Read on, so that it never waits for a reader of its log."""
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
