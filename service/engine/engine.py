"""The engine: the only door to streams, banks, alerts and sinks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from service.engine.alerts import AlertPolicy, Alerts
from service.engine.batcher import Batcher
from service.engine.census import Census, take_census
from service.engine.clock import Clock
from service.engine.columns import Pending, Request, Single
from service.engine.conclusion import Conclusion
from service.engine.counters import Counters
from service.engine.directory import Directory
from service.engine.dispatch import Outlet
from service.engine.live import LiveFeed
from service.engine.model import Stream
from service.engine.persistence import Keep, Persistence
from service.engine.ports import Alert, Sink
from service.engine.routing import Routing
from service.engine.streams import Streams
from service.engine.waiting import Tell

_log = structlog.get_logger("stepwatch.engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the engine holds at most.

    Attributes:
        waiting_rows: Observations that wait to be scored.
        sink_rows: Verdicts that wait for one sink.
        flush_s: Seconds the sinks get on stopping.
    """

    waiting_rows: int = 100_000
    sink_rows: int = 200_000
    flush_s: float = 5.0


class Engine:
    """Routes, submits and answers; everything here runs on the event loop.

    Args:
        directory: The streams and models.
        policy: When alerts open and resolve.
        sinks: Where verdicts and alerts go.
        clock: Wall and monotonic time.
        limits: Bounds of the queues.
        keep: Where and how snapshots are kept; None: streams end with the process.

    Attributes:
        limits: As given.
        ready: Set once observations are taken.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        policy: AlertPolicy,
        sinks: Sequence[Sink],
        clock: Clock,
        limits: Limits,
        keep: Keep | None = None,
    ) -> None:
        self.directory: Final = directory
        self.counters: Final = Counters()
        self.live: Final = LiveFeed()
        self.clock: Final = clock
        self.limits: Final = limits
        self._alerts = Alerts(policy)
        self.outlets: Final = [
            Outlet(sink, max_rows=limits.sink_rows, clock=clock, open_alerts=self.open_alerts)
            for sink in (self.live, *sinks)
        ]
        self._conclusion = Conclusion(self._alerts, self.counters, self.outlets, clock)
        self._batcher = Batcher(self._conclusion.conclude, max_rows=limits.waiting_rows)
        self.persistence: Final = (
            Persistence(keep, directory, self._batcher, self._alerts, clock)
            if keep is not None
            else None
        )
        self.streams: Final = Streams(
            directory, self._batcher, self._conclusion, self.persistence, clock
        )
        self.ready: Final = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def is_ready(self) -> bool:
        """Whether observations are taken."""
        return self.streams.is_ready

    async def start(self) -> None:
        """Open the sinks in the background, restore streams, then take observations."""
        self._tasks = [
            asyncio.create_task(outlet.run(), name=f"sink-{outlet.sink.name}")
            for outlet in self.outlets
        ]
        if self.persistence is not None:
            await self.persistence.start()
        self.streams.is_ready = True
        self.ready.set()
        _log.info("ready", streams=len(self.directory))

    async def stop(self) -> None:
        """Refuse what is new, score what waits, flush the sinks and save, each within its time."""
        self.streams.is_ready = False
        await self._batcher.drain()
        await asyncio.gather(
            *(
                outlet.stop(task, self.limits.flush_s)
                # a start that was cancelled at once has not made the tasks
                for outlet, task in zip(self.outlets, self._tasks, strict=False)
            )
        )
        if self.persistence is not None:
            await self.persistence.stop()
        self._batcher.close()

    @property
    def waiting_rows(self) -> int:
        """Observations taken in and not yet scored."""
        return self._batcher.waiting_rows

    async def take(self, request: Request) -> Pending:
        """Take a request in, after streams of it that are away have come back.

        They are waited for only a moment: live streams of the same request shall not wait.

        Raises:
            NotReady: If the engine is starting or stopping.
            Overloaded: If too many observations wait already; none of these was taken.
        """
        self.streams.check_ready()
        received_at = self.clock.monotonic()
        self._batcher.check_room(request.size)
        room = self.directory.max_streams - len(self.directory)
        if self.persistence is not None and (self.directory.away or room < request.size):
            # in the order sent: who came first comes back where there is no room for all
            ids = dict.fromkeys(one for columns in request.columns for one in columns.stream_ids)
            await self.persistence.recall(ids)
        return self.submit(request, received_at)

    def submit(self, request: Request, received_at: float | None = None) -> Pending:
        """Take a request in as streams are now; from here on the order of its rows is settled.

        Raises:
            NotReady: If the engine is starting or stopping.
            Overloaded: If too many observations wait already; none of these was taken.
        """
        self.streams.check_ready()
        received_at = self.clock.monotonic() if received_at is None else received_at
        self._batcher.check_room(request.size)
        self.counters.received[request.door] += request.size
        routing = Routing(self.directory, request, self.clock.now())
        self.streams.start(routing.created)
        self.counters.refused.update(error.type for error in routing.errors.values())
        for routed in routing.routed:
            routed.model.changes.touch(routed.block.slots, received_at)
        parts = [
            (routed.rows, self._batcher.submit(routed, received_at)) for routed in routing.routed
        ]
        return Pending(request.size, parts, routing.errors)

    def take_one(self, single: Single, tell: Tell) -> bool:
        """Take a single observation in, if its stream is here and its values fit.

        Args:
            single: The observation.
            tell: Is called, later, with where its verdict or refusal stands, or with the bug that
                got in the way; quicker than a future, for which the loop would turn once more.

        Returns:
            Whether it was taken; if not nothing was done: ask `take`.

        Raises:
            NotReady: If the engine is starting or stopping.
            Overloaded: If too many observations wait already; this was not taken.
        """
        self.streams.check_ready()
        stream = self.directory.get(single.stream_id)
        if stream is None or len(single.values) != stream.model.bank.n_features:
            return False
        self._batcher.check_room(1)
        now = self.clock.monotonic()
        self.counters.received[single.door] += 1
        stream.model.changes.touch_one(stream.slot, now)
        self._batcher.submit_one(stream, single, tell, self.clock.now(), now)
        return True

    async def census(self) -> list[Census]:
        """Read what the banks know of all streams, off the loop."""
        return await take_census(self.directory, self._batcher)

    def worst_alerts(self, count: int) -> tuple[list[tuple[Stream, float]], int, int]:
        """Give the worst open alerts, and count all; see `Alerts.worst_open`."""
        return self._alerts.worst_open(count)

    def open_alerts(self) -> list[Alert]:
        """List the alerts that are open."""
        return self._alerts.open_alerts()
