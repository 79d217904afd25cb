"""What the operating system says of this computer, and the rates between two readings of it."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil  # type: ignore[import-untyped]

from models.blocks import Float64
from service.host.metrics import ALL_DISKS, disk_metric, in_order

FEW_DISKS: Final = 4
"""So many disks are told apart; more are summed up."""
_NO_DISKS: Final = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")
"""What has no platters of its own, or shows those of another once more."""
_BLOCK_DEVICES: Final = Path("/sys/block")
_INTERFACES: Final = Path("/sys/class/net")
_CPU_BACK: Final = 100.0
"""Percent seconds. The kernel's time waiting for disks may go back a little (proc(5))."""
_DISK_COUNTERS: Final = {
    "read_bytes_per_s": ("read_bytes", 1.0),
    "write_bytes_per_s": ("write_bytes", 1.0),
    "reads_per_s": ("read_count", 1.0),
    "writes_per_s": ("write_count", 1.0),
    "busy_percent": ("busy_time", 0.1),
}
"""psutil's field, and by what it is multiplied: milliseconds a second are tenths of a percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What was read at one moment, by metric.

    Attributes:
        clock_s: When, on a clock that is never set.
        values: Metrics as they stand.
        totals: Counters that only rise; what one rises by in a second is the metric.
    """

    clock_s: float
    values: Mapping[str, float]
    totals: Mapping[str, float]

    @property
    def names(self) -> list[str]:
        """Name the metrics that are there, in the order of the columns."""
        return in_order([*self.values, *self.totals])


def snapshot(clock_s: float) -> Snapshot:
    """Read everything that this computer has; what it has not is left out.

    Args:
        clock_s: The time now, on a clock that is never set.
    """
    values = _known(_load, _processes, _memory)
    totals = _known(_cpu_totals, _kernel_totals, _swap_totals, _disk_totals, _network_totals)
    return Snapshot(clock_s=clock_s, values=values, totals=totals)


class Readings:
    """Turns snapshots into vectors of metrics.

    Args:
        names: Metrics, in the order of the columns.
    """

    def __init__(self, names: list[str]) -> None:
        self.names: Final = names
        self._before: Snapshot | None = None

    def vector(self, now: Snapshot) -> Float64:
        """Compute values and rates since the snapshot before, `[F]`.

        A metric is NaN where it is not there any more, where its counter went back (a device was
        taken out, or its counter began anew), and where there is no snapshot before.
        """
        before, self._before = self._before, now
        rates = {} if before is None else _rates(before, now)
        known = {**now.values, **rates}
        return np.array([known.get(name, math.nan) for name in self.names], np.float64)


def left_out(names: list[str]) -> list[str]:
    """Say what is not measured here, a line each."""
    reasons = {
        "cpu_user": "time of the CPUs: this system does not tell it",
        "load_": "load: this system does not tell it",
        "processes_": "processes: this system does not tell how many there are",
        "context_": "context switches and interrupts: this system does not count them",
        "memory_": "memory: this system does not tell it",
        "disk_": "disks: the system counts none that are its own (a container?)",
        "net_": "network: there is no interface but the loopback, or the system counts none",
        "swap_": "swap: there is none, or the system does not count it",
        "cpu_iowait": "time waiting for disks: this system does not tell it",
    }
    return [
        why for begin, why in reasons.items() if not any(one.startswith(begin) for one in names)
    ]


def _rates(before: Snapshot, now: Snapshot) -> dict[str, float]:
    passed_s = now.clock_s - before.clock_s
    if passed_s <= 0:
        return {}
    both = now.totals.keys() & before.totals.keys()
    return {name: _risen(name, before.totals[name], now.totals[name]) / passed_s for name in both}


def _risen(name: str, before: float, now: float) -> float:
    if now >= before:
        return now - before
    is_slip = name.startswith("cpu_") and before - now < _CPU_BACK
    return 0.0 if is_slip else math.nan


