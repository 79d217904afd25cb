"""The gateway: reads every pump in each tick and sends the readings to the service."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from models.blocks import Float64
from service.demo.faults import FaultSchedule
from service.demo.narrator import Narrator
from service.demo.plant import METRICS, Plant
from service.gateway.connection import Connection, connected
from service.gateway.verdicts import Problem
from service.gateway.waiting import wait_until

RATE_HZ: Final = 10.0
CATCH_UP_S: Final = 1.0
"""Lateness that is made good by sending faster; readings later than that were never taken."""
_NAMES: Final = [metric.name for metric in METRICS]
_DECIMALS: Final = 4


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
    async with connected(url) as connection:
        due_s = asyncio.get_running_loop().time()
        epoch_s = time.time() - due_s
        while not stop.is_set():
            await _tick(connection, epoch_s + due_s, answered, scene)
            answered += 1
            now_s = asyncio.get_running_loop().time()
            due_s = max(due_s + 1 / rate_hz, now_s - CATCH_UP_S)
            await wait_until(due_s, stop)
    return answered


async def _tick(connection: Connection, at_s: float, step: int, scene: Scene) -> None:
    """Read, disturb, send, and hand on what the service answers."""
    fault = scene.schedule.begin(step)
    if fault is not None:
        scene.narrator.injected(fault)
    readings = scene.schedule.disturb(step, scene.plant.step())
    # streams outlive the demo: a number that began anew would be refused as an old one
    answer = await connection.exchange(encode(readings, at_s, round(at_s * 1000)))
    if isinstance(answer, Problem):
        scene.narrator.on_problem(answer)
    else:
        scene.narrator.on_verdicts(step, answer)


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
