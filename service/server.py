"""The web server with what must live longer than it: the embedded store."""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from service.embedded import EmbeddedValkey
from service.engine.errors import StepwatchError

_log = structlog.get_logger("stepwatch.server")
_BACKLOG = 2048
_COLLECT_AFTER: Final = (20_000, 20, 20)
"""Python's own 700 is less than what one request of a hundred observations makes: each was looked
through for cycles, of which there are none."""


class ListenError(StepwatchError):
    """The address can't be listened on."""


class Server(uvicorn.Server):
    """Uvicorn, with the embedded store started before it and stopped after it.

    Args:
        config: Uvicorn's configuration around `app`.
        app: The application; finds the store's URL in `app.state.redis_url`.
        embedded: The store to start; None where `app.state.redis_url` is set already.
    """

    def __init__(
        self, config: uvicorn.Config, app: FastAPI, embedded: EmbeddedValkey | None
    ) -> None:
        super().__init__(config)
        self.app = app
        self._embedded = embedded
        self._is_up = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the started server answers, such as `http://127.0.0.1:8080`."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes or `should_exit` is set.

        Args:
            sockets: What to listen on, closed afterwards; by default the configured address.

        Raises:
            ListenError: If the address is taken or not this machine's.
            EmbeddedError: If the embedded store does not start.
        """
        listening = sockets or [listen(self.config.host, self.config.port)]
        try:
            with self._store():
                await super().serve(listening)
        finally:
            for one in listening:
                one.close()

    async def until_started(self, serving: "asyncio.Task[None]") -> None:
        """Wait until `serving`, the task of `serve`, takes observations, is to end or has ended.

        Ctrl-C before it catches signals cancels who waits here: it ends in order all the same.
        """
        starting = asyncio.create_task(self._until_ready())
        try:
            await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self.should_exit = True
            await serving
            raise
        finally:
            starting.cancel()

    async def _until_ready(self) -> None:
        await self._is_up.wait()
        await self.app.state.engine.ready.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start as uvicorn does, and tell who waits for it."""
        await super().startup(sockets)
        # uvicorn says it only of sockets that it opened itself
        _log.info("listening", url=self.url, docs=f"{self.url}/docs")
        self._is_up.set()

    @contextmanager
    def _store(self) -> Iterator[None]:
        if self._embedded is None:
            yield
            return
        try:
            self.app.state.redis_url = self._embedded.start()
            yield
        finally:
            self._embedded.stop()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGINT and SIGTERM, in order.

        Uvicorn's own way raises the signal again once it has served: that would end the process
        before the store is stopped.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        earlier = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Open the socket to serve on; connections wait in it until somebody serves.

    Raises:
        ListenError: If the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ListenError(
            f"can't listen on {host}:{port}: {error.strerror}; choose another with --port"
        ) from error
    # connections inherit it; asyncio's own loop would leave it out, and answers wait 40 ms
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def leave_to_itself(_: object) -> None:
    """Take all there is now out of garbage collection: looking it through takes 100 ms a time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
