import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import msgspec
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection, serve

from service.gateway.connection import GatewayError
from service.gateway.verdicts import Problem, Verdict
from service.host import streaming
from service.host.readings import Snapshot
from service.host.streaming import Reading, RefusedError, Sensor, Streaming, encode

NAMES = ["load_1m", "interrupts_per_s"]
VERDICT = [{"stream_id": "box", "phase": "live", "severity": 0.5}]
Handler = Callable[[ServerConnection], Awaitable[None]]


class Heard:
    """Hears everything, and ends the run after so many answers or readings."""

    def __init__(self, stop: asyncio.Event, answers: int, readings: float = math.inf) -> None:
        self.readings: list[Reading] = []
        self.answers: list[list[Verdict] | Problem] = []
        self.away: list[str] = []
        self.back: list[int] = []
        self._stop = stop
        self._wanted = answers
        self._most_readings = readings

    def on_reading(self, reading: Reading) -> None:
        self.readings.append(reading)
        if len(self.readings) >= self._most_readings:
            self._stop.set()

    def on_answer(self, reading: Reading, answer: list[Verdict] | Problem) -> None:
        self.answers.append(answer)
        if len(self.answers) >= self._wanted:
            self._stop.set()

    def on_away(self, reason: str) -> None:
        self.away.append(reason)

    def on_back(self, lost: int) -> None:
        self.back.append(lost)


def sensor() -> Sensor:
    """A computer that interrupts itself ten times from each reading to the next."""
    counted = count()

    def read(clock_s: float) -> Snapshot:
        at = float(next(counted))
        return Snapshot(clock_s=at, values={"load_1m": at}, totals={"interrupts_per_s": 10.0 * at})

    return Sensor(NAMES, read)


@asynccontextmanager
async def service(handler: Handler) -> AsyncIterator[str]:
    """Answer on a WebSocket; gives its URL."""
    async with serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1/ingest"


async def run(handler: Handler, answers: int = 3, *, is_own: bool = False) -> Heard:
    """Stream until there are so many answers."""
    stop = asyncio.Event()
    heard = Heard(stop, answers)
    async with service(handler) as url:
        await Streaming("box", sensor(), heard, 0.001).run(url, stop, is_own=is_own)
    return heard


def test_a_missing_value_is_null() -> None:
    """JSON has no NaN, and the service knows what null means."""
    frame = encode("box", NAMES, Reading(12.25, np.array([0.5, np.nan])))
    assert msgspec.json.decode(frame) == [
        {
            "stream_id": "box",
            "timestamp": 12.25,
            "values": {"load_1m": 0.5, "interrupts_per_s": None},
        }
    ]


async def test_every_reading_is_sent_and_its_answer_told() -> None:
    """The first reading goes nowhere: it is only what the first rates need."""
    frames = []

    async def answer(socket: ServerConnection) -> None:
        async for frame in socket:
            frames.append(msgspec.json.decode(frame)[0])
            await socket.send(msgspec.json.encode(VERDICT))

    heard = await run(answer)
    sent = [one["values"] for one in frames]
    assert sent == [{"load_1m": at, "interrupts_per_s": 10.0} for at in (1.0, 2.0, 3.0)]
    assert [one["timestamp"] for one in frames] == [round(one.at_s, 6) for one in heard.readings]
    assert len(heard.answers) == 3
    assert heard.away == []


async def test_a_service_that_goes_away_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it goes it is told; rates begin anew, as nothing was read meanwhile."""
    monkeypatch.setattr(streaming, "AGAIN_S", 0.0)

    async def answer_once(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(msgspec.json.encode(VERDICT))
        await socket.close(1012)

    heard = await run(answer_once)
    assert len(heard.answers) == 3
    assert heard.away == ["the service has ended"] * 2
    assert len(heard.back) == 2


async def test_each_connection_is_prepared_and_an_absence_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often it is looked for; a service that is back but says no is told once more."""
    monkeypatch.setattr(streaming, "AGAIN_S", 0.0)
    no, gone = RefusedError("no such model"), GatewayError("no service")
    outcomes = iter([None, gone, gone, no, no, None])
    stop = asyncio.Event()
    heard = Heard(stop, 2)

    async def prepare() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    async def answer_once(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send(msgspec.json.encode(VERDICT))
            await socket.close(1012)

    going = Streaming("box", sensor(), heard, 0.001, prepare)
    async with service(answer_once) as url:
        await going.run(url, stop)
    assert heard.away == ["the service has ended", "no such model"]
    assert heard.back == [going.lost]
    assert going.lost > 0
    assert next(outcomes, "all") == "all"


async def test_a_service_that_says_no_at_once_ends_the_run() -> None:
    """Nobody would wait for that to change."""

    async def answer(socket: ServerConnection) -> None:
        await socket.wait_closed()

    async def refuse() -> None:
        raise RefusedError("no such model")

    stop = asyncio.Event()
    going = Streaming("box", sensor(), Heard(stop, 1), 0.001, refuse)
    async with service(answer) as url:
        with pytest.raises(RefusedError):
            await going.run(url, stop)


async def test_a_service_of_its_own_is_not_looked_for() -> None:
    """It ends with the run."""

    async def leave(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.close(1012)

    heard = await run(leave, is_own=True)
    assert (heard.answers, heard.away) == ([], [])


async def test_a_service_that_was_never_there_is_told_clearly() -> None:
    """Better at once than by looking for it for ever."""

    async def never(socket: ServerConnection) -> None:
        await socket.close()

    async with service(never) as url:
        pass
    stop = asyncio.Event()
    with pytest.raises(GatewayError, match=r"no service at ws://127\.0\.0\.1"):
        await Streaming("box", sensor(), Heard(stop, 1), 0.001).run(url, stop)


async def test_without_a_service_it_only_reads() -> None:
    """As for learning for a service that runs elsewhere."""
    stop = asyncio.Event()
    heard = Heard(stop, 1, readings=2)
    await Streaming("box", sensor(), heard, 0.001).read(stop)
    assert [one.values.tolist() for one in heard.readings] == [[1.0, 10.0], [2.0, 10.0]]
    assert heard.answers == []
