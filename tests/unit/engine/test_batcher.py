import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from models.blocks import Refusal
from models.options import StreamOptions
from service.engine.batcher import INLINE_ROWS, Batcher
from service.engine.columns import Judged
from service.engine.errors import Overloaded
from service.engine.model import Model, Stream
from service.engine.ports import Scored
from service.engine.routing import Batch, Routed
from tests.engines import METRICS, WatchedBank
from tests.fakes import ARRIVAL, block, normal_values

BIG = INLINE_ROWS + 1


class Scene:
    """A batcher over two banks of 3,000 live streams each."""

    def __init__(self) -> None:
        self.banks = [WatchedBank(), WatchedBank()]
        self.models = [Model(f"model-{at}", bank) for at, bank in enumerate(self.banks)]
        for bank in self.banks:
            bank.start(np.arange(3000), StreamOptions(start="reference"))
        self.bank = self.banks[0]
        self.batcher = Batcher(self.conclude, max_rows=2000)
        self.batches: list[Batch] = []
        self.failure: Exception | None = None

    def conclude(self, batch: Batch) -> Judged:
        if self.failure is not None:
            raise self.failure
        self.batches.append(batch)
        ids = [stream.stream_id for stream in batch.streams]
        return Judged(Scored(batch.model.name, METRICS, ids, batch.verdicts), 0, len(ids))

    def routed(self, slots: list[int], model: int = 0, times: list[int] | None = None) -> Routed:
        streams = [
            Stream(f"s{slot}", self.models[model], slot, StreamOptions(), ARRIVAL) for slot in slots
        ]
        return Routed(
            model=self.models[model],
            rows=np.arange(len(slots)),
            streams=streams,
            stream_ids=tuple(stream.stream_id for stream in streams),
            block=block(slots, normal_values(len(slots)), times=times),
        )

    def submit(
        self, slots: list[int], model: int = 0, times: list[int] | None = None
    ) -> asyncio.Future[Judged]:
        return self.batcher.submit(self.routed(slots, model, times), 0.0)

    def seen(self, slot: int = 0) -> int:
        return int(self.bank.inspect(np.array([slot]))["seen"][0])

    async def until_entered(self) -> None:
        assert await asyncio.to_thread(self.bank.entered.wait, 10)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    for bank in scene.banks:
        bank.gate.set()
    await scene.batcher.drain()
    scene.batcher.close()


def refusals(judged: Judged) -> list[Refusal]:
    return [Refusal(code) for code in judged.scored.verdicts.refusal[judged.start : judged.stop]]


async def test_jobs_and_rows_go_one_after_another(scene: Scene) -> None:
    """A job sees what came before it, and nothing of what came after."""
    scene.submit([0])
    first = scene.batcher.run(scene.seen)
    scene.submit([0, 0])
    second = scene.batcher.run(scene.seen)
    assert [await first, await second] == [1, 3]


async def test_what_follows_a_job_runs_before_anything_later(scene: Scene) -> None:
    """`then` runs on the loop between the rows before the job and those after it."""
    order: list[object] = []
    scene.batcher.run(lambda: order.append("job"), then=lambda: order.append(len(scene.batches)))
    await scene.submit([0])
    await scene.batcher.run(lambda: None, then=lambda: order.append(len(scene.batches)))
    assert order == ["job", 0, 1]


async def test_what_comes_in_one_turn_goes_as_one_block(scene: Scene) -> None:
    """Requests of one bank share a block, each with its own part; another bank has its own."""
    futures = [scene.submit([1, 2]), scene.submit([3], model=1), scene.submit([4])]
    first, other, last = await asyncio.gather(*futures)
    assert [bank.sizes for bank in scene.banks] == [[3], [1]]
    assert [(part.start, part.stop) for part in (first, other, last)] == [(0, 2), (0, 1), (2, 3)]
    assert last.scored.stream_ids[2] == "s4"
    assert scene.bank.threads == ["MainThread"]


async def test_order_within_a_stream_is_that_of_submitting(scene: Scene) -> None:
    """Rows of one stream in several requests of a turn are taken in the order they came."""
    inside = scene.submit([0, 0], times=[10, 20])
    after = scene.submit([0], times=[30])
    before = scene.submit([0], times=[25])
    assert refusals(await inside) == [0, 0]
    assert refusals(await after) == [0]
    assert refusals(await before) == [Refusal.OUT_OF_ORDER]


