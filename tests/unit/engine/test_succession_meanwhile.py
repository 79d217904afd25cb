import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.bank import StreamBank
from service.engine.engine import Engine
from service.engine.model import Model
from service.engine.succession import Succession
from tests.engines import columns, make_directory, make_engine, running, sent
from tests.fakes import ARRIVAL
from tests.kept import saved_checkpoint, some, stream_of, taken

IDS = [f"s{at}" for at in range(8)]


def other_bank() -> StreamBank:
    return StreamBank(saved_checkpoint(1))


def an_engine() -> Engine:
    return make_engine(make_directory(Model("pumps", StreamBank(saved_checkpoint()))))


class Held:
    """Holds the successor up between its passes and the swap."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        whole = Succession._pass

        async def held(succession: Succession) -> int:
            fed = await whole(succession)
            self.reached.set()
            await self.go_on.wait()
            return fed

        monkeypatch.setattr(Succession, "_pass", held)


async def deleted(engine: Engine) -> None:
    await engine.streams.delete(stream_of(engine, "s1"))


async def created(engine: Engine) -> None:
    await taken(engine, ["new", *(f"n{at}" for at in range(30))], some(31))


async def replaced(engine: Engine) -> None:
    await deleted(engine)
    await taken(engine, "s1", some(3))


async def moved_into_its_slot(engine: Engine) -> None:
    await deleted(engine)
    await taken(engine, "new", some(7))


async def was_reset(engine: Engine) -> None:
    await engine.streams.reset(stream_of(engine, "s1"))


async def was_reset_and_sent(engine: Engine) -> None:
    await was_reset(engine)
    await taken(engine, "s1", some(20))


async def changed(engine: Engine) -> None:
    await engine.streams.put("s1", {"z": 2.5, "policy": "all"})


async def gapped(engine: Engine) -> None:
    times = [ARRIVAL + 60_000_000 * minute for minute in (*range(1, 16), 10_000)]
    await sent(engine, columns("s1", some(16), times=times))
    known = await engine.streams.inspect(stream_of(engine, "s1"))
    assert known["washout_left"] == 59


async def sent_much(engine: Engine) -> None:
    await taken(engine, ["s1"] * 75, some(75))


@pytest.mark.parametrize(
    "meanwhile",
    [
        deleted,
        created,
        replaced,
        moved_into_its_slot,
        was_reset,
        was_reset_and_sent,
        changed,
        gapped,
        sent_much,
    ],
)
async def test_what_happens_meanwhile_counts(
    monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[Engine], Any]
) -> None:
    """Every stream ends as if it had been taken over at the moment of the swap."""
    async with running(an_engine()) as engine:
        await taken(engine, IDS * 70, some(560))
        held = Held(monkeypatch)
        reloading = asyncio.create_task(engine.streams.reload("pumps", other_bank))
        await held.reached.wait()
        await meanwhile(engine)
        old = engine.directory.models["pumps"].bank
        held.go_on.set()
        model = await reloading
        streams = {stream.slot: stream for stream in engine.directory}
        for slot in range(model.bank.slabs["record"].capacity):
            if slot not in streams:
                check_free(model.bank, slot)
                continue
            expected, slots = other_bank(), np.array([slot])
            options = streams[slot].options
            expected.take_over(slots, old.record(slots), old.recent(slots), options)
            check_same(model.bank, expected, slots)


def check_free(bank: StreamBank, slot: int) -> None:
    """Nothing of anybody is left."""
    slots = np.array([slot])
    left = [rows for slab in bank.slabs.values() for rows in slab.gather(slots).values()]
    assert not any(rows.any() for rows in left)


def check_same(found: StreamBank, expected: StreamBank, slots: Any) -> None:
    """Record, window and rules are the same, the memory is as far as it reaches back."""
    for part in ("record", "scores"):
        rows = found.slabs[part].gather(slots)
        for name, other in expected.slabs[part].gather(slots).items():
            if name == "begun":  # each bank numbers its own runs
                continue
            np.testing.assert_array_equal(rows[name], other, err_msg=f"{part} {name}")
    for name, other in expected.slabs["memory"].gather(slots).items():
        np.testing.assert_allclose(found.slabs["memory"].gather(slots)[name], other, atol=1e-3)
