"""Pictures of the three dashboards of `docker/grafana`, over the demo.

    python -m benchmarks.dashboards [--out docs] [--minutes 4] [--seed 7]

Starts `stepwatch demo` and a Prometheus that scrapes it each second, adds a second plant that sends
by HTTP, repeats itself now and then and loses a pump half-way, reloads the model, and draws what
Grafana would show of all this. Needs a Prometheus and matplotlib.
"""

import argparse
import asyncio
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmarks.dashboards_drawing import answers_to, drawn
from benchmarks.dashboards_prometheus import scraping
from benchmarks.dashboards_queries import Span, boards
from benchmarks.service import free_port, metric
from service.demo.plant import METRICS, Plant

SCRAPE_S: Final = 1.0
PUMPS: Final = 3
"""Of the second plant."""
RATE_HZ: Final = 10.0
REPEATED_EVERY: Final = 15
"""Readings of the second plant until one is sent twice."""
READY_S: Final = 120.0
ALERT_WITHIN_S: Final = 60
COLOURS: Final = 96
RULES: Final = sorted((Path(__file__).parents[1] / "docker" / "prometheus" / "rules").glob("*.yml"))
_NAMES: Final = [metric.name for metric in METRICS]
console = Console()


@asynccontextmanager
async def demo(home: Path, seed: int) -> AsyncIterator[httpx.AsyncClient]:
    """Run the demo; gives a client once it serves."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *("stepwatch", "demo", "--port", str(port), "--seed", str(seed)),
        *("--data-dir", str(home)),
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as client:
            async with asyncio.timeout(READY_S):
                await _ready(client, process)
            yield client
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:
        try:
            if (await client.get("/readyz")).is_success:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    raise RuntimeError("the demo ended before it served")


async def second_plant(client: httpx.AsyncClient, seed: int, silent_after_s: float) -> None:
    """Send the readings of another plant until cancelled; one pump goes silent after a while."""
    plant, began, at = Plant(PUMPS, seed), time.time(), 0
    while True:
        now_s = time.time()
        rows = [_row(name, values.tolist(), now_s) for name, values in plant.step().items()]
        if now_s - began > silent_after_s:
            rows.pop()
        if at % REPEATED_EVERY == 0:
            rows.append(rows[0])
        await client.post("/v1/observations", json={"observations": rows})
        at += 1
        await asyncio.sleep(max(0.0, began + at / RATE_HZ - time.time()))


def _row(name: str, values: list[float], now_s: float) -> dict[str, Any]:
    return {
        "stream_id": name.replace("plant-a", "plant-b"),
        "timestamp": now_s,
        "seq": round(now_s * 1000),
        "values": dict(zip(_NAMES, values, strict=True)),
    }


async def _play(client: httpx.AsyncClient, minutes: float, seed: int) -> None:
    """Let things happen for so long."""
    seconds = round(60 * minutes)
    sending = asyncio.create_task(second_plant(client, seed + 1, seconds / 2))
    try:
        for second in track(range(seconds), "playing", console=console, transient=True):
            if second == seconds * 2 // 3:
                await client.post("/v1/models/pumps/reload")
            await asyncio.sleep(1)
            if sending.done():
                await sending
    finally:
        await _alert(client)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _alert(client: httpx.AsyncClient) -> None:
    """Wait until an alert is open, so that the pictures show one, or give up after a while."""
    for _ in range(ALERT_WITHIN_S):
        if await metric(client, "stepwatch_alerts_open"):
            return await asyncio.sleep(2 * SCRAPE_S)  # until it is scraped
        await asyncio.sleep(1)
    return None


def _save(picture: Figure, path: Path) -> None:
    """Write a picture with few colours: a third of the size, and nobody sees it."""
    written = io.BytesIO()
    picture.savefig(written)
    with Image.open(written) as drawing:
        drawing.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


async def main(program: str, out: Path, minutes: float, seed: int) -> None:
    """Play, ask, draw."""
    with tempfile.TemporaryDirectory(prefix="sw-") as home:
        async with demo(Path(home), seed) as client:
            target = f"{client.base_url.host}:{client.base_url.port}"
            async with scraping(program, Path(home), target, rules=RULES) as prometheus:
                began = time.time()
                await _play(client, minutes, seed)
                step = max(SCRAPE_S, round((time.time() - began) / 300))
                end = time.time() // step * step
                span = Span(end - (end - began) // step * step, end, step)
                for name, board in boards().items():
                    found = await answers_to(prometheus, board, span, SCRAPE_S)
                    path = out / f"dashboard-{name}.png"
                    picture = await asyncio.to_thread(drawn, board, found)
                    await asyncio.to_thread(_save, picture, path)
                    console.print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of the pictures")
    parser.add_argument("--minutes", type=float, default=4.0, help="how long the demo plays")
    parser.add_argument("--seed", type=int, default=7, help="of plants and faults")
    given = parser.parse_args()
    os.environ.pop("REDIS_URL", None)
    found = shutil.which("prometheus")
    if found is None:
        sys.exit("prometheus is not installed, or not in PATH")
    asyncio.run(main(found, given.out, given.minutes, given.seed))
