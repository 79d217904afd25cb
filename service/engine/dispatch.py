"""From the engine to the sinks: a bounded queue and a task for each; every drop is counted."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

import structlog

from service.engine.clock import Clock
from service.engine.errors import SinkError
from service.engine.ports import Alert, Delivery, Scored, Sink

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
        open_alerts: Lists the alerts that are open, for a sink that asks for them again and again.

    Attributes:
        is_up: Whether the last attempt to open or write succeeded.
        written: Verdicts and alerts written.
        dropped: Verdicts and alerts given up, by kind: `scores`, `alerts`.
        errors: Failed attempts by the error's kind.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        max_rows: int,
        clock: Clock,
        open_alerts: Callable[[], list[Alert]] = list,
    ) -> None:
        self.sink: Final = sink
        self.max_rows: Final = max_rows
        self.max_alerts: Final = MAX_ALERTS
        self.is_up = False
        self.written: Counter[str] = Counter(scores=0, alerts=0)
        self.dropped: Counter[str] = Counter(scores=0, alerts=0)
        self.errors: Counter[str] = Counter()
        self._clock = clock
        self._open_alerts = open_alerts
        self._refreshed = clock.monotonic()
        self._scored: deque[tuple[float, Scored]] = deque()
        self._alerts: deque[tuple[float, Alert]] = deque()
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
    def waiting_alerts(self) -> int:
        """Alerts that wait, those in the write under way included."""
        return len(self._alerts) + (len(self._in_flight.alerts) if self._in_flight else 0)

    @property
    def lag_s(self) -> float:
        """Age of the oldest verdict or alert that waits, in seconds."""
        since = self._oldest if self._oldest is not None else self._head_since()
        return 0.0 if since is None else self._clock.monotonic() - since

    def put(self, scored: Scored, alerts: list[Alert]) -> None:
        """Queue verdicts and alerts; never waits."""
        if not self.sink.takes_verdicts:
            if alerts:
                self._put_alerts(alerts)
            return
        self._scored.append((self._clock.monotonic(), scored))
        self._waiting_rows += len(scored.verdicts)
        while self._waiting_rows > self.max_rows and self._scored:
            _, dropped = self._scored.popleft()
            self._waiting_rows -= len(dropped.verdicts)
            self.dropped["scores"] += dropped.verdicts.n_taken
        self._put_alerts(alerts)

    def put_alert(self, alert: Alert) -> None:
        """Queue an alert that no verdict brought; never waits."""
        self._put_alerts([alert])

    def _put_alerts(self, alerts: list[Alert]) -> None:
        now = self._clock.monotonic()
        self._alerts.extend((now, alert) for alert in alerts)
        while len(self._alerts) > self.max_alerts:
            self._alerts.popleft()
            self.dropped["alerts"] += 1
        self._arrived.set()

    async def run(self) -> None:
        """Write until stopped, then until nothing is left; end by cancelling."""
        await self._write(Delivery())
        while not (self._stopping.is_set() and self._is_empty()):
            if self._is_empty() and not self._is_due():
                await self._something()
                continue
            if self._waiting_rows < BATCH_ROWS:
                await self._pause(LINGER_S)
            delivery = self._next()
            self._forget(delivery, await self._write(delivery))

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
        """Wait until something arrives, or until the open alerts are to be told again."""
        self._arrived.clear()
        try:
            await asyncio.wait_for(self._arrived.wait(), self._due_in_s())
        except TimeoutError:
            return

    def _due_in_s(self) -> float | None:
        every_s = self.sink.refresh_s
        return None if every_s is None else self._refreshed + every_s - self._clock.monotonic()

    def _is_due(self) -> bool:
        due_in_s = self._due_in_s()
        return due_in_s is not None and due_in_s <= 0

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the stop."""
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return

    def _next(self) -> Delivery:
        is_due, self._oldest = self._is_due(), self._head_since()
        delivery, rows = Delivery(open_alerts=self._open_alerts() if is_due else None), 0
        if is_due:
            self._refreshed = self._clock.monotonic()
        while self._scored and rows < BATCH_ROWS:
            _, scored = self._scored.popleft()
            delivery.scored.append(scored)
            rows += len(scored.verdicts)
        delivery.alerts.extend(alert for _, alert in self._alerts)
        self._alerts.clear()
        self._in_flight = delivery
        return delivery

    async def _write(self, delivery: Delivery) -> SinkError | None:
        """Try until it is written, with growing pauses; the first, empty one opens the sink.

        Returns:
            Why it is given up; None: it was written.
        """
        pause_s = FIRST_PAUSE_S
        while delivery.scored or delivery.alerts or not self._stopping.is_set():
            try:
                if not self._is_open:
                    await self.sink.open()
                    self._is_open = True
                await self.sink.write_batch(delivery)
            except Exception as error:  # whatever a sink does, its task goes on
                self._failed(error, delivery)
                if isinstance(error, SinkError) and error.is_final:
                    return error
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._succeeded()
                break
        return None

    def _failed(self, error: Exception, delivery: Delivery) -> None:
        kind, bug = (error.kind, None) if isinstance(error, SinkError) else ("bug", error)
        self.errors[kind] += 1
        if self.is_up or self.errors.total() == 1:
            _log.warning(
                "sink down", sink=self.sink.name, kind=kind, detail=str(error), exc_info=bug
            )
        # who refused some for good and took others is there
        lost = error.lost if isinstance(error, SinkError) and error.is_final else None
        self.is_up = lost is not None and lost < len(delivery.alerts)

    def _succeeded(self) -> None:
        if not self.is_up:
            _log.info("sink up", sink=self.sink.name, waiting=self._waiting_rows)
        self.is_up = True

    def _forget(self, delivery: Delivery, given_up: SinkError | None) -> None:
        self._waiting_rows -= sum(len(scored.verdicts) for scored in delivery.scored)
        scores = sum(scored.verdicts.n_taken for scored in delivery.scored)
        alerts = lost = len(delivery.alerts)
        if given_up is None:
            lost = 0
        elif given_up.lost is not None:
            lost = given_up.lost
        self.written["scores"] += 0 if given_up else scores
        self.dropped["scores"] += scores if given_up else 0
        self.written["alerts"] += alerts - lost
        self.dropped["alerts"] += lost
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
        heads = [waiting[0][0] for waiting in (self._scored, self._alerts) if waiting]
        return min(heads, default=None)
