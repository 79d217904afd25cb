"""Time, as the engine asks for it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Time, so that tests can turn it."""

    def now(self) -> int:
        """Give the wall clock, microseconds UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back, for durations."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Give the wall clock, microseconds UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Give seconds that never go back, for durations."""
        return time.monotonic()
