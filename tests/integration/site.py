"""The service under load and its Redis, with a proxy that can be told to misbehave between them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from redis import Redis
from websockets.asyncio.client import ClientConnection

from models.snapshot import SnapshotFormat
from service.engine.snapshots import opened
from service.keys import Keys
from service.stores.redis import RedisStore
from tests.integration.faulty import FaultProxy
from tests.integration.running import (
    Running,
    eventually,
    metrics_of,
    observations,
    running_service,
    settings_of,
)
from tests.integration.servers import RedisServer, client_of, redis_server
from tests.integration.test_outage import redis_metric, until_up

PASSWORD = "what-the-service-was-given"
ROWS = 20
FRAME_PAUSE_S = 0.03
SAVED_WITHIN_S = 1.0
"""Older no change gets while a store works that is written to as often as here."""


@dataclass(eq=False)
class Load:
    """Sends frames over one WebSocket, a pause after each answer; none may lack a verdict."""

    socket: ClientConnection
    verdicts: int = 0
    took_s: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """Send until the end of the block."""
        is_over = asyncio.Event()
        sending = asyncio.create_task(self._send(is_over))
        try:
            yield
        finally:
            is_over.set()
            await sending

    async def _send(self, is_over: asyncio.Event) -> None:
        while not is_over.is_set():
            rows = observations("a", ROWS, first=self.verdicts)
            began = perf_counter()
            await self.socket.send(json.dumps(rows))
            answer = json.loads(await self.socket.recv())
            self.took_s.append(perf_counter() - began)
            assert [(row["seq"], row["phase"]) for row in answer] == [
                (row["seq"], "live") for row in rows
            ]
            self.verdicts += ROWS
            await asyncio.sleep(FRAME_PAUSE_S)


@dataclass(frozen=True)
class Site:
    """A service, its Redis, and the proxy between them.

    Attributes:
        control: A client of Redis that passes by the proxy.
    """

    service: Running
    load: Load
    proxy: FaultProxy
    redis: RedisServer
    control: Redis
    port: int

    async def grows(self, name: str, by: float = 1, **labels: str) -> None:
        """Wait until a metric of the Redis sink is so much higher than it is now."""
        now = await redis_metric(self.service, name, **labels)

        async def has_grown() -> bool:
            return await redis_metric(self.service, name, **labels) >= now + by

        await eventually(has_grown)

    async def fails(self, kind: str) -> None:
        """Wait until the sink has failed in this way and is down."""

        async def has_failed() -> bool:
            name = f'stepwatch_sink_errors_total{{kind="{kind}",sink="redis"}}'
            return (await metrics_of(self.service)).get(name, 0) > 0

        await eventually(has_failed)
        await until_up(self.service, 0)

    async def has_store_failed(self, kind: str) -> bool:
        """Tell whether the store has failed in this way and is down."""
        metrics = await metrics_of(self.service)
        name = f'stepwatch_store_errors_total{{kind="{kind}",store="redis"}}'
        is_down = metrics['stepwatch_store_up{store="redis"}'] == 0
        return is_down and metrics.get(name, 0) > 0

    async def store_fails(self, kind: str) -> None:
        """Wait until the store has failed in this way and is down."""
        await eventually(partial(self.has_store_failed, kind))

    async def stores(self, age_s: float) -> None:
        """Wait until the store is up and no change that it has not is older."""

        async def is_so() -> bool:
            metrics = await metrics_of(self.service)
            is_up = metrics['stepwatch_store_up{store="redis"}'] == 1
            return is_up and metrics["stepwatch_snapshot_age_seconds"] <= age_s

        await eventually(is_so)

    async def check_stored(self, stream_id: str = "a") -> None:
        """Make sure that what is stored is sound, and is the state that the service holds."""
        store = RedisStore(f"redis://:{PASSWORD}@127.0.0.1:{self.port}", Keys())
        stored = await store.load([stream_id])
        await store.close()
        stream = self.service.engine.directory.find(stream_id)
        bank = stream.model.bank
        _, parts = opened(stream_id, stored[stream_id])
        found, held = (
            SnapshotFormat.of(bank).decode([parts]),
            bank.snapshot(np.array([stream.slot])),
        )
        for name in ("record", "memory", "window"):
            one, other = getattr(found, name), getattr(held, name)
            assert {field: one[field].tobytes() for field in one} == {
                field: other[field].tobytes() for field in other
            }


def listen(control: Redis, port: int) -> None:
    """Let a server that has a Unix socket listen on TCP too, to those who know the password."""
    settings: dict[str, str | int] = {
        "appendfsync": "always",  # what was answered is in the file, whenever it is killed
        "requirepass": PASSWORD,
        "bind": "127.0.0.1",
        "port": port,
    }
    for name, value in settings.items():
        control.config_set(name, value)


@asynccontextmanager
async def site(directory: Path, port: int, **changes: Any) -> AsyncIterator[Site]:
    """Run everything, with a sink that is up."""
    with redis_server() as redis, client_of(redis.start()) as control:
        listen(control, port)
        async with FaultProxy("127.0.0.1", port) as proxy:
            url = f"redis://:{PASSWORD}@127.0.0.1:{proxy.port}"
            given = {"snapshot_every_s": 0.05, **changes}
            settings = settings_of(directory, redis_url=url, **given)
            async with running_service(settings) as service, service.websocket() as socket:
                await until_up(service, 1)
                yield Site(service, Load(socket), proxy, redis, control, port)
