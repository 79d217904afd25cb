"""Real servers for tests, each private to its test, on Unix sockets."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, cast

from redis import Redis

from service.embedded import EmbeddedValkey
from tests.programs import require_program


class Server(Protocol):
    """A server that can be stopped and started again at the same URL, with its data."""

    def start(self) -> str:
        """Start it; gives the URL."""
        ...

    def stop(self) -> None:
        """Stop it, its data written."""
        ...


class RedisServer:
    """A redis-server with its data and its socket in a directory whose path is short."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> str:
        """Start it and wait until it says that it is ready; gives the URL."""
        options = f"--port 0 --dir {self._directory} --appendonly yes --save '' --daemonize no"
        socket = self._directory / "redis.sock"
        self._process = subprocess.Popen(
            [require_program("redis-server"), *options.split(), "--unixsocket", str(socket)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if "eady to accept connections" in line:
                return f"unix://{socket}"
        raise AssertionError("redis-server did not start:\n" + "".join(said))

    def stop(self) -> None:
        """Stop it, its data written."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Lend a redis-server, not yet started."""
    with tempfile.TemporaryDirectory(prefix="sw-") as directory:
        server = RedisServer(Path(directory))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def embedded_valkey() -> Iterator[EmbeddedValkey]:
    """Lend an embedded Valkey, not yet started."""
    with tempfile.TemporaryDirectory(prefix="sw-") as directory:
        server = EmbeddedValkey(Path(directory))
        try:
            yield server
        finally:
            server.stop()


SERVERS: dict[str, Callable[[], AbstractContextManager[Server]]] = {
    "redis-server": redis_server,
    "embedded-valkey": embedded_valkey,
}


@contextmanager
def client_of(url: str) -> Iterator[Redis]:
    """Connect as a reader of what was written, replies as text."""
    with Redis.from_url(url, decode_responses=True, socket_timeout=5.0) as client:
        yield client


def entries(client: Redis, stream: str) -> list[dict[str, str]]:
    """Read a whole stream, oldest entry first."""
    found = cast("list[tuple[str, dict[str, str]]]", client.xrange(stream))
    return [fields for _, fields in found]


def process_id(client: Redis) -> int:
    """Ask a server for its process."""
    info = cast("dict[str, int]", client.info("server"))
    return info["process_id"]
