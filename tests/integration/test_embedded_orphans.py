"""The embedded Valkey when the service that started it is killed."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.embedded import EmbeddedError, EmbeddedValkey
from tests.integration.servers import client_of, process_id

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has pidfd and prctl"),
]

PARENT = """
import signal, sys
from pathlib import Path
from service.embedded import EmbeddedValkey
if sys.argv[2] == "without-prctl":
    sys.platform = "darwin"
print(EmbeddedValkey(Path(sys.argv[1])).start(), flush=True)
signal.pause()
"""


@contextmanager
def killed_service(data_dir: Path, mode: str = "with-prctl") -> Iterator[int]:
    """Let another process start a server and kill that process; gives the server's pidfd."""
    command = [sys.executable, "-c", PARENT, str(data_dir), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            with client_of(parent.stdout.readline().strip()) as client:
                client.set("written", "before the kill")
                server = os.pidfd_open(process_id(client))
        finally:
            parent.kill()
    try:
        yield server
    finally:
        os.close(server)


def ends_within(pidfd: int, seconds: float) -> bool:
    """Wait for a process that is no child of ours to end."""
    return bool(select.select([pidfd], [], [], seconds)[0])


def test_killing_the_service_leaves_no_server_behind(tmp_path: Path) -> None:
    """When the service is killed with SIGKILL, its server ends by itself and keeps the data."""
    with killed_service(tmp_path) as server:
        assert ends_within(server, 10)
    valkey = EmbeddedValkey(tmp_path)
    try:
        with client_of(valkey.start()) as client:
            assert client.get("written") == "before the kill"
    finally:
        valkey.stop()


def test_the_next_start_ends_an_orphan(tmp_path: Path) -> None:
    """Where the kernel does not end it, the next start on its data does, and keeps the data."""
    with killed_service(tmp_path, "without-prctl") as orphan:
        assert not ends_within(orphan, 0)
        valkey = EmbeddedValkey(tmp_path)
        try:
            with client_of(valkey.start()) as client:
                assert ends_within(orphan, 0)
                assert client.get("written") == "before the kill"
        finally:
            valkey.stop()


def test_an_orphan_that_does_not_stop_is_named(tmp_path: Path) -> None:
    """An orphan that hangs blocks the start with an error that names its process."""
    with killed_service(tmp_path, "without-prctl") as orphan:
        process = int((tmp_path / "valkey" / "valkey.pid").read_text())
        signal.pidfd_send_signal(orphan, signal.SIGSTOP)
        try:
            with pytest.raises(EmbeddedError, match=rf"end its process, {process}"):
                EmbeddedValkey(tmp_path, stop_timeout_s=0.2).start()
        finally:
            signal.pidfd_send_signal(orphan, signal.SIGKILL)
        assert ends_within(orphan, 10)
