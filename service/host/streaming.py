"""Reads this computer when it is due and streams what was read to the service."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np

from models.blocks import Float64
from service.gateway.connection import Connection, GatewayError, connected
from service.gateway.verdicts import Problem, Verdict
from service.gateway.waiting import wait_until
from service.host.readings import Readings, Snapshot, snapshot
from service.host.ticks import Ticks

AGAIN_S: Final = 5.0
"""After so long a service that has gone is looked for again."""
_DIGITS: Final = 6


class Reading(NamedTuple):
    """All metrics at one moment.

    Attributes:
        at_s: Epoch seconds.
        values: `[F]`; NaN where one is missing.
    """

    at_s: float
    values: Float64


class Listener(Protocol):
    """Who is told what is read, and what the service says of it."""

    def on_reading(self, reading: Reading) -> None:
        """Hear of a reading before it is sent."""
        ...

    def on_answer(self, reading: Reading, answer: list[Verdict] | Problem) -> None:
        """Hear what the service says of it."""
        ...

    def on_away(self, reason: str) -> None:
        """Hear that the service has gone, or why it can't be streamed to though it is there."""
        ...

    def on_back(self, lost: int) -> None:
        """Hear that it is there again, and how many readings were due meanwhile."""
        ...


class RefusedError(GatewayError):
    """The service is there and says no."""


class Sensor:
    """Reads this computer.

    Args:
        names: Metrics, in the order of the columns.
        read: Gives a snapshot; told the time of a clock that is never set.
    """

    def __init__(self, names: list[str], read: Callable[[float], Snapshot] = snapshot) -> None:
        self._readings: Final = Readings(names)
        self._read: Final = read
        self.names: Final = names

    async def reading(self) -> Reading:
        """Read everything; beside the loop, as a system with many processes takes its time."""
        at_s, clock_s = time.time(), time.monotonic()
        now = await asyncio.to_thread(self._read, clock_s)
        return Reading(at_s, self._readings.vector(now))


class Streaming:
    """Streams one computer as one stream.

    Args:
        stream_id: What it is called.
        sensor: Reads it.
        listener: Is told of every reading and every answer.
        every_s: Seconds between readings.
        on_connected: Awaited at each connection, before a reading is sent.

    Attributes:
        missed: Readings that were never taken, because one before took too long.
        lost: Readings that were due while the service was away.
    """

    def __init__(
        self,
        stream_id: str,
        sensor: Sensor,
        listener: Listener,
        every_s: float,
        on_connected: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.missed = 0
        self.lost = 0
        self._on_connected = on_connected
        self._answered_s: float | None = None
        self._told_away: str | None = None
        self._stream_id = stream_id
        self._sensor = sensor
        self._listener = listener
        self._every_s = every_s

    async def run(self, url: str, stop: asyncio.Event, *, is_own: bool = False) -> None:
        """Stream until told to stop; a service that goes away is looked for again.

        Args:
            url: The service's WebSocket, such as `ws://127.0.0.1:8000/v1/ingest`.
            stop: Set it to end.
            is_own: Whether the service ends with this run: it is not looked for then.

        Raises:
            GatewayError: If the service is not there to begin with.
        """
        while not stop.is_set():
            reason: GatewayError | None = None
            try:
                async with connected(url) as connection:
                    await self._connected()
                    await self.read(stop, connection)
            except GatewayError as error:
                if is_own or self._answered_s is None:
                    raise
                reason = error
            if is_own:
                return
            if not stop.is_set():
                self._go_away(reason)
                await wait_until(asyncio.get_running_loop().time() + AGAIN_S, stop)
        self._count_lost()

    async def _connected(self) -> None:
        """Prepare the service, and tell that it is back where it was away."""
        if self._on_connected is not None:
            await self._on_connected()
        lost = self._count_lost()
        if self._told_away is not None:
            self._listener.on_back(lost)
        self._told_away = None
        self._answered_s = asyncio.get_running_loop().time()

    def _go_away(self, reason: GatewayError | None) -> None:
        """Tell it once, and once more where it comes back and says no."""
        why = "the service has ended" if reason is None else str(reason)
        is_known = self._told_away is not None
        if not is_known or (isinstance(reason, RefusedError) and why != self._told_away):
            self._listener.on_away(why)
            self._told_away = why

    def _count_lost(self) -> int:
        """Count the readings that were due since the last answer, if the service is away."""
        if self._told_away is None or self._answered_s is None:
            return 0
        gone_s = asyncio.get_running_loop().time() - self._answered_s
        lost = math.floor(gone_s / self._every_s)
        self.lost += lost
        return lost

    async def read(self, stop: asyncio.Event, connection: Connection | None = None) -> None:
        """Take readings until told to stop, and send them if there is a connection."""
        loop = asyncio.get_running_loop()
        ticks = Ticks(loop.time(), self._every_s)
        # rates need a reading before them: the first is only that
        await self._sensor.reading()
        while not stop.is_set():
            ticks.pass_by(loop.time())
            await wait_until(ticks.due_s, stop)
            if stop.is_set():
                break
            reading = await self._sensor.reading()
            self._listener.on_reading(reading)
            if connection is not None:
                frame = encode(self._stream_id, self._sensor.names, reading)
                answer = await connection.exchange(frame)
                self._answered_s = loop.time()
                self._listener.on_answer(reading, answer)
            self.missed += ticks.missed
            ticks.missed = 0


def encode(stream_id: str, names: list[str], reading: Reading) -> bytes:
    """Write one frame: one observation, values by name, null where one is missing."""
    values = zip(names, np.round(reading.values, _DIGITS).tolist(), strict=True)
    known = {name: None if math.isnan(value) else value for name, value in values}
    at_s = round(reading.at_s, _DIGITS)
    return msgspec.json.encode([{"stream_id": stream_id, "timestamp": at_s, "values": known}])
