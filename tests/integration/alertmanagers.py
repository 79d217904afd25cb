"""A real Alertmanager for tests, on a free port of this machine."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.programs import require_program

CONFIG = """
route:
  receiver: test
  group_by: ["..."]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
  - name: test
    webhook_configs:
      - url: "{url}"
        send_resolved: true
"""
LISTENS = re.compile(r'msg="Listening on" address=(127\.0\.0\.1:\d+)')


class AlertmanagerServer:
    """An Alertmanager that can be stopped and started again at the same address.

    Args:
        directory: Holds its configuration and its data.
        notify: Where it sends its notifications.

    Attributes:
        url: Its address, once it has been started.
    """

    def __init__(self, directory: Path, notify: str) -> None:
        self.url = ""
        self._address = "127.0.0.1:0"
        self._config = directory / "alertmanager.yml"
        self._config.write_text(CONFIG.format(url=notify))
        self._storage = directory / "storage"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it listens."""
        self._process = subprocess.Popen(
            [
                require_program("prometheus-alertmanager", "alertmanager"),
                f"--config.file={self._config}",
                f"--storage.path={self._storage}",
                f"--web.listen-address={self._address}",
                "--cluster.listen-address=",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if found := LISTENS.search(line):
                self._address = found[1]
                self.url = f"http://{self._address}"
                return
        raise AssertionError("Alertmanager did not start:\n" + "".join(said))

    def stop(self) -> None:
        """Stop it; the alerts it knows of are not kept."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None

    async def alerts(self) -> list[dict[str, Any]]:
        """List the alerts that are active, as its own pages do."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/api/v2/alerts")
        assert answer.status_code == httpx.codes.OK, answer.text
        alerts: list[dict[str, Any]] = answer.json()
        return alerts

    async def streams(self) -> list[str]:
        """List the streams whose alerts are active, by name."""
        return sorted(one["labels"]["stream"] for one in await self.alerts())


@contextmanager
def alertmanager(directory: Path, notify: str) -> Iterator[AlertmanagerServer]:
    """Lend an Alertmanager, started."""
    server = AlertmanagerServer(directory, notify)
    server.start()
    try:
        yield server
    finally:
        server.stop()
