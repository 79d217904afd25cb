"""A model that is retrained while its streams send: every observation gets its verdict."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.engine.succession import Succession
from tests.integration.restarts import outcomes_of, view_of
from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.test_restart_faults import retrain

pytestmark = pytest.mark.integration

STREAMS = [f"plant/{number}" for number in range(40)]
ROWS = 5
"""Of each stream in a frame."""
FRAME = ROWS * len(STREAMS)


class Load:
    """Sends frames of all streams one after another; no row may lack a verdict."""

    def __init__(self, service: Running, first: int = 0) -> None:
        self._service = service
        self._is_over = asyncio.Event()
        self._sending: asyncio.Task[None] | None = None
        self.first = first
        self.frames = 0
        self.phases: list[str] = []

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator["Load"]:
        """Send until the end of the block."""
        self._is_over.clear()
        self._sending = asyncio.create_task(self._send())
        try:
            await self.passes(3)
            yield self
        finally:
            self._is_over.set()
            await self._sending

    async def passes(self, frames: int) -> None:
        """Wait until so many further frames were answered."""
        wanted = self.frames + frames
        async with asyncio.timeout(60):
            while self.frames < wanted:
                assert self._sending is not None
                if self._sending.done():
                    await self._sending
                await asyncio.sleep(0.001)

    async def _send(self) -> None:
        async with self._service.websocket() as socket:
            while not self._is_over.is_set():
                rows = [row for one in STREAMS for row in observations(one, ROWS, first=self.first)]
                await socket.send(json.dumps(rows))
                answer = json.loads(await socket.recv())
                assert [row.get("seq") for row in answer] == [row["seq"] for row in rows]
                self.phases += [row["phase"] for row in answer]
                self.first += ROWS
                self.frames += 1


async def reloaded(client: httpx.AsyncClient, name: str = "pumps") -> Any:
    """Ask for a reload; gives the answer."""
    return await client.post(f"/v1/models/{name}/reload")


async def reloaded_amid(load: Load, service: Running, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask for a reload that takes some frames: each must get live verdicts; gives the answer."""
    loop, state = asyncio.get_running_loop(), service.server.app.state
    load_bank, follow = state.load_bank, Succession._pass

    def loading(name: str) -> Any:
        asyncio.run_coroutine_threadsafe(load.passes(2), loop).result()
        return load_bank(name)

    async def following(succession: Succession) -> int:
        fed = await follow(succession)
        await load.passes(2)  # of two that are answered from now on one is also sent from now on
        return fed

    with monkeypatch.context() as patch:
        patch.setattr(state, "load_bank", loading)
        patch.setattr(Succession, "_pass", following)
        before = len(load.phases)
        answer = await reloaded(service.http)
        meanwhile = load.phases[before:]
    assert len(meanwhile) >= (4 if answer.is_success else 2) * FRAME
    assert set(meanwhile) == {"live"}
    return answer


async def hash_of(client: httpx.AsyncClient, name: str = "pumps") -> str:
    """Read which checkpoint serves."""
    models = (await client.get("/v1/models")).json()
    content_hash: str = next(one["content_hash"] for one in models if one["name"] == name)
    return content_hash


async def test_a_reload_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are answered all the while, live streams stay live; then the new hash serves."""
    settings = settings_of(tmp_path, snapshot_every_s=0.1)
    async with running_service(settings) as service:
        async with Load(service)() as load:
            before = await hash_of(service.http)
            content_hash = retrain(tmp_path)
            answer = await reloaded_amid(load, service, monkeypatch)
            assert answer.status_code == httpx.codes.OK, answer.text
            assert answer.json()["content_hash"] == content_hash != before
            assert answer.json()["streams"] == len(STREAMS)
            assert await hash_of(service.http) == content_hash
            await load.passes(3)
        assert set(load.phases) == {"live"}
        view = await view_of(service.http, STREAMS[-1])
        assert view["observations"] == load.first
    async with running_service(settings) as service:
        assert await outcomes_of(service.http) == {"restored": len(STREAMS)}
        async with Load(service, load.first)() as later:
            await later.passes(1)
        assert set(later.phases) == {"live"}


async def test_reloads_one_upon_another(tmp_path: Path) -> None:
    """Reloads that are asked for at once are done one after another; the last one serves."""
    async with running_service(settings_of(tmp_path)) as service, Load(service)() as load:
        content_hash = retrain(tmp_path)
        before = load.frames
        answers = await asyncio.gather(*(reloaded(service.http) for _ in range(3)))
        assert load.frames > before
        assert [one.status_code for one in answers] == [httpx.codes.OK] * 3
        assert await hash_of(service.http) == content_hash
        await load.passes(3)
    assert set(load.phases) == {"live"}


async def test_a_checkpoint_that_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused with 422, and the old one serves on as if nothing had been asked."""
    async with running_service(settings_of(tmp_path)) as service, Load(service)() as load:
        before = await hash_of(service.http)
        weights = tmp_path / "models" / "pumps" / "weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-8])
        answer = await reloaded_amid(load, service, monkeypatch)
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        assert answer.json()["type"] == "bad-checkpoint"
        assert await hash_of(service.http) == before
        await load.passes(3)
    assert set(load.phases) == {"live"}


async def test_a_model_that_was_not_there(tmp_path: Path) -> None:
    """A reload of a new name begins to serve it; one of no checkpoint is refused."""
    async with running_service(settings_of(tmp_path)) as service:
        nothing = await reloaded(service.http, "blowers")
        assert nothing.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        content_hash = retrain(tmp_path, "blowers")
        assert (await reloaded(service.http, "blowers")).status_code == httpx.codes.OK
        assert await hash_of(service.http, "blowers") == content_hash
        created = await service.http.put("/v1/streams/a", json={"model": "blowers"})
        assert created.status_code == httpx.codes.CREATED
        assert created.json()["model"] == "blowers"
