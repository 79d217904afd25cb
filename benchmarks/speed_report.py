"""What was measured, as tables for people and as JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path as File
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.json_file import write_json
from benchmarks.speed_paths import NAIVE, PATHS, Path
from benchmarks.speed_run import Stretch

Rounds = dict[tuple[str, str], list[Stretch]]
"""Of each service and path, a stretch a round."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A path of ours beside the naive one it is compared with, round by round."""

    path: Path
    ours: list[Stretch]
    naive: list[Stretch]

    @property
    def gains(self) -> list[float]:
        """How many times better ours was, each round by itself."""
        name = self.path.measure
        pairs = zip(self.ours, self.naive, strict=True)
        ratios = [one.measure(name) / other.measure(name) for one, other in pairs]
        return ratios if name == "rate" else [1 / ratio for ratio in ratios]

    @property
    def cpu_gain(self) -> float:
        """How many times less CPU the server needed for an observation, median."""
        pairs = zip(self.ours, self.naive, strict=True)
        return median(other.server_us / one.server_us for one, other in pairs)

    @property
    def verdict(self) -> str:
        """Say what was reached."""
        gain = median(self.gains)
        return "aim" if gain >= self.path.aim else "must" if gain >= self.path.must else "no"


def compared(found: Rounds) -> list[Compared]:
    """Put together what is compared."""
    return [
        Compared(path, found[path.ours, path.title], found[NAIVE, path.against or path.title])
        for path in PATHS
    ]


def targets(found: Rounds) -> Table:
    """Show what was reached of what is wanted."""
    table = Table(
        "path", "naive", "ours", "in Redis", "gain", "of the rounds", "must", "aim", "met",
        "CPU gain",
        title="Gain over the service written by hand (medians)",
    )  # fmt: skip
    for one in compared(found):
        name, gains = one.path.measure, one.gains
        unit = "/s" if name == "rate" else " ms"
        values = [median(part.measure(name) for part in side) for side in (one.naive, one.ours)]
        table.add_row(
            one.path.title,
            *(
                f"{value:,.0f}{unit}" if name == "rate" else f"{value:.2f}{unit}"
                for value in values
            ),
            one.path.ours.removeprefix("ours, "),
            f"{median(gains):.1f}",
            f"{min(gains):.1f}-{max(gains):.1f}",
            f"{one.path.must:g}",
            f"{one.path.aim:g}",
            one.verdict,
            f"{one.cpu_gain:.1f}",
        )
    return table


def details(found: Rounds) -> Table:
    """Show what each service did by each path."""
    table = Table(
        "path", "service", "rows/s", "spread", "answered/s", "server", "Redis", "client", "p50 ms",
        "p99 ms", "errors",
        title="Each service by itself (medians; CPU in µs an observation)",
    )  # fmt: skip
    for (service, title), rounds in found.items():
        rates = [one.rate for one in rounds]
        names = ("answered_rate", "server_us", "redis_us", "client_us", "p50_ms", "p99_ms")
        middles = [median(getattr(one, name) for one in rounds) for name in names]
        table.add_row(
            title,
            service,
            f"{median(rates):,.0f}",
            f"{min(rates):,.0f}-{max(rates):,.0f}",
            f"{middles[0]:,.0f}",
            *(f"{middle:.1f}" for middle in middles[1:4]),
            *(f"{middle:.2f}" for middle in middles[4:]),
            str(sum(one.errors for one in rounds)),
        )
    return table


def write(
    file: File | None, found: Rounds, checks: dict[str, Any], machine: dict[str, Any]
) -> None:
    """Write everything as JSON."""
    rounds = [
        {"service": service, "path": title, "rounds": [one.told() for one in many]}
        for (service, title), many in found.items()
    ]
    told: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine,
    }
    results = [_result(one) for one in compared(found)]
    write_json(file, told | {"checks": checks, "targets": results, "measured": rounds})


def _result(one: Compared) -> dict[str, Any]:
    return {
        "path": one.path.title,
        "ours": one.path.ours,
        "measure": one.path.measure,
        "must": one.path.must,
        "aim": one.path.aim,
        "gain": median(one.gains),
        "gains": one.gains,
        "cpu_gain": one.cpu_gain,
        "met": one.verdict,
    }
