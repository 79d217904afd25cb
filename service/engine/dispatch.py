"""From the engine to the sinks: a bounded queue and a task for each; every drop is counted."""

import asyncio
from collections import Counter, deque
from typing import Final

import structlog

from service.engine.errors import SinkError
from service.engine.ports import Alert, Clock, Delivery, Scored, Sink

_log = structlog.get_logger("stepwatch.dispatch")

BATCH_ROWS: Final = 2000
LINGER_S: Final = 0.01
"""A sink waits this long for more while a write would carry few."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
MAX_ALERTS: Final = 10_000


class Outlet:
    """One sink with what waits for it. When the queue is full the oldest verdicts are dropped.

    Args:
        sink: Opened, written to and closed by this outlet's task alone.
        max_rows: Verdicts that may wait, those in the write under way included.
        clock: For the age of what waits.

    Attributes:
        is_up: Whether the last attempt to open or write succeeded.
        written: Verdicts and alerts written.
        dropped: Verdicts and alerts given up, by kind: `scores`, `alerts`.
        errors: Failed attempts by the error's kind.
    """

    def __init__(self, sink: Sink, *, max_rows: int, clock: Clock) -> None:
        self.sink: Final = sink
        self.is_up = False
        self.written: Counter[str] = Counter(scores=0, alerts=0)
        self.dropped: Counter[str] = Counter(scores=0, alerts=0)
        self.errors: Counter[str] = Counter()
        self._max_rows = max_rows
        self._clock = clock
        self._scored: deque[tuple[float, Scored]] = deque()
        self._alerts: deque[Alert] = deque()
        self._waiting_rows = 0
        self._in_flight: Delivery | None = None
        self._oldest: float | None = None
        self._arrived = asyncio.Event()
        self._stopping = asyncio.Event()
        self._is_open = False

    @property
    def waiting_rows(self) -> int:
        """Verdicts that wait, those in the write under way included."""
        return self._waiting_rows

    @property
    def lag_s(self) -> float:
        """Age of the oldest verdict that waits, in seconds."""
        since = self._oldest if self._oldest is not None else self._head_since()
        return 0.0 if since is None else self._clock.monotonic() - since

    def put(self, scored: Scored, alerts: list[Alert]) -> None:
        """Queue verdicts and alerts; never waits."""
        self._scored.append((self._clock.monotonic(), scored))
        self._waiting_rows += len(scored.verdicts)
        while self._waiting_rows > self._max_rows and self._scored:
            _, dropped = self._scored.popleft()
            self._waiting_rows -= len(dropped.verdicts)
            self.dropped["scores"] += dropped.verdicts.n_taken
        self._put_alerts(alerts)

    def put_alert(self, alert: Alert) -> None:
        """Queue an alert that no verdict brought; never waits."""
        self._put_alerts([alert])

    def _put_alerts(self, alerts: list[Alert]) -> None:
        self._alerts.extend(alerts)
        while len(self._alerts) > MAX_ALERTS:
            self._alerts.popleft()
            self.dropped["alerts"] += 1
        self._arrived.set()

    async def run(self) -> None:
        """Write until stopped, then until nothing is left; end by cancelling."""
        await self._write(Delivery())
        while not (self._stopping.is_set() and self._is_empty()):
            if self._is_empty():
                await self._something()
                continue
            if self._waiting_rows < BATCH_ROWS:
                await self._pause(LINGER_S)
            delivery = self._next()
            await self._write(delivery)
            self._forget(delivery)

    async def stop(self, task: "asyncio.Task[None]", timeout_s: float) -> None:
        """Let the task write what is left for at most `timeout_s`, count the rest as dropped."""
        self._stopping.set()
        self._arrived.set()
        await asyncio.wait([task], timeout=timeout_s)
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
        self._count_rest()
        await self.sink.close()

    async def _something(self) -> None:
        self._arrived.clear()
        await self._arrived.wait()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _next(self) -> Delivery:
        delivery, rows = Delivery(), 0
        while self._scored and rows < BATCH_ROWS:
            since, scored = self._scored.popleft()
            self._oldest = since if self._oldest is None else self._oldest
            delivery.scored.append(scored)
            rows += len(scored.verdicts)
        delivery.alerts.extend(self._alerts)
        self._alerts.clear()
        self._in_flight = delivery
        return delivery

    async def _write(self, delivery: Delivery) -> None:
        """Try until it is written, with growing pauses; the first, empty one opens the sink."""
        pause_s = FIRST_PAUSE_S
        while delivery.scored or delivery.alerts or not self._stopping.is_set():
            try:
                if not self._is_open:
                    await self.sink.open()
                    self._is_open = True
                await self.sink.write_batch(delivery)
            except Exception as error:  # whatever a sink does, its task goes on
                self._failed(error)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._succeeded()
                return

    def _failed(self, error: Exception) -> None:
        kind, bug = (error.kind, None) if isinstance(error, SinkError) else ("bug", error)
        self.errors[kind] += 1
        if self.is_up or self.errors.total() == 1:
            _log.warning(
                "sink down", sink=self.sink.name, kind=kind, detail=str(error), exc_info=bug
            )
        self.is_up = False

    def _succeeded(self) -> None:
        if not self.is_up:
            _log.info("sink up", sink=self.sink.name, waiting=self._waiting_rows)
        self.is_up = True

    def _forget(self, delivery: Delivery) -> None:
        self._waiting_rows -= sum(len(scored.verdicts) for scored in delivery.scored)
        self.written["scores"] += sum(scored.verdicts.n_taken for scored in delivery.scored)
        self.written["alerts"] += len(delivery.alerts)
        self._in_flight = self._oldest = None

    def _count_rest(self) -> None:
        rest = [scored for _, scored in self._scored]
        alerts = len(self._alerts)
        if self._in_flight is not None:
            rest += self._in_flight.scored
            alerts += len(self._in_flight.alerts)
        lost = sum(scored.verdicts.n_taken for scored in rest)
        self.dropped["scores"] += lost
        self.dropped["alerts"] += alerts
        if lost or alerts:
            _log.warning("sink stopped", sink=self.sink.name, lost_scores=lost, lost_alerts=alerts)

    def _is_empty(self) -> bool:
        return not self._scored and not self._alerts

    def _head_since(self) -> float | None:
        return self._scored[0][0] if self._scored else None
