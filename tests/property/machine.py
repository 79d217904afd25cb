"""What the machine needs to do the same with an engine and with a plain model."""

import asyncio
import tempfile
from collections.abc import Coroutine
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from hypothesis import assume
from hypothesis.stateful import RuleBasedStateMachine

from models.bank import StreamBank
from models.options import StreamOptions
from models.spec import ThresholdSpec
from service.engine.columns import Answer, Request
from service.engine.directory import Directory
from service.engine.engine import Engine, Limits
from service.engine.errors import NotAdmitted, NotReady, UnknownStream
from service.engine.model import Model, Stream
from service.engine.persistence import Keep
from service.engine.saving import SaveLimits
from service.stores.file import FileStore
from tests.engines import columns, request
from tests.fakes import FakeClock, make_checkpoint
from tests.kept import crash, persistence
from tests.memory_store import MemoryStore
from tests.property.plain import POLICY, Said, Twin, alone, said
from tests.property.rows import Writer
from tests.property.storing import EVERY_S, RECENT_EVERY_S
from tests.property.world import EVICT_AFTER_S, MAX_STREAMS, WIDTH, Row, Unavailable, World

NAMES: Final = ("pumps", "fans")
N_CHECKPOINTS: Final = 3
T = TypeVar("T")


@lru_cache
def bank(number: int) -> StreamBank:
    """Give a bank without streams; each number has weights and a hash of its own."""
    checkpoint = make_checkpoint(
        hidden=4,
        seed=number,
        threshold=ThresholdSpec(window=130 if number else 90, min_scores=20),
        washout=5 + number,
        validation_steps=60,
    )
    with tempfile.TemporaryDirectory() as place:
        return StreamBank(checkpoint.save(Path(place) / "saved"))


class MachineRig(RuleBasedStateMachine):
    """An engine and the plain model beside it; the clock turns a little with all that is done."""

    def set_up(self, chosen: StreamOptions, *, has_file: bool) -> None:
        """Start with an empty store."""
        self.runner = asyncio.Runner()
        self.place = tempfile.TemporaryDirectory()
        self.clock, self.writer = FakeClock(), Writer()
        self.memory = None if has_file else MemoryStore()
        banks = {name: bank(number) for number, name in enumerate(NAMES)}
        self.world = World(banks=banks, default="pumps", options=chosen)
        self.engine = self.made()
        self.run(self.engine.start())
        self.still()

    def teardown(self) -> None:
        """Stop."""
        if hasattr(self, "engine"):
            self.heal()
            self.run(self.engine.stop())
            self.runner.close()
            self.place.cleanup()

    def made(self) -> Engine:
        """Make an engine on the same store with the banks and defaults of the model."""
        world = self.world
        store = self.memory or FileStore(Path(self.place.name) / "streams")
        directory = Directory(
            {name: Model(name, alone(one)) for name, one in world.banks.items()},
            default_model=world.default,
            options=world.options,
            max_streams=MAX_STREAMS,
        )
        save = SaveLimits(every_s=EVERY_S, recent_every_s=RECENT_EVERY_S)
        keep = Keep(store=store, save=save, wait_s=np.inf, evict_after_s=EVICT_AFTER_S)
        return Engine(
            directory, policy=POLICY, sinks=[], clock=self.clock, limits=Limits(), keep=keep
        )

    def still(self) -> None:
        """Let nothing be saved but when a rule says so."""
        saving = persistence(self.engine)._saving
        assert saving is not None
        saving.cancel()

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        """Do it on the loop, a few seconds after what was done last."""
        self.clock.advance(2)
        self.world.now = self.clock.monotonic()
        return self.runner.run(doing)

    def heal(self) -> None:
        """Let the store work."""
        self.world.failing = set()
        if self.memory is not None:
            self.memory.failing = set()

    def compare(self, found: list[Said], expected: list[Said]) -> None:
        """Compare what came of rows."""
        assert [one.error for one in found] == [one.error for one in expected]
        assert [one.phase for one in found] == [one.phase for one in expected]
        np.testing.assert_allclose(
            [one.numbers for one in found],
            [one.numbers for one in expected],
            rtol=1e-4,
            atol=1e-7,
        )
        assume(not any(one.is_close for one in expected))
        assert [one.is_anomaly for one in found] == [one.is_anomaly for one in expected]
        assert [one.mark for one in found] == [one.mark for one in expected]

    def sent(self, requests: list[list[Row]], gone: Stream | None = None) -> None:
        """Send requests after a stream was deleted, and wait for the answers to all of them."""

        async def send() -> list[Answer]:
            if gone is not None:
                self.engine.streams.delete(gone)
            pending = [await self.engine.take(as_request(rows)) for rows in requests]
            return [await one.answer() for one in pending]

        before = self.ids_here()
        answers = self.run(send())
        self.world.evicted = before - self.ids_here()
        for rows, answer in zip(requests, answers, strict=True):
            self.compare(answered(answer), self.world.send(rows, self.clock.now()))

    def both(self, stream_id: str) -> tuple[Stream | None, Twin | None]:
        """Find a stream in both; they agree on whether it is there."""
        before = self.ids_here()
        stream, found = None, ""
        try:
            stream = self.run(self.engine.streams.find(stream_id))
        except (UnknownStream, NotAdmitted, NotReady) as error:
            found = error.slug
        self.world.evicted = before - self.ids_here()
        try:
            twin = self.world.find(stream_id)
            expected = "" if twin else UnknownStream.slug
        except Unavailable as error:
            twin, expected = None, str(error)
        assert found == expected
        return stream, twin

    def ids_here(self) -> set[str]:
        """Name the streams that are in the directory."""
        return {stream.stream_id for stream in self.engine.directory}

    async def crashed(self) -> None:
        """End without saving anything."""
        await crash(self.engine)


def as_request(rows: list[Row]) -> Request:
    """Make a request; rows of another width have columns of their own."""
    parts = []
    for chosen in (True, False):
        places = [at for at, row in enumerate(rows) if (len(row.values) == WIDTH) is chosen]
        if places:
            picked = [rows[at] for at in places]
            parts.append(
                columns(
                    [row.stream_id for row in picked],
                    [row.values for row in picked],
                    rows=places,
                    times=[row.time for row in picked],
                    seqs=[row.seq for row in picked],
                )
            )
    return request(*parts)


def answered(answer: Answer) -> list[Said]:
    """Read what came of each row; every row is answered once."""
    found = {place: Said(error.type) for place, error in answer.errors.items()}
    for places, judged in answer.parts:
        marks, verdicts = judged.scored.marks, judged.scored.verdicts
        for place, row in zip(places.tolist(), range(judged.start, judged.stop), strict=True):
            assert place not in found
            found[place] = said(verdicts, row, marks.get(row))
    assert sorted(found) == list(range(answer.size))
    return [found[place] for place in range(answer.size)]
