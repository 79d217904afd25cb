"""Every command and code block of the README, carried out as it stands there."""

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documents import README, ROOT, Block, blocks
from tests.integration.running import eventually
from tests.programs import require_program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BEGINS = {
    "make": "make run ",
    "files": "stepwatch demo --csv .\nstepwatch train ",
    "serve": "stepwatch serve ",
    "gateway.py": "import csv\n",
    "gateway": "python gateway.py\n",
    "curl": "curl ",
    "verdict": '{"stream_id"',
    "compose": "docker compose up\n",
}
"""The blocks in their order and how each begins; another one wants a way of its own below."""
SERVED_AT = "8080"


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who follows the README in a directory of their own, whose service has this port."""

    directory: Path
    port: int

    async def begins(self, command: str) -> asyncio.subprocess.Process:
        """Enter a command, in a shell of its own."""
        theirs = ("STEPWATCH_", "REDIS_URL", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        given = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "STEPWATCH_DATA_DIR": str(self.directory / "data"),
            "STEPWATCH_PORT": str(self.port),
            "NO_PROXY": "127.0.0.1",
        }
        return await asyncio.create_subprocess_exec(
            require_program("bash"),
            *("-euo", "pipefail", "-c", command.replace(SERVED_AT, str(self.port))),
            cwd=self.directory,
            env=kept | given,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def does(self, command: str) -> str:
        """Carry a command out; gives what it printed."""
        process = await self.begins(command)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def is_served(self) -> bool:
        """Tell whether the service takes observations."""
        process = await self.begins("stepwatch health --ready")
        await process.communicate()
        return process.returncode == 0


@asynccontextmanager
async def going_on(reader: Reader, command: str) -> AsyncIterator[None]:
    """Let a command run, as in a terminal of its own, until the end of the block."""
    process = await reader.begins(f"exec {command}")
    draining = asyncio.create_task(process.communicate())
    try:
        await eventually(reader.is_served)
        yield
    finally:
        process.terminate()
        await draining
    assert process.returncode == 0


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader in an empty directory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return Reader(tmp_path, free.getsockname()[1])


@pytest.fixture(scope="module")
def found() -> dict[str, Block]:
    """The blocks by their kind."""
    there = blocks(README)
    assert len(there) == len(BEGINS)
    for begin, block in zip(BEGINS.values(), there, strict=True):
        assert block.text.startswith(begin), block.text
    return dict(zip(BEGINS, there, strict=True))


async def test_from_a_csv_to_the_first_alert(reader: Reader, found: dict[str, Block]) -> None:
    """The five steps lead to verdicts, pictures and alerts; the answer shown is the one given."""
    told = await reader.does(found["files"].text)
    assert "3 alerts" in told
    for name in ("training.png", "today.png"):
        assert (reader.directory / name).read_bytes().startswith(b"\x89PNG")
    gateway = found["gateway.py"].text.replace(SERVED_AT, str(reader.port))
    (reader.directory / "gateway.py").write_text(gateway)
    async with going_on(reader, found["serve"].text.strip()):
        alerts = (await reader.does(found["gateway"].text)).splitlines()
        answer = await reader.does(found["curl"].text)
    why = [line.split()[1] for line in alerts]
    assert {"vibration_mm_s", "flow_m3h", "bearing_temp_c"} <= set(why)
    assert json.loads(answer) == json.loads(found["verdict"].text)


async def test_the_two_commands(reader: Reader, found: dict[str, Block]) -> None:
    """`make run` plays the demo until Ctrl-C; `make test`, of which this is part, tests it all."""
    lines = [line.partition("#")[0].strip() for line in found["make"].text.splitlines()]
    assert lines == ["make run", "make test"]
    folder = Path(sys.executable).parent
    if not (folder.parent / ".served").exists():
        pytest.skip("this virtual environment was not made by make: make run would make another")
    make = f"make --directory {ROOT} VENV={folder.parent}"
    for step in ("pytest", "ruff check", "ruff format --check", "mypy", "lint-imports"):
        assert step in await reader.does(f"{make} --dry-run test")
    assert "stepwatch demo" in await reader.does(f"{make} --dry-run run")
    process = await reader.begins(f"exec {make} run")
    assert process.stdout is not None
    printed = []
    while line := (await process.stdout.readline()).decode():
        printed.append(line)
        if line.startswith("Ctrl-C"):
            # as a terminal does it: the signal goes to the demo, which make waits for
            await reader.does(f"pkill -INT --parent {process.pid}")
    await process.wait()
    assert any(re.match(rf"Serving at http://127\.0\.0\.1:{reader.port}", one) for one in printed)


async def test_the_compose_file_is_read(reader: Reader, found: dict[str, Block]) -> None:
    """Where there is Docker it reads the file of `docker compose up`; else nothing is shown."""
    process = await reader.begins("docker compose version")
    await process.communicate()
    if process.returncode:
        pytest.skip("docker compose is not installed")
    command = found["compose"].text.replace(" up", " config --quiet")
    await reader.does(f"cd {ROOT} && {command}")
