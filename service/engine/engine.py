"""The engine: the only door to streams, banks, alerts and sinks."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from models.base import State
from models.blocks import Int
from models.options import StreamOptions
from models.record import silent
from service.engine.alerts import AlertPolicy, Alerts
from service.engine.batcher import Batcher
from service.engine.columns import Judged, Pending, Request
from service.engine.counters import Counters
from service.engine.directory import Directory, Model, Stream
from service.engine.dispatch import Outlet
from service.engine.errors import BANK_REFUSALS, NotReady
from service.engine.live import LiveFeed
from service.engine.ports import Alert, Clock, Scored, Sink
from service.engine.routing import Batch, Routing


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


@dataclass(frozen=True, slots=True)
class Census:
    """Streams of one model and what the bank knows of each, `[B]` a column."""

    model: Model
    streams: list[Stream]
    record: State


class Engine:
    """Routes, submits and concludes; everything here runs on the event loop.

    Args:
        directory: The streams and models.
        policy: When alerts open and resolve.
        sinks: Where verdicts and alerts go.
        clock: Wall and monotonic time.
        limits: Bounds of the queues.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        policy: AlertPolicy,
        sinks: Sequence[Sink],
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.directory: Final = directory
        self.counters: Final = Counters()
        self.live: Final = LiveFeed()
        self.clock: Final = clock
        self._limits = limits
        self._alerts = Alerts(policy)
        self._batcher = Batcher(self._conclude, max_rows=limits.waiting_rows)
        self.outlets: Final = [
            Outlet(sink, max_rows=limits.sink_rows, clock=clock) for sink in (self.live, *sinks)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self.is_ready = False

    async def start(self) -> None:
        """Open the sinks in the background and take observations from now on."""
        self._tasks = [
            asyncio.create_task(outlet.run(), name=f"sink-{outlet.sink.name}")
            for outlet in self.outlets
        ]
        self.is_ready = True

    async def stop(self) -> None:
        """Refuse what is new, score what waits, flush the sinks within their time."""
        self.is_ready = False
        await self._batcher.drain()
        self._batcher.close()
        await asyncio.gather(
            *(
                outlet.stop(task, self._limits.flush_s)
                for outlet, task in zip(self.outlets, self._tasks, strict=True)
            )
        )

    @property
    def waiting_rows(self) -> int:
        """Observations taken in and not yet scored."""
        return self._batcher.waiting_rows

    def submit(self, request: Request) -> Pending:
        """Take a request in; from here on the order of its rows is settled.

        Raises:
            NotReady: If the engine is starting or stopping.
            Overloaded: If too many observations wait already; none of these was taken.
        """
        self._check_ready()
        received_at = self.clock.monotonic()
        self._batcher.check_room(request.size)
        self.counters.received[request.door] += request.size
        routing = Routing(self.directory, request, self.clock.now())
        self._start(routing.created)
        self.counters.refused.update(error.type for error in routing.errors.values())
        parts = [
            (routed.rows, self._batcher.submit(routed, received_at)) for routed in routing.routed
        ]
        return Pending(request.size, parts, routing.errors)

    def create(self, stream_id: str, model: str | None, options: StreamOptions) -> Stream:
        """Make a stream with options of its own.

        Raises:
            InvalidOption: If the id or an option is not valid or there are too many streams.
            UnknownModel: If the named model is not loaded.
            NotReady: If the engine is starting or stopping.
        """
        self._check_ready()
        stream = self.directory.create(stream_id, model=model, options=options, at=self.clock.now())
        self._start([stream])
        return stream

    async def reset(self, stream: Stream) -> None:
        """Begin a stream anew, with washout on its own observations; resolve an open alert."""
        self._check_ready()
        slots = np.array([stream.slot])
        await self._batcher.run(
            partial(stream.model.bank.start, slots, replace(stream.options, start="own")),
            then=partial(self._close_alert, stream),
        )

    async def configure(self, stream: Stream, options: StreamOptions) -> None:
        """Change z, sigma floor and policy of a stream that goes on; `start` waits for a reset."""
        self._check_ready()
        stream.options = options
        slots = np.array([stream.slot])
        await self._batcher.run(partial(stream.model.bank.configure, slots, options))

    def delete(self, stream: Stream) -> asyncio.Future[None]:
        """Forget a stream at once; rows of it that wait are still answered before it is done."""
        self._check_ready()
        self.directory.remove(stream)

        def then() -> None:
            self._close_alert(stream)
            stream.model.free.append(stream.slot)

        return self._batcher.run(lambda: None, then=then)

    async def inspect(self, stream: Stream) -> dict[str, Any]:
        """Read what the bank knows of one stream, as plain numbers."""
        slots = np.array([stream.slot])
        state = await self._batcher.run(lambda: stream.model.bank.inspect(slots))
        state["is_silent"] = silent(state, self.clock.now())
        return {name: column[0].item() for name, column in state.items()}

    async def census(self) -> list[Census]:
        """Read what the banks know of all streams, off the loop."""
        by_model: dict[Model, list[Stream]] = {m: [] for m in self.directory.models.values()}
        for stream in self.directory:
            by_model[stream.model].append(stream)
        slots = {
            model: np.fromiter((stream.slot for stream in streams), np.int64, len(streams))
            for model, streams in by_model.items()
        }

        def read() -> list[Census]:
            return [
                Census(model, streams, model.bank.inspect(slots[model]))
                for model, streams in by_model.items()
            ]

        return await self._batcher.run(read, is_long=len(self.directory) > 1000)  # noqa: PLR2004

    def open_alerts(self) -> list[Alert]:
        """List the alerts that are open."""
        return self._alerts.open_alerts()

    def _check_ready(self) -> None:
        if not self.is_ready:
            raise NotReady("the service is starting or stopping; send again in a moment")

    def _start(self, streams: Sequence[Stream]) -> None:
        """Let the banks start new streams, those with the same options at once."""
        groups: dict[tuple[Model, StreamOptions], list[int]] = {}
        for stream in streams:
            groups.setdefault((stream.model, stream.options), []).append(stream.slot)
        for (model, options), chosen in groups.items():
            slots: Int = np.array(chosen, np.int64)
            self._batcher.run(partial(model.bank.start, slots, options))

    def _conclude(self, batch: Batch) -> Judged:
        """Apply alert policy to a batch, count it and hand it to the sinks."""
        marks, transitions = self._alerts.apply(batch.model, batch.streams, batch.verdicts)
        scored = Scored(
            batch.model.name,
            batch.model.metrics,
            [stream.stream_id for stream in batch.streams],
            batch.verdicts,
            marks,
        )
        self._count(batch, transitions)
        for outlet in self.outlets:
            outlet.put(scored, transitions)
        return Judged(scored, 0, len(batch.verdicts))

    def _count(self, batch: Batch, transitions: list[Alert]) -> None:
        counters, verdicts, model = self.counters, batch.verdicts, batch.model.name
        now = self.clock.monotonic()
        for received_at, rows in batch.received_at:
            counters.latency_s.observe(now - received_at, rows)
        counters.batch_rows.observe(len(verdicts))
        taken = verdicts.n_taken
        counters.scored[model] += taken
        counters.anomalies[model] += int(np.count_nonzero(verdicts.is_anomaly > 0))
        counters.alerts.update(alert.status for alert in transitions)
        if taken < len(verdicts):
            for code, count in zip(*np.unique(verdicts.refusal, return_counts=True), strict=True):
                if code:
                    counters.refused[BANK_REFUSALS[code].type] += int(count)

    def _close_alert(self, stream: Stream) -> None:
        alert = self._alerts.close(stream, self.clock.now())
        if alert is not None:
            self.counters.alerts[alert.status] += 1
            for outlet in self.outlets:
                outlet.put_alert(alert)
