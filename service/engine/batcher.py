"""Bounded intake: what waits goes to the banks as one batch as soon as they are free."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Final, TypeVar

import structlog

from models.blocks import VerdictBlock
from service.engine.columns import Judged, Single
from service.engine.errors import Overloaded
from service.engine.model import Model, Stream
from service.engine.patience import Patience
from service.engine.routing import Batch, Routed
from service.engine.waiting import One, Rows, Tell, Waiting, batch_of, joined

_log = structlog.get_logger("stepwatch.batcher")

INLINE_ROWS: Final = 1000
"""Up to about so many rows the hop to the thread costs more than it brings (measured)."""
AGAIN: Final = 8
"""A further row of the same stream costs about as much as so many of other streams."""
MAX_BATCH_ROWS: Final = 8192
RETRY_AFTER_S: Final = 1.0

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Job:
    """Other work on the slabs; `then` runs on the loop, before anything that came later."""

    call: Callable[[], Any]
    then: Callable[[], None] | None
    future: asyncio.Future[Any]
    is_long: bool


_Outcome = tuple[list[Waiting], VerdictBlock | Exception] | tuple[_Job, Any]


class Batcher:
    """The one owner of the slabs: everything that touches them runs here, one after another.

    There is no timer: the first row that comes in wakes the flush at the end of the loop's turn,
    and what has come until then, or while the banks were busy, goes along; where more came with
    the batch before, some turns more are waited (`patience.py`). A small batch runs on the loop, a
    large one on the compute thread.

    Args:
        conclude: Called on the loop for each batch, in order, before its futures resolve.
        max_rows: Rows that may wait.
    """

    def __init__(self, conclude: Callable[[Batch], Judged], *, max_rows: int) -> None:
        self._conclude = conclude
        self._max_rows: Final = max_rows
        self._queue: deque[Waiting | _Job] = deque()
        self._waiting = 0
        self._patience = Patience()
        self._is_scheduled = False
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stepwatch-compute")
        self._idle = asyncio.Event()
        self._idle.set()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the first row came in on: asking for it costs a system call."""
        return asyncio.get_running_loop()

    @property
    def waiting_rows(self) -> int:
        """Rows taken in and not yet scored."""
        return self._waiting

    def check_room(self, rows: int) -> None:
        """Make sure that so many rows may come in.

        Raises:
            Overloaded: If too many wait.
        """
        # an idle intake takes any request: its size was bounded at the door
        if self._waiting and self._waiting + rows > self._max_rows:
            raise Overloaded(self._waiting, self._max_rows, RETRY_AFTER_S)

    def submit(self, routed: Routed, received_at: float) -> asyncio.Future[Judged]:
        """Take rows in; there must be room."""
        future = self._loop.create_future()
        self._waiting += len(routed.rows)
        self._queue.append(Rows(routed, received_at, future))
        self._schedule()
        return future

    def submit_one(
        self, stream: Stream, single: Single, tell: Tell, arrival: int, received_at: float
    ) -> None:
        """Take one row in; there must be room, and its values must fit the stream's model."""
        self._waiting += 1
        self._queue.append(One(stream.model, (stream,), single, tell, arrival, received_at))
        self._schedule()

    def run(
        self,
        call: Callable[[], Result],
        *,
        then: Callable[[], None] | None = None,
        is_long: bool = False,
    ) -> asyncio.Future[Result]:
        """Run other work on the slabs, after everything taken in before it."""
        future: asyncio.Future[Result] = self._loop.create_future()
        self._queue.append(_Job(call, then, future, is_long))
        self._schedule()
        return future

    async def drain(self) -> None:
        """Wait until nothing waits any more."""
        await self._idle.wait()

    def close(self) -> None:
        """End the compute thread, drain first; what still comes in is done on the loop."""
        self._is_closed = True
        self._thread.shutdown()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._idle.clear()
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand over what waits: on the loop if it is little, else on the thread."""
        if self._patience.is_worth_it(len(self._queue)) and not self._is_closed:
            self._loop.call_soon(self._flush)
            return
        work, cost = self._take()
        if self._is_closed or cost <= INLINE_ROWS:
            with self._patience.measured(len(work)):
                outcomes = _perform(work)
            self._finish(outcomes)
            return
        task = self._thread.submit(_perform, work)
        wrapped = asyncio.wrap_future(task)
        wrapped.add_done_callback(lambda done: self._finish(done.result()))

    def _take(self) -> tuple[list[Waiting | _Job], int]:
        """Take a batch off the queue; gives also what it costs, counted in rows."""
        work: list[Waiting | _Job] = []
        rows = cost = 0
        while self._queue and rows < MAX_BATCH_ROWS:
            item = self._queue.popleft()
            rows += 0 if isinstance(item, _Job) else len(item.streams)
            cost += _cost(item)
            work.append(item)
        return work, cost

    def _finish(self, outcomes: list[_Outcome]) -> None:
        """Resolve futures, then go on with what came meanwhile."""
        for done, result in outcomes:
            if isinstance(done, _Job):
                self._finish_job(done, result)
            else:
                self._finish_rows(done, result)
        self._is_scheduled = False
        if self._queue:
            self._schedule()
        else:
            self._idle.set()

    def _finish_job(self, job: _Job, result: Any) -> None:
        if not isinstance(result, Exception) and job.then is not None:
            after = _attempt(job.then)
            result = after if isinstance(after, Exception) else result
        _resolve(job.future, result)

    def _finish_rows(self, items: list[Waiting], result: VerdictBlock | Exception) -> None:
        sizes = [len(item.streams) for item in items]
        self._waiting -= sum(sizes)
        judged: Judged | Exception
        if isinstance(result, Exception):
            judged = result
        else:
            judged = _attempt(partial(self._conclude, batch_of(items, result)))
        if isinstance(judged, Exception):
            _log.error("this is a bug: a batch failed", rows=sum(sizes), exc_info=judged)
        start = 0
        for item, size in zip(items, sizes, strict=True):
            part = judged
            if isinstance(part, Judged):
                part = Judged(part.scored, start, start + size)
            if isinstance(item, Rows):
                _resolve(item.future, part)
            elif isinstance(failure := _attempt(partial(item.tell, part)), Exception):
                _log.error("this is a bug: a verdict was not told", exc_info=failure)
            start += size


def _cost(item: Waiting | _Job) -> int:
    if isinstance(item, _Job):
        return INLINE_ROWS + 1 if item.is_long else 0
    rows = len(item.streams)
    return rows if item.is_spread else rows + AGAIN * (rows - len(set(item.streams)))


def _perform(work: list[Waiting | _Job]) -> list[_Outcome]:
    """Do the work in order; rows between two jobs go to each bank as one block."""
    outcomes: list[_Outcome] = []
    together: dict[Model, list[Waiting]] = {}
    for item in work:
        if not isinstance(item, _Job):
            together.setdefault(item.model, []).append(item)
            continue
        outcomes += _advanced(together)
        together = {}
        outcomes.append((item, _attempt(item.call)))
    return outcomes + _advanced(together)


def _advanced(together: dict[Model, list[Waiting]]) -> list[_Outcome]:
    return [(items, _attempt(partial(_advance, model, items))) for model, items in together.items()]


def _advance(model: Model, items: list[Waiting]) -> VerdictBlock:
    return model.bank.advance(joined(items))


def _attempt(call: Callable[[], Any]) -> Any:
    """Give the result, or the exception for whoever waits: one failure stops nobody else."""
    try:
        return call()
    except Exception as error:  # handed to the future of whoever asked
        return error


def _resolve(future: "asyncio.Future[Any]", result: Any) -> None:
    if future.done():  # the one who asked has gone
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
