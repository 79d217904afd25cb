"""The gateway: reads every pump in each tick and sends the readings to the service."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import CloseCode

from models.blocks import Float64
from service.demo.faults import FaultSchedule
from service.demo.narrator import Narrator
from service.demo.plant import METRICS, Plant
from service.demo.verdicts import Problem, decode

RATE_HZ: Final = 10.0
ANSWER_TIMEOUT_S: Final = 10.0
CATCH_UP_S: Final = 1.0
"""Lateness that is made good by sending faster; readings later than that were never taken."""
_GOODBYES: Final = {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART}
_NAMES: Final = [metric.name for metric in METRICS]
_DECIMALS: Final = 4


class GatewayError(Exception):
    """The service can't be reached, does not answer, or ended the connection unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is played: a plant, what goes wrong with its readings, and who tells of it."""

    plant: Plant
    schedule: FaultSchedule
    narrator: Narrator


async def run_gateway(url: str, scene: Scene, stop: asyncio.Event, rate_hz: float = RATE_HZ) -> int:
    """Stream the plant until told to stop or until the service goes away.

    Args:
        url: The service's WebSocket, such as `ws://127.0.0.1:8000/v1/ingest`.
        scene: Is played from where it stands; its narrator hears of every fault and verdict.
        stop: Set it to end after the tick that is under way.
        rate_hz: Ticks a second.

    Returns:
        How many ticks were answered.

    Raises:
        GatewayError: As it says.
    """
    answered = 0
    try:
        # a proxy from the environment would not know the way to this machine itself
        async with connect(url, compression=None, proxy=None) as connection:
            due_s = asyncio.get_running_loop().time()
            epoch_s = time.time() - due_s
            while not stop.is_set():
                await _tick(connection, epoch_s + due_s, answered, scene)
                answered += 1
                due_s = await _next_tick(due_s, 1 / rate_hz, stop)
    except ConnectionClosed as closed:
        if closed.rcvd is None or closed.rcvd.code not in _GOODBYES:
            raise GatewayError(f"the service ended the connection: {closed}") from closed
    except TimeoutError as error:
        raise GatewayError(f"the service did not answer for {ANSWER_TIMEOUT_S:.0f} s") from error
    except msgspec.MsgspecError as error:
        raise GatewayError(f"the service answered what can't be read: {error}") from error
    except (OSError, InvalidHandshake) as error:
        raise GatewayError(f"no service at {url}: {error}") from error
    return answered


async def _tick(connection: ClientConnection, at_s: float, step: int, scene: Scene) -> None:
    """Read, disturb, send, and hand on what the service answers."""
    fault = scene.schedule.begin(step)
    if fault is not None:
        scene.narrator.injected(fault)
    readings = scene.schedule.disturb(step, scene.plant.step())
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        # streams outlive the demo: a number that began anew would be refused as an old one
        await connection.send(encode(readings, at_s, round(at_s * 1000)), text=True)
        answer = decode(await connection.recv())
    if isinstance(answer, Problem):
        scene.narrator.on_problem(answer)
    else:
        scene.narrator.on_verdicts(step, answer)


async def _next_tick(due_s: float, period_s: float, stop: asyncio.Event) -> float:
    """Wait until the next tick is due, or until told to stop; gives when it was due."""
    now_s = asyncio.get_running_loop().time()
    due_s = max(due_s + period_s, now_s - CATCH_UP_S)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping}, timeout=max(due_s - now_s, 0.0))
    finally:
        stopping.cancel()
    return due_s


def encode(readings: Mapping[str, Float64], at_s: float, seq: int) -> bytes:
    """Write one frame: an observation per pump, values by name, rounded as an instrument would."""
    return msgspec.json.encode(
        [
            {
                "stream_id": stream_id,
                "timestamp": round(at_s, 6),
                "values": dict(zip(_NAMES, values.round(_DECIMALS).tolist(), strict=True)),
                "seq": seq,
            }
            for stream_id, values in readings.items()
        ]
    )
