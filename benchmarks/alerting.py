"""How soon does a fault show in Alertmanager, and do the rules fire when something is wrong?

    python -m benchmarks.alerting [--faults 6] [--out DIR]

Runs redis-server, Prometheus and Alertmanager with the files of `docker/`, `stepwatch serve` with
the demo's model, and the demo's plant and gateway; some twelve minutes, nothing sped up. First
faults are injected: each has to be in Alertmanager within 15 s of the first disturbed reading, and
gone after it has resolved. Then Redis is stopped and started, then the gateway falls silent: their
rules have to fire. What Alertmanager answered is kept below DIR.
"""

import argparse
import asyncio
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx
from rich.progress import Progress as Bar

from benchmarks.alerting_scene import (
    Notes,
    alertmanager,
    alerts_of,
    console,
    keep,
    prometheus,
    running,
    until,
)
from benchmarks.outage import redis_server
from benchmarks.service import free_port, serving
from service.demo.faults import FaultSchedule
from service.demo.gateway import RATE_HZ, Scene, run_gateway
from service.demo.plant import Plant
from service.demo.training import PUMPS, train

SHOWN_WITHIN_S: Final = 15.0
FAULT_WITHIN_S: Final = 60.0
RESOLVED_WITHIN_S: Final = 120.0
FIRED_WITHIN_S: Final = 300.0
STEADY_S: Final = 420.0
"""A gateway has to have sent for so long before its silence is told."""
MODEL: Final = "pumps"


@dataclass(frozen=True)
class Site:
    """What runs: Alertmanager's client, the plant's notes, and where answers are kept."""

    client: httpx.AsyncClient
    notes: Notes
    out: Path

    async def fault(self) -> bool:
        """Wait for the next fault, its alert in Alertmanager, and its end there."""
        known = dict(self.notes.faults)
        began, fault = await until(lambda: self._new(known), FAULT_WITHIN_S)
        label = {"alertname": "StepwatchAnomaly", "stream": fault.stream_id}
        shown = await until(lambda: alerts_of(self.client, **label), FAULT_WITHIN_S)
        after_s = monotonic() - began
        if shown is None:
            console.print(f"{fault.kind} of {fault.stream_id}: [red]not shown[/]")
            return False
        keep(self.out, f"fault-{fault.stream_id.replace('/', '-')}", shown)
        told_s = self.notes.opened[fault.stream_id] - began
        gone = await until(lambda: self._gone(label), RESOLVED_WITHIN_S)
        resolved = self.notes.resolved.get(fault.stream_id)
        later = f"{monotonic() - resolved:.1f} s after it resolved" if resolved else "?"
        console.print(
            f"{fault.kind} of {fault.stream_id}: alert opened after {told_s:.1f} s, shown in "
            f"Alertmanager after {after_s:.1f} s: {shown[0]['annotations']['summary']}; "
            f"{'gone ' + later if gone else '[red]not gone[/]'}"
        )
        return bool(after_s <= SHOWN_WITHIN_S and gone)

    async def fires(self, *rules: str) -> bool:
        """Wait until rules have fired in Alertmanager."""
        began, all_fired = monotonic(), True
        for rule in rules:
            asked = partial(alerts_of, self.client, alertname=rule)
            fired = await until(asked, FIRED_WITHIN_S)
            all_fired &= fired is not None
            keep(self.out, rule, fired)
            told = fired[0]["annotations"]["summary"] if fired else "[red]did not fire[/]"
            console.print(f"{rule}, {monotonic() - began:.0f} s later: {told}")
        return all_fired

    async def ends(self, rule: str) -> bool:
        """Wait until a rule no longer fires."""
        began = monotonic()
        gone = await until(lambda: self._gone({"alertname": rule}), FIRED_WITHIN_S)
        console.print(
            f"{rule} {'gone' if gone else '[red]not gone[/]'}, {monotonic() - began:.0f} s later"
        )
        return gone is not None

    async def _new(self, known: dict[str, Any]) -> Any:
        fresh = [one for name, one in self.notes.faults.items() if known.get(name) != one]
        return fresh[0] if fresh else None

    async def _gone(self, labels: dict[str, str]) -> bool:
        return not await alerts_of(self.client, **labels)


async def shown(directory: Path, out: Path, faults: int) -> bool:
    """Play it all; whether everything was as it should be."""
    redis, at, scraping = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{at}"
    given = {
        "REDIS_URL": f"redis://127.0.0.1:{redis}",
        "STEPWATCH_ALERTMANAGER_URL": url,
        "STEPWATCH_DEFAULT_MODEL": MODEL,
    }
    plant = Plant(PUMPS, seed=11)
    notes, stop = Notes(), asyncio.Event()
    scene = Scene(plant=plant, schedule=FaultSchedule(plant.stream_ids, seed=11), narrator=notes)
    async with (
        running(*alertmanager(directory, at)),
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as client,
    ):
        site = Site(client, notes, out)
        async with serving(directory, **given) as service:
            targets = {
                "stepwatch:8080": service.url.removeprefix("http://"),
                "alertmanager:9093": f"127.0.0.1:{at}",
                "localhost:9090": f"127.0.0.1:{scraping}",
            }
            async with running(*prometheus(directory, scraping, targets)):
                began = monotonic()
                gateway = asyncio.create_task(run_gateway(service.socket_url, scene, stop))
                try:
                    return await _story(site, redis, directory, began, stop, faults)
                finally:
                    stop.set()
                    await gateway


async def _story(
    site: Site, redis: int, directory: Path, began: float, stop: asyncio.Event, faults: int
) -> bool:
    """Faults, then a Redis that is away, then a gateway that falls silent."""
    async with redis_server(redis, str(directory)):
        found = [await site.fault() for _ in range(faults)]
        console.print(f"{sum(found)} of {faults} faults as they should be")
    console.print("Redis stopped")
    is_fired = await site.fires("StepwatchSinkDown")
    async with redis_server(redis, str(directory)):
        is_over = await site.ends("StepwatchSinkDown")
        console.print("the gateway goes on until it has sent for 7 minutes")
        await asyncio.sleep(max(0.0, began + STEADY_S - monotonic()))
        stop.set()
        console.print("the gateway falls silent")
        is_told = await site.fires("StepwatchStreamsSilent", "StepwatchNoObservations")
    return all(found) and is_fired and is_over and is_told


def main() -> int:
    """Read the command line and say whether all was as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--faults", type=int, default=6)
    parser.add_argument("--out", type=Path, default=Path("build/alerting"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with Bar(console=console) as bar:
            task = bar.add_task("training", total=None)
            train(lambda _: bar.advance(task, 0), 1 / RATE_HZ).save(directory / "models" / MODEL)
            bar.update(task, total=1, completed=1)
        is_right = asyncio.run(shown(directory, given.out, given.faults))
    console.print(
        f"{'as it should be' if is_right else 'NOT as it should be'}; answers: {given.out}"
    )
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
