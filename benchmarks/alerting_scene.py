"""What `benchmarks.alerting` runs: Alertmanager and Prometheus with the files of `docker/`."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
from rich.console import Console

from service.demo.faults import Fault
from service.demo.narrator import Narrator
from service.demo.tally import Tally
from service.gateway.verdicts import Verdict

DOCKER: Final = Path(__file__).parents[1] / "docker"
ASKED_EVERY_S: Final = 0.2
console = Console(soft_wrap=True)


@dataclass
class Notes(Narrator):
    """Notes when faults begin and when the service opens alerts; prints nothing."""

    faults: dict[str, tuple[float, Fault]] = field(default_factory=dict)
    opened: dict[str, float] = field(default_factory=dict)
    resolved: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the place of a narrator, whose console stays silent."""
        super().__init__(Console(quiet=True), 10.0, Tally())

    def injected(self, fault: Fault) -> None:
        """Note when a fault began."""
        self.faults[fault.stream_id] = monotonic(), fault

    def on_verdicts(self, step: int, verdicts: list[Verdict]) -> None:
        """Note which alerts open and resolve."""
        for verdict in verdicts:
            if verdict.alert is not None and verdict.alert.status == "opened":
                self.opened[verdict.stream_id] = monotonic()
            elif verdict.alert is not None and verdict.alert.status == "resolved":
                self.resolved[verdict.stream_id] = monotonic()


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    """Run a server until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield
        if process.returncode is not None:
            raise RuntimeError(f"{command[0]} ended by itself with {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def alertmanager(directory: Path, port: int) -> tuple[str, ...]:
    """Give the command of an Alertmanager with the configuration of `docker/`."""
    names = ("prometheus-alertmanager", "alertmanager")  # Debian's name, and its own
    program = next(filter(None, map(shutil.which, names)), names[1])
    return (
        program,
        f"--config.file={DOCKER / 'alertmanager' / 'alertmanager.yml'}",
        f"--storage.path={directory / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )


def prometheus(directory: Path, port: int, targets: dict[str, str]) -> tuple[str, ...]:
    """Give the command of a Prometheus with the configuration and rules of `docker/`.

    Args:
        directory: Takes a copy of the configuration, and the data.
        port: To listen on.
        targets: What stands in the configuration, and what to ask here instead.
    """
    place = directory / "prometheus"
    shutil.copytree(DOCKER / "prometheus", place)
    config = place / "prometheus.yml"
    text = config.read_text(encoding="utf-8")
    for named, here in targets.items():
        text = text.replace(named, here)
    config.write_text(text, encoding="utf-8")
    return (
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )


async def alerts_of(client: httpx.AsyncClient, **labels: str) -> list[Any]:
    """Ask Alertmanager which alerts are active."""
    wanted = [f'{name}="{value}"' for name, value in labels.items()]
    answer = await client.get("/api/v2/alerts", params={"filter": wanted, "inhibited": "true"})
    found: list[Any] = answer.raise_for_status().json()
    return found


async def until(check: Callable[[], Awaitable[Any]], within_s: float) -> Any:
    """Ask again and again; gives the answer that is not empty, or None when the time is over."""
    end = monotonic() + within_s
    while monotonic() < end:
        try:
            if answer := await check():
                return answer
        except httpx.TransportError:
            answer = None  # it is starting
        await asyncio.sleep(ASKED_EVERY_S)
    return None


def keep(out: Path, name: str, answer: Any) -> None:
    """Write an answer beside the others."""
    (out / f"{name}.json").write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
