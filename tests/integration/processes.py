"""The command `stepwatch` as a process of its own, where signals and exit codes matter."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.integration.running import ANSWER_S, client_of

COMMAND = Path(sys.executable).with_name("stepwatch")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


async def started(
    *arguments: str | Path, data_dir: Path, **environment: str
) -> asyncio.subprocess.Process:
    """Start the command with nothing of this machine's settings."""
    theirs = ("STEPWATCH_", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return await asyncio.create_subprocess_exec(
        COMMAND,
        *map(str, arguments),
        env=kept | {"STEPWATCH_DATA_DIR": str(data_dir)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for the end of a command; it is killed if that takes too long."""
    try:
        async with asyncio.timeout(ANSWER_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def stepwatch(*arguments: str | Path, data_dir: Path) -> Ended:
    """Run the command to its end."""
    return await ended(await started(*arguments, data_dir=data_dir))


@dataclass(frozen=True, slots=True)
class Served:
    """A service in its own process.

    Attributes:
        http: A client for it.
    """

    process: asyncio.subprocess.Process
    http: httpx.AsyncClient


@asynccontextmanager
async def served(*options: str, data_dir: Path) -> AsyncIterator[Served]:
    """Start `stepwatch serve` on a free port; it is killed if the block leaves it running."""
    process = await started("serve", "--port", "0", *options, data_dir=data_dir)
    assert process.stderr is not None
    try:
        url = None
        async with asyncio.timeout(ANSWER_S):
            while url is None:
                line = await process.stderr.readline()
                assert line, "the service ended before it listened"
                url = json.loads(line).get("url")
        async with client_of(url) as client:
            yield Served(process, client)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.communicate()
