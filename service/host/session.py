"""One run: what is to be done, the readings that are learned from, and the training."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from models.checkpoint import Checkpoint
from models.epochs import Progress
from service.host.learning import LEAST_READINGS, Lesson, learn
from service.host.recording import Recording
from service.host.streaming import Sensor, Streaming
from service.host.watching import Learner, Watch

FALSE_ALARMS: Final = 24.0
"""Anomalies a day that are asked for where nothing is said: one an hour. Fewer can't be told from
five minutes, and of anomalies only three in a row are an alert."""
SETTLE_S: Final = 10.0
"""Readings so soon after the start are not learned from: the start itself is work."""
_MOST_SETTLING: Final = 0.1
"""Share of the learning that settling may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        names: Metrics, in the order of the columns.
        stream_id: What this computer is called.
        model: What its model is called.
        every_s: Seconds between readings.
        learn_s: Seconds that are learned from, as asked for.
        false_alarms_per_day: How many are asked for; None: nothing was said.
        minutes: After so many the run ends by itself; None: it does not.
    """

    names: list[str]
    stream_id: str
    model: str
    every_s: float
    learn_s: float
    false_alarms_per_day: float | None = None
    minutes: float | None = None

    @property
    def readings(self) -> int:
        """How many readings are learned from: as asked for, but not too few to train on."""
        return max(round(self.learn_s / self.every_s), LEAST_READINGS)

    @property
    def is_stretched(self) -> bool:
        """Whether learning takes longer than was asked for."""
        return round(self.learn_s / self.every_s) < LEAST_READINGS

    @property
    def settling(self) -> int:
        """How many readings are not learned from, at the start."""
        return round(min(SETTLE_S / self.every_s, _MOST_SETTLING * self.readings))

    @property
    def collecting_s(self) -> float:
        """Seconds until there is enough to learn from."""
        return (self.readings + self.settling) * self.every_s


class LearningStoppedError(Exception):
    """The run was ended before this computer was learned."""


class Session:
    """Reads, streams and, where asked to, learns.

    Args:
        plan: What is to be done.
        watch: Hears of every reading and every answer.
        stop: Set it to end.
        on_connected: Awaited at each connection to the service.
    """

    def __init__(
        self,
        plan: Plan,
        watch: Watch,
        stop: asyncio.Event,
        on_connected: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.plan: Final = plan
        self.watch: Final = watch
        self.stop: Final = stop
        self.recording: Final = Recording(plan.names, plan.readings)
        sensor = Sensor(plan.names)
        self.streaming: Final = Streaming(plan.stream_id, sensor, watch, plan.every_s, on_connected)

    @asynccontextmanager
    async def running(self, url: str | None, *, is_own: bool = False) -> AsyncIterator[None]:
        """Read and stream for the length of the block.

        Args:
            url: The service's WebSocket; None: what is read goes nowhere but to the recording.
            is_own: Whether the service ends with this run.

        Raises:
            GatewayError: If the service is not there, or fails.
        """
        going = (
            self.streaming.read(self.stop)
            if url is None
            else self.streaming.run(url, self.stop, is_own=is_own)
        )
        reading = asyncio.create_task(going)
        reading.add_done_callback(lambda _: self.stop.set())
        if self.plan.minutes is not None:
            asyncio.get_running_loop().call_later(60 * self.plan.minutes, self.stop.set)
        try:
            yield
        finally:
            self.stop.set()
            await reading

    async def watched(self) -> None:
        """Tell what is found until it is over, then sum up."""
        self.watch.learner = None
        await self.stop.wait()
        self.watch.summarise(self.streaming.missed, self.streaming.lost)

    async def collect(self, on_progress: Callable[[int, str], None]) -> None:
        """Wait until there are enough readings; whoever streams or reads brings them.

        Raises:
            LearningStoppedError: If the run ends before.
        """
        is_full = asyncio.Event()
        self.watch.learner = Learner(self.recording, self.plan.settling, on_progress, is_full.set)
        waits = [asyncio.create_task(one.wait()) for one in (is_full, self.stop)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        self.check()

    async def train(self, on_batch: Callable[[Progress], None]) -> Checkpoint:
        """Learn from the readings, beside the loop, which goes on streaming.

        Raises:
            LearningStoppedError: If the run ends before.
            FitError: If the readings can't be learned from.
        """
        lesson = Lesson(
            names=self.plan.names,
            values=self.recording.values,
            step_s=self.plan.every_s,
            false_alarms_per_day=self.plan.false_alarms_per_day or FALSE_ALARMS,
        )
        return await asyncio.to_thread(learn, lesson, on_batch)

    def check(self) -> None:
        """Raise where the run is to end.

        Raises:
            LearningStoppedError: If it is.
        """
        if self.stop.is_set():
            raise LearningStoppedError