def _known(*groups: Callable[[], Iterator[tuple[str, float]]]) -> dict[str, float]:
    """Read groups of metrics; one that this system does not give is left out, as a whole."""
    found = dict[str, float]()
    for group in groups:
        # what is not found is told by `left_out`, or is missing from a reading
        with suppress(NotImplementedError, OSError):
            found |= dict(group())
    return found


def _load() -> Iterator[tuple[str, float]]:
    yield "load_1m", float(psutil.getloadavg()[0])


def _processes() -> Iterator[tuple[str, float]]:
    yield "processes_count", float(len(psutil.pids()))


def _memory() -> Iterator[tuple[str, float]]:
    memory = psutil.virtual_memory()
    yield "memory_used_percent", 100.0 * (memory.total - memory.available) / memory.total


def _cpu_totals() -> Iterator[tuple[str, float]]:
    """Percent seconds of all CPUs by kind; a virtual machine's guests are in `user` already."""
    times = psutil.cpu_times()._asdict()
    percent = 100.0 / (psutil.cpu_count() or 1)
    yield "cpu_user_percent", percent * (times["user"] + times.get("nice", 0.0))
    kernel = times["system"] + times.get("irq", 0.0) + times.get("softirq", 0.0)
    yield "cpu_system_percent", percent * kernel
    for kind in ("iowait", "steal"):
        if kind in times:
            yield f"cpu_{kind}_percent", percent * times[kind]


def _kernel_totals() -> Iterator[tuple[str, float]]:
    statistics = psutil.cpu_stats()
    yield "context_switches_per_s", float(statistics.ctx_switches)
    yield "interrupts_per_s", float(statistics.interrupts)


def _swap_totals() -> Iterator[tuple[str, float]]:
    swap = psutil.swap_memory()
    if swap.total:
        yield "swap_in_bytes_per_s", float(swap.sin)
        yield "swap_out_bytes_per_s", float(swap.sout)


def _disk_totals() -> Iterator[tuple[str, float]]:
    counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
    disks = {name: one for name, one in counters.items() if is_disk(name)}
    is_many = len(disks) > FEW_DISKS
    groups = {ALL_DISKS: [*disks.values()]} if is_many else {k: [v] for k, v in disks.items()}
    for disk, members in groups.items():
        for what, (field, scale) in _DISK_COUNTERS.items():
            if all(hasattr(member, field) for member in members):
                # of many disks the mean is how busy they are
                share = scale / len(members) if what == "busy_percent" else scale
                yield disk_metric(disk, what), share * _sum(members, field)


def _network_totals() -> Iterator[tuple[str, float]]:
    counters = psutil.net_io_counters(pernic=True, nowrap=False) or {}
    names = [name for name in counters if not is_loopback(name)]
    # what runs over a bridge or a tunnel runs over a card as well
    cards = [counters[name] for name in [name for name in names if is_card(name)] or names]
    if not cards:
        return
    yield "net_received_bytes_per_s", _sum(cards, "bytes_recv")
    yield "net_sent_bytes_per_s", _sum(cards, "bytes_sent")
    yield "net_received_packets_per_s", _sum(cards, "packets_recv")
    yield "net_sent_packets_per_s", _sum(cards, "packets_sent")
    yield "net_errors_per_s", _sum(cards, "errin", "errout", "dropin", "dropout")


def is_disk(name: str) -> bool:
    """Tell disks from their partitions, from what lies on top of them and from memory."""
    if name.startswith(_NO_DISKS):
        return False
    if sys.platform != "linux" or not _BLOCK_DEVICES.is_dir():
        return True
    return (_BLOCK_DEVICES / name.replace("/", "!")).exists()


def is_loopback(name: str) -> bool:
    """Tell the interface that leads nowhere, by its usual names."""
    return name in ("lo", "lo0") or name.startswith("Loopback")


def is_card(name: str) -> bool:
    """Tell an interface that has a device behind it; none has where that can't be known."""
    return (_INTERFACES / name / "device").exists()


def _sum(members: list[Any], *fields: str) -> float:
    return float(sum(getattr(member, field) for member in members for field in fields))