async def test_a_big_batch_leaves_the_loop_free(scene: Scene) -> None:
    """It goes to the thread; rows that come meanwhile wait and then go together."""
    scene.bank.gate.clear()
    big = scene.submit(list(range(BIG)))
    await scene.until_entered()
    later = [scene.submit([0]), scene.submit([1], model=1), scene.submit([2])]
    assert scene.batcher.waiting_rows == BIG + 3
    assert not any(future.done() for future in [big, *later])
    scene.bank.gate.set()
    await asyncio.gather(big, *later)
    assert scene.bank.sizes == [BIG, 2]
    assert scene.bank.threads[0].startswith("stepwatch-compute")
    assert scene.batcher.waiting_rows == 0


async def test_the_slabs_are_never_touched_by_two(scene: Scene) -> None:
    """Big batches, small ones, jobs and long jobs never meet in a bank."""
    work: list[asyncio.Future[Any]] = []
    for turn in range(6):
        work.append(scene.submit(list(range(BIG)), turn % 2))
        work.append(scene.submit([turn]))
        work.append(scene.batcher.run(lambda: scene.bank.inside, is_long=turn % 3 == 0))
        await asyncio.sleep(0)
    results = await asyncio.gather(*work)
    assert results[2::3] == [0] * 6
    assert [bank.overlaps for bank in scene.banks] == [0, 0]


async def test_a_long_job_runs_on_the_thread(scene: Scene) -> None:
    """A short one runs on the loop."""
    main = threading.current_thread()
    assert await scene.batcher.run(threading.current_thread, is_long=True) is not main
    assert await scene.batcher.run(threading.current_thread) is main


async def test_overload_is_told_before_anything_is_taken(scene: Scene) -> None:
    """An idle intake takes any request; while rows wait the bound holds."""
    scene.batcher.check_room(10_000)
    future = scene.submit([0])
    scene.batcher.check_room(1999)
    with pytest.raises(Overloaded):
        scene.batcher.check_room(2000)
    await future
    scene.batcher.check_room(2000)


async def test_a_failing_bank_fails_only_its_requests(scene: Scene) -> None:
    """The other bank's rows of the same turn are scored, and later ones of both."""
    scene.bank.failure = ZeroDivisionError("bank")
    failing = [scene.submit([0]), scene.submit([1])]
    fine = scene.submit([0], model=1)
    assert refusals(await fine) == [0]
    for future in failing:
        with pytest.raises(ZeroDivisionError):
            await future
    scene.bank.failure = None
    assert refusals(await scene.submit([0])) == [0]
    assert scene.batcher.waiting_rows == 0


async def test_a_failing_conclusion_stops_nobody_else(scene: Scene) -> None:
    """Whoever asked is told, and the next rows are served."""
    scene.failure = LookupError("conclude")
    with pytest.raises(LookupError):
        await scene.submit([0])
    scene.failure = None
    assert refusals(await scene.submit([0])) == [0]


async def test_a_failing_job_stops_nobody_else(scene: Scene) -> None:
    """Neither the job's own failure nor that of what follows it; `then` needs a success."""
    followed: list[int] = []

    def fail() -> None:
        raise LookupError("job")

    failing = scene.batcher.run(fail, then=lambda: followed.append(1))
    failing_after = scene.batcher.run(lambda: None, then=fail)
    rows = scene.submit([0])
    for future in (failing, failing_after):
        with pytest.raises(LookupError):
            await future
    assert refusals(await rows) == [0]
    assert followed == []


async def test_a_cancelled_waiter_breaks_nobody_else(scene: Scene) -> None:
    """Its rows are scored all the same, and the others get theirs."""
    gone, job, stays = scene.submit([0]), scene.batcher.run(scene.seen), scene.submit([1])
    gone.cancel()
    job.cancel()
    assert refusals(await stays) == [0]
    assert scene.seen() == 1


async def test_drain_waits_for_everything(scene: Scene) -> None:
    """It ends when nothing waits: neither on the thread nor in the queue."""
    await scene.batcher.drain()
    scene.bank.gate.clear()
    futures = [scene.submit(list(range(BIG)))]
    await scene.until_entered()
    futures.append(scene.submit([0]))
    drained = asyncio.create_task(scene.batcher.drain())
    await asyncio.sleep(0)
    assert not drained.done()
    scene.bank.gate.set()
    await drained
    assert all(future.done() for future in futures)


async def test_what_comes_after_the_close_is_still_answered(scene: Scene) -> None:
    """Even a long job gets its answer, on the loop."""
    scene.batcher.close()
    async with asyncio.timeout(10):
        assert await scene.batcher.run(scene.seen, is_long=True) == 0
