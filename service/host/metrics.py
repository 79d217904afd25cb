"""What is measured of a computer: names, units, what a person calls it, and how far it may go."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

_STEP: Final = 1000.0
_PREFIXES: Final = ("", "k", "M", "G", "T", "P")
_TENS: Final = 10.0


class Unit(Enum):
    """Units, as they are written behind a number."""

    PERCENT = " %"
    BYTES_PER_S = "B/s"
    PER_S = "/s"
    COUNT = ""

    def shown(self, value: float) -> str:
        """Write a value for a person: `93 %`, `180 MB/s`, `3,400/s`, `0.42`."""
        if self is Unit.BYTES_PER_S:
            return f"{_with_prefix(value)}{self.value}"
        if abs(value) >= _TENS:
            return f"{value:,.0f}{self.value}"
        return f"{value:.2g}{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric of this computer.

    Attributes:
        name: As it is sent; tells the unit.
        told: What a person calls it.
        unit: Of its values.
        least_span: How far, in its unit, it is taken to range where the recording shows less. A
            deviation counts only beyond 0.3 % of the range (`models.scoring.SCALE_FLOOR`): what
            stood still while a few minutes were learned would otherwise be an anomaly as soon as
            it stirs, one packet or one page read from a disk.
    """

    name: str
    told: str
    unit: Unit
    least_span: float


def _metric(name: str, told: str, unit: Unit, least_span: float) -> Metric:
    return Metric(name=name, told=told, unit=unit, least_span=least_span)


PLAIN: Final = (
    _metric("cpu_user_percent", "CPU in programs", Unit.PERCENT, 100),
    _metric("cpu_system_percent", "CPU in the kernel", Unit.PERCENT, 100),
    _metric("cpu_iowait_percent", "CPU waiting for disks", Unit.PERCENT, 100),
    _metric("cpu_steal_percent", "CPU taken by other machines", Unit.PERCENT, 100),
    _metric("load_1m", "load over a minute", Unit.COUNT, 4),
    _metric("processes_count", "processes", Unit.COUNT, 500),
    _metric("context_switches_per_s", "context switches", Unit.PER_S, 50_000),
    _metric("interrupts_per_s", "interrupts", Unit.PER_S, 20_000),
    _metric("memory_used_percent", "memory in use", Unit.PERCENT, 100),
    _metric("swap_in_bytes_per_s", "read back from swap", Unit.BYTES_PER_S, 50e6),
    _metric("swap_out_bytes_per_s", "written to swap", Unit.BYTES_PER_S, 50e6),
    _metric("net_received_bytes_per_s", "network received", Unit.BYTES_PER_S, 50e6),
    _metric("net_sent_bytes_per_s", "network sent", Unit.BYTES_PER_S, 50e6),
    _metric("net_received_packets_per_s", "packets received", Unit.PER_S, 20_000),
    _metric("net_sent_packets_per_s", "packets sent", Unit.PER_S, 20_000),
    _metric("net_errors_per_s", "network errors and drops", Unit.PER_S, 1_000),
)
"""All that there is once; the order is that of the columns, disks behind them."""
_OF_A_DISK: Final = {
    "read_bytes_per_s": ("read", Unit.BYTES_PER_S, 100e6),
    "write_bytes_per_s": ("written", Unit.BYTES_PER_S, 100e6),
    "reads_per_s": ("reads", Unit.PER_S, 5_000),
    "writes_per_s": ("writes", Unit.PER_S, 5_000),
    "busy_percent": ("busy", Unit.PERCENT, 100),
}
ALL_DISKS: Final = "all"
"""Stands for the sum over disks where there are many."""
_DISK: Final = re.compile(rf"disk_(?P<disk>.+)_(?P<what>{'|'.join(_OF_A_DISK)})")
_PLAIN_BY_NAME: Final = {metric.name: metric for metric in PLAIN}


def disk_metric(disk: str, what: str) -> str:
    """Name a metric of a disk, such as `disk_sda_write_bytes_per_s`."""
    return f"disk_{disk}_{what}"


def metric_of(name: str) -> Metric:
    """Find a metric by its name; one that is not known here has no unit and no range."""
    if name in _PLAIN_BY_NAME:
        return _PLAIN_BY_NAME[name]
    parts = _DISK.fullmatch(name)
    if parts is None:
        return Metric(name=name, told=name, unit=Unit.COUNT, least_span=0.0)
    told, unit, least_span = _OF_A_DISK[parts["what"]]
    disk = "all disks" if parts["disk"] == ALL_DISKS else f"disk {parts['disk']}"
    return Metric(name=name, told=f"{disk}: {told}", unit=unit, least_span=least_span)


def in_order(names: Iterable[str]) -> list[str]:
    """Put names in the order of the columns."""
    places = {metric.name: place for place, metric in enumerate(PLAIN)}
    return sorted(names, key=lambda name: (places.get(name, len(places)), name))


def _with_prefix(value: float) -> str:
    size, prefix = abs(value), 0
    # 999.7 would be written as 1000
    while size >= _STEP - 0.5 and prefix < len(_PREFIXES) - 1:
        size, value, prefix = size / _STEP, value / _STEP, prefix + 1
    digits = 1 if prefix and size < _TENS else 0
    return f"{value:.{digits}f} {_PREFIXES[prefix]}"
