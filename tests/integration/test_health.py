"""The command that health checks run."""

import asyncio
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.processes import Ended, ended, started
from tests.integration.running import Running, running_service, settings_of

pytestmark = pytest.mark.integration


async def asked(directory: Path, *options: str, **environment: str) -> Ended:
    """Run the check."""
    return await ended(await started("health", *options, data_dir=directory, **environment))


async def test_a_service_that_answers_is_alive(service: Running, tmp_path: Path) -> None:
    """By its address or by the port that the environment names, and once streams are restored."""
    port = str(urlsplit(service.url).port)
    for found in (
        await asked(tmp_path, "--url", service.url),
        await asked(tmp_path, STEPWATCH_PORT=port),
    ):
        assert (found.status, found.out) == (0, "alive\n")
    found = await asked(tmp_path, "--url", f"{service.url}/", "--ready")
    assert (found.status, found.out) == (0, "ready\n")


async def test_one_that_restores_is_alive_but_not_ready(tmp_path: Path) -> None:
    """While the store can't be read the service answers, but takes nothing yet."""
    nowhere = f"unix://{tmp_path}/nobody.sock"
    settings = settings_of(tmp_path, redis_url=nowhere, restore_wait_s=60)
    async with running_service(settings, is_ready=False) as service:
        alive = await asked(tmp_path, "--url", service.url)
        ready = await asked(tmp_path, "--url", service.url, "--ready")
        service.server.force_exit = True
    assert alive.status == 0
    assert ready.status == 1
    assert "503" in ready.err


async def test_none_is_told_with_its_address(tmp_path: Path) -> None:
    """Where nothing listens, or the address is none, the status is 1 and a line says why."""
    holding = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = holding.sockets[0].getsockname()[1]
    holding.close()
    await holding.wait_closed()
    for url in (f"http://127.0.0.1:{port}", "127.0.0.1"):
        found = await asked(tmp_path, "--url", url)
        assert found.status == 1
        assert found.err.startswith(f"no service at {url}: ")
        assert len(found.err.splitlines()) == 1


def test_it_imports_nothing_heavy() -> None:
    """A check that is made every few seconds must not cost a second of a core."""
    look = (
        "import sys; from service.cli.main import app; app(['health', '--url', 'http://[::1]:1'],"
        " standalone_mode=False); "
    )
    code = f"try:\n    {look}\nexcept BaseException: pass\nimport sys\nprint(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(found.stdout.split())
    assert "service.cli.health" in loaded
    heavy = {"torch", "numpy", "fastapi", "redis", "pyarrow"}
    assert loaded & heavy == set()
