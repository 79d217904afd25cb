import asyncio
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Phase
from models.checkpoint import CheckpointError
from service.engine.engine import Engine
from service.engine.errors import BadCheckpoint
from service.engine.model import Model
from tests.engines import make_directory, make_engine, running
from tests.fakes import FakeClock
from tests.kept import (
    SPIKE,
    keeping,
    kept,
    persistence,
    save,
    saved_checkpoint,
    some,
    state,
    stream_of,
    taken,
)
from tests.memory_store import MemoryStore

IDS = [f"s{at}" for at in range(8)]


def other_bank() -> StreamBank:
    return StreamBank(saved_checkpoint(1))


def an_engine(clock: FakeClock | None = None) -> Engine:
    return make_engine(make_directory(Model("pumps", StreamBank(saved_checkpoint()))), clock=clock)


async def test_streams_go_on_live_under_the_new_scorer() -> None:
    """With their counts; the window begins anew, and the next row is judged by it."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS * 70, some(560))
        bank = other_bank()
        model = await engine.streams.reload("pumps", lambda: bank)
        assert model.bank is bank
        known = await engine.streams.inspect(stream_of(engine, "s3"))
        assert (known["seen"], known["phase"], known["scores_held"]) == (70, Phase.LIVE, 120)
        assert all(isinstance(one, float) for one in await taken(engine, IDS, some(8, 1)))


async def test_it_is_what_taking_over_gives() -> None:
    """Each stream washes out on what is held of it alone."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS * 70, some(560))
        old, stream = engine.directory.models["pumps"].bank, stream_of(engine, "s5")
        slots, there = np.array([stream.slot]), np.array([0])
        lonely = other_bank()
        lonely.take_over(there, old.record(slots), old.recent(slots), stream.options)
        model = await engine.streams.reload("pumps", other_bank)
        for name, rows in lonely.slabs["memory"].gather(there).items():
            np.testing.assert_allclose(
                model.bank.slabs["memory"].gather(slots)[name], rows, atol=1e-5
            )


async def test_every_row_is_answered_while_it_goes_on() -> None:
    """Before, during and after the swap, in order, and each is counted once."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS * 10, some(80))
        reloading = asyncio.create_task(engine.streams.reload("pumps", other_bank))
        sent = 0
        while not reloading.done():
            answers = await taken(engine, IDS * 3, some(24, sent))
            assert all(isinstance(one, float) for one in answers)
            sent += 3
        await reloading
        known = await engine.streams.inspect(stream_of(engine, "s0"))
        assert (sent > 0, known["seen"]) == (True, 10 + sent)


async def test_streams_created_during_the_swap_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The swap runs off the loop: more slots may be handed out while it does."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS, some(8))
        loop, entered, gate = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
        bank = other_bank()

        def adopt(*args: Any) -> None:
            loop.call_soon_threadsafe(entered.set)
            gate.wait(10)
            StreamBank.adopt(bank, *args)

        monkeypatch.setattr(bank, "adopt", adopt)
        reloading = asyncio.create_task(engine.streams.reload("pumps", lambda: bank))
        await entered.wait()
        creating = asyncio.create_task(taken(engine, [f"n{at}" for at in range(40)], some(40)))
        await asyncio.sleep(0)
        gate.set()
        await reloading
        assert all(isinstance(one, float) for one in await creating)
        assert engine.directory.models["pumps"].bank is bank


async def test_other_metrics_are_refused() -> None:
    """Nothing changes: the old bank serves on."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS, some(8))
        old = engine.directory.models["pumps"].bank
        load = partial(StreamBank, saved_checkpoint(n_features=2))
        with pytest.raises(BadCheckpoint, match="other metrics"):
            await engine.streams.reload("pumps", load)
        assert engine.directory.models["pumps"].bank is old
        assert all(isinstance(one, float) for one in await taken(engine, IDS, some(8, 1)))


async def test_a_damaged_checkpoint_is_refused() -> None:
    """With the reason; nothing changes, and no model is begun."""

    def load() -> StreamBank:
        raise CheckpointError("it is damaged")

    async with running(an_engine()) as engine:
        old = engine.directory.models["pumps"].bank
        for name in ("pumps", "fans"):
            with pytest.raises(BadCheckpoint, match="it is damaged"):
                await engine.streams.reload(name, load)
        assert list(engine.directory.models) == ["pumps"]
        assert engine.directory.models["pumps"].bank is old


async def test_a_name_nobody_served_begins_to_serve() -> None:
    """Streams can be put on it at once."""
    async with running(an_engine()) as engine:
        await engine.streams.reload("fans", other_bank)
        stream, is_new = await engine.streams.put("a", {"model": "fans"})
        assert (stream.model.name, is_new) == ("fans", True)
        assert isinstance((await taken(engine, "a", some(1)))[0], float)


async def test_streams_are_stored_anew_and_alerts_go_on() -> None:
    """What was stored fits no more; an open alert is still the same."""
    store, clock = MemoryStore(), FakeClock()
    async with kept(keeping(store, clock)) as engine:
        await taken(engine, "a", [*some(5), SPIKE, SPIKE])
        await save(engine, clock)
        before = engine.open_alerts()
        await engine.streams.reload("pumps", other_bank)
        assert engine.open_alerts() == before
        await save(engine, clock)
        assert len(store.saves[-1][0].parts) == 8
        found = await state(engine, "a")
    async with kept(keeping(store, clock, seeds={"pumps": 1})) as engine:
        assert persistence(engine).store.restored == {"restored": 1}
        assert await state(engine, "a") == found
