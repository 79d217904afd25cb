"""The command `stepwatch serve` as a process of its own, for tests that ask without a loop."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tests.integration.processes import COMMAND
from tests.integration.running import ANSWER_S, settings_of

_STOPS_S: Final = 20.0
_NOT_OURS: Final = "Invalid UTF-8 sequence received from client"
"""What the server calls an error though only the client can mend it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that answers.

    Attributes:
        url: Base of HTTP.
        log: File with what it has to say, one object a line.
    """

    url: str
    log: Path

    def bugs(self) -> list[str]:
        """Give every line of the log that tells of an error, or of an exception nobody took."""
        lines = self.log.read_text().splitlines()
        told = [line for line in lines if '"level": "error"' in line or "Traceback" in line]
        return [line for line in told if _NOT_OURS not in line]


@contextmanager
def served(data_dir: Path, **environment: str) -> Iterator[Service]:
    """Start the command on a free port with the models pumps and fans.

    It has to be there to the end, and to end well when it is asked to.
    """
    settings_of(data_dir)
    theirs = ("STEPWATCH_", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    ours = {"STEPWATCH_DATA_DIR": str(data_dir), "STEPWATCH_DEFAULT_MODEL": "pumps"}
    log = data_dir / "log"
    with log.open("w") as told:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0"],
            env=kept | ours | environment,
            stdout=subprocess.DEVNULL,
            stderr=told,
        )
    try:
        yield Service(_url(process, log), log)
        assert process.poll() is None, f"the service has ended:\n{log.read_text()[-4000:]}"
        process.terminate()
        assert process.wait(_STOPS_S) == 0, log.read_text()[-4000:]
    finally:
        process.kill()
        process.wait()


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until the log says where the service listens, and it says itself that it is ready."""
    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until and process.poll() is None:
        for line in log.read_text().splitlines():
            url = json.loads(line).get("url") if line.endswith("}") else None
            if url and httpx.get(f"{url}/readyz", trust_env=False).is_success:
                return str(url)
        time.sleep(0.05)
    raise AssertionError(f"the service did not come up:\n{log.read_text()}")
