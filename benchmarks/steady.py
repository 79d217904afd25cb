"""A steady load over some WebSockets that waits for no answer; latency counts from the due time."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.service import Service
from models.blocks import Float64

CONNECTIONS = 8
FRAMES_A_SECOND = 25
"""On each connection."""
ROWS_A_FRAME = 5
ROWS_A_SECOND = CONNECTIONS * FRAMES_A_SECOND * ROWS_A_FRAME
LAST_ANSWER_S = 30.0


class SteadyLoad:
    """Sends frames when they are due, whether or not earlier ones were answered.

    Attributes:
        asked: Observations sent.
        answered: Verdicts that came.
    """

    def __init__(self, sockets: list[ClientConnection], width: int) -> None:
        self.asked = 0
        self.answered = 0
        self._random = np.random.default_rng(0)
        self._width = width
        self._took: list[tuple[float, float]] = []
        self._loop = asyncio.get_running_loop()
        self._is_over = asyncio.Event()
        began = self._loop.time()
        self._sending: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []
        for at, socket in enumerate(sockets):
            # the connections take turns
            due = began + at / (CONNECTIONS * FRAMES_A_SECOND)
            waiting: deque[float] = deque()
            self._sending.append(
                asyncio.create_task(self._send(socket, f"load/{at}", due, waiting))
            )
            self._reading.append(asyncio.create_task(self._read(socket, waiting)))

    def now(self) -> float:
        """Tell the time by which frames are due."""
        return self._loop.time()

    def latencies_ms(self, begin: float, end: float) -> Float64:
        """Give the latency of each frame that was due in a stretch of time and answered."""
        return np.array([took * 1e3 for due, took in self._took if begin <= due < end])

    async def stop(self) -> None:
        """Send no more and wait for the last answers, but not for ever."""
        self._is_over.set()
        await asyncio.gather(*self._sending)
        deadline = self.now() + LAST_ANSWER_S
        while self.answered < self.asked and self.now() < deadline:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.05)
        for task in self._reading:
            task.cancel()
        await asyncio.wait(self._reading)

    async def _send(
        self, socket: ClientConnection, name: str, due: float, waiting: deque[float]
    ) -> None:
        frames = 0
        while not self._is_over.is_set():
            await asyncio.sleep(max(0.0, due - self.now()))
            frames += 1
            waiting.append(due)
            self.asked += ROWS_A_FRAME
            await socket.send(self._frame(name, frames))
            due += 1 / FRAMES_A_SECOND

    async def _read(self, socket: ClientConnection, waiting: deque[float]) -> None:
        while True:
            rows = json.loads(await socket.recv())
            due = waiting.popleft()
            self._took.append((due, self.now() - due))
            self.answered += sum("phase" in row for row in rows)

    def _frame(self, name: str, number: int) -> str:
        values = self._random.random((ROWS_A_FRAME, self._width)).tolist()
        rows = [
            {"stream_id": f"{name}/{at}", "timestamp": float(number), "values": row}
            for at, row in enumerate(values)
        ]
        return json.dumps(rows)


@asynccontextmanager
async def steady_load(service: Service, client: httpx.AsyncClient) -> AsyncIterator[SteadyLoad]:
    """Load the default model until the load is stopped, or the block ends."""
    models = (await client.get("/v1/models")).json()
    width = next(len(one["metrics"]) for one in models if one["is_default"])
    async with AsyncExitStack() as opened:
        sockets = [
            await opened.enter_async_context(
                connect(service.socket_url, proxy=None, compression=None)
            )
            for _ in range(CONNECTIONS)
        ]
        load = SteadyLoad(sockets, width)
        try:
            yield load
        finally:
            await load.stop()
