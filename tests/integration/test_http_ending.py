"""How connections end: idle ones in time, busy ones after what is under way."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines import until
from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.wire import LONG, Wire, get, known, post, wired

pytestmark = pytest.mark.integration


async def test_an_idle_connection_ends(tmp_path: Path) -> None:
    """After the time of uvicorn; not while a request is on its way, in head or body."""
    async with running_service(settings_of(tmp_path)) as service:
        service.server.config.timeout_keep_alive = 1
        rows = await known(service, "idle", 5)
        async with wired(service) as wire, wired(service) as busy, wired(service) as two:
            for at, one in enumerate((wire, busy)):
                one.send(post(rows[at]), get("/healthz"))
                await one.answers(2)
            request, second = post(rows[3]), post(rows[4])
            two.send(post(rows[2]), second[:-5])
            assert (await two.answer()).json["seq"] == 3
            busy.send(request[:30])
            assert await wire.rest() == b""
            busy.send(request[30:-5])
            async with wired(service) as later:  # idles just as long
                later.send(get("/healthz"))
                await later.answer()
                assert await later.rest() == b""
            for one, rest, seq in ((busy, request[-5:], 4), (two, second[-5:], 5)):
                one.send(rest)
                assert (await one.answer()).json["seq"] == seq


Begin = Callable[[Running, Wire, list[dict[str, Any]]], Awaitable[None]]


async def stopping(directory: Path, begin: Begin) -> None:
    """Stop a service after something has begun on a connection to it."""
    async with running_service(settings_of(directory)) as service, wired(service) as wire:
        rows = await known(service, "last", 3)
        await begin(service, wire, rows)


async def test_what_is_under_way_is_answered_on_stopping(tmp_path: Path) -> None:
    """A batch that is being scored, and all asked before it; the last answer ends it all."""

    async def begin(service: Running, wire: Wire, rows: list[dict[str, Any]]) -> None:
        wire.send(*map(post, rows), post({"observations": observations("long", LONG)}))
        await until(lambda: service.engine.waiting_rows)
        service.server.should_exit = True
        *ones, many = await wire.answers(4)
        assert [one.json["seq"] for one in ones] == [1, 2, 3]
        assert len(many.json["verdicts"]) == LONG
        assert await wire.rest() == b""

    await stopping(tmp_path, begin)


async def test_an_idle_connection_does_not_hold_up_stopping(tmp_path: Path) -> None:
    """It is closed at once."""

    async def begin(service: Running, wire: Wire, rows: list[dict[str, Any]]) -> None:
        wire.send(post(rows[0]))
        assert (await wire.answer()).json["seq"] == 1
        service.server.should_exit = True
        assert await wire.rest() == b""

    await stopping(tmp_path, begin)


async def test_a_body_on_its_way_is_waited_for_on_stopping(tmp_path: Path) -> None:
    """Who has begun to send may end, and is answered with the end of the connection."""

    async def begin(service: Running, wire: Wire, rows: list[dict[str, Any]]) -> None:
        request = post(rows[0])
        wire.send(request[:-5])
        shutting = asyncio.Event()
        shutdown = service.server.shutdown

        async def told(*args: Any, **options: Any) -> None:
            asyncio.get_running_loop().call_later(0.05, shutting.set)
            await shutdown(*args, **options)

        service.server.shutdown = told  # type: ignore[method-assign]
        assert (await service.http.get("/healthz")).is_success
        service.server.should_exit = True
        await shutting.wait()
        wire.send(request[-5:])
        answer = await wire.answer()
        assert (answer.json["seq"], answer.headers["connection"]) == (1, "close")
        assert await wire.rest() == b""

    await stopping(tmp_path, begin)
