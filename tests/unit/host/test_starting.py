"""Ctrl-C while the service starts: it ends in order, for `host` as for `demo`."""

import asyncio
import socket
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from service.cli.demo import _play
from service.cli.host import _here
from service.server import Server


class Interrupted(Server):
    """A server that is told to end while it starts."""

    def __init__(self) -> None:
        app = FastAPI()
        super().__init__(uvicorn.Config(app, log_config=None), app, None)
        self.has_ended = False

    @property
    def url(self) -> str:
        raise AssertionError("it answers nowhere any more")

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - uvicorn looks at it in turns as well
            await asyncio.sleep(0)
        self.has_ended = True

    async def until_started(self, serving: "asyncio.Task[None]") -> None:
        self.should_exit = True


@pytest.mark.parametrize("command", ["host", "demo"])
async def test_a_service_that_is_to_end_is_not_streamed_to(command: str) -> None:
    """It is not asked where it answers; its end is waited for."""
    server, unused = Interrupted(), object()
    listening: Any = unused
    rest: Any = unused
    if command == "host":
        await _here(rest, rest, rest, (server, listening), is_new=True)
    else:
        await _play(server, listening, rest, None)
    assert server.has_ended


async def test_who_waits_for_the_start_may_be_cancelled() -> None:
    """As by Ctrl-C before the server catches signals: nothing of it is left running."""
    server = Interrupted()
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(Server.until_started(server, serving))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert server.has_ended
    assert serving.done()
    assert not serving.cancelled()
