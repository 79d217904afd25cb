"""The service as it really runs: uvicorn in the test's own loop, or the command as a process."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
from fastapi import FastAPI

from models.bank import StreamBank
from models.base import State
from models.checkpoint import Checkpoint
from models.scaler import MinMaxScaler
from models.spec import Spec, ThresholdSpec
from service.app import build_server
from service.engine.engine import Engine
from service.settings import Settings
from tests.fakes import make_checkpoint, normal_values

START_S = 20.0
METRICS = ["flow", "pressure"]
T0 = 1_763_762_400.0


@dataclass(frozen=True, slots=True)
class Running:
    """A service that answers.

    Attributes:
        url: Base of HTTP.
        websocket_url: Base of WebSocket.
        app: The application inside, to look at its state.
        http: A client for `url`.
    """

    url: str
    websocket_url: str
    app: FastAPI
    http: httpx.AsyncClient

    @property
    def engine(self) -> Engine:
        """The engine that serves."""
        engine: Engine = self.app.state.engine
        return engine

    @property
    def redis_url(self) -> str:
        """Where its Redis answers."""
        url: str = self.app.state.redis_url
        return url


@asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[Running]:
    """Serve in this loop until the end of the block.

    The socket listens before the server takes it, so that the first request simply waits in its
    queue until the service is up: there is nothing to poll for.
    """
    server = build_server(settings)
    listener = socket.create_server((settings.host, 0))
    address = "{}:{}".format(*listener.getsockname())
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}", timeout=START_S) as client:
            asking = asyncio.ensure_future(client.get("/readyz"))
            await asyncio.wait({serving, asking}, return_when=asyncio.FIRST_COMPLETED)
            assert asking.done(), "the service did not start"
            assert (await asking).status_code == httpx.codes.OK
            app = server.config.loaded_app
            while not isinstance(app, FastAPI):
                app = app.app
            yield Running(client.base_url.__str__(), f"ws://{address}", app, client)
    finally:
        server.should_exit = True
        await serving
