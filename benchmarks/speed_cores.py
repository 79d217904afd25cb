"""Which core each part of a measurement runs on, and what it computes there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_SCHEDULED: Final = 2


@dataclass(frozen=True, slots=True)
class Cores:
    """Where each part runs."""

    server: set[int]
    client: set[int]
    redis: set[int]

    @classmethod
    def of_this_machine(cls) -> "Cores":
        """Share out what there is: the server has a core to itself as soon as there are two."""
        there = sorted(os.sched_getaffinity(0))
        return cls({there[0]}, {there[min(1, len(there) - 1)]}, {there[min(2, len(there) - 1)]})

    def __str__(self) -> str:
        """Say it."""
        parts = f"server on core {self.server}, client on {self.client}, Redis on {self.redis}"
        return parts.replace("{", "").replace("}", "")


@contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Start processes on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy_s() -> float:
    """Read how long all cores together have worked, for whomever."""
    columns = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _, _, irq, softirq, stolen = map(int, columns)
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    """Read how long a process has computed, all its threads together.

    `/proc/PID/stat` tells the same in hundredths of a second, too coarse for a short stretch. On
    Linux every process has a clock; this is its number (clock_getcpuclockid(3)).
    """
    return time.clock_gettime((~pid << 3) | _SCHEDULED)
