"""Do REST, WebSocket and replay give the same verdicts for the same file?

stepwatch train FILE.npz --name NAME --data-dir DIR
python -m benchmarks.doors FILE.npz NAME DIR
"""

import asyncio
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from websockets.asyncio.client import connect

from benchmarks.service import Service, serving
from models.blocks import Float64
from models.reading import read

ROWS_A_REQUEST = 100
RELATIVE, ABSOLUTE = 1e-4, 1e-7
Verdicts = list[dict[str, Any]]
console = Console()


def observations(values: Float64) -> Iterator[dict[str, Any]]:
    """Give rows as a gateway would send them, one a second."""
    for at, row in enumerate(values.tolist()):
        yield {"timestamp": float(at), "values": row}


async def through_rest(service: Service, values: Float64) -> Verdicts:
    """Send batches of a hundred, one request at a time."""
    rows, verdicts = list(observations(values)), []
    async with httpx.AsyncClient(base_url=service.url, trust_env=False, timeout=60) as client:
        for begin in track(range(0, len(rows), ROWS_A_REQUEST), "REST", console=console):
            body = {"observations": rows[begin : begin + ROWS_A_REQUEST]}
            answer = await client.post("/v1/streams/rest/observations", json=body)
            answer.raise_for_status()
            verdicts += answer.json()["verdicts"]
    return verdicts


async def through_websocket(service: Service, values: Float64) -> Verdicts:
    """Send frames of one observation, each after the answer to the one before."""
    verdicts = []
    async with connect(service.socket_url, proxy=None, compression=None) as socket:
        for row in track(observations(values), "WebSocket", len(values), console=console):
            await socket.send(json.dumps({"stream_id": "websocket", **row}))
            verdicts.append(json.loads(await socket.recv()))
    return verdicts


def through_replay(file: Path, model: str, data_dir: Path) -> Verdicts:
    """Let `stepwatch replay` write its CSV and read that."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "replay.csv"
        options = ("--model", model, "--start", "reference", "--data-dir", str(data_dir))
        command = ["stepwatch", "replay", str(file), *options, "--out", str(out)]
        subprocess.run(command, check=True)
        with out.open(newline="") as rows:
            return [_typed(row) for row in csv.DictReader(rows)]


def _typed(row: dict[str, str]) -> dict[str, Any]:
    numbers = {name: float(row[name]) for name in ("score", "threshold")}
    return numbers | {"is_anomaly": row["is_anomaly"] == "True"}


def compare(reference: Verdicts, other: Verdicts) -> tuple[float, int, int]:
    """Largest score error as a share of what is allowed; anomalies that differ, excused or not."""
    expected = np.array([row["score"] for row in reference])
    score = np.array([row["score"] for row in other])
    allowed = ABSOLUTE + RELATIVE * np.abs(expected)
    worst = float(np.max(np.abs(score - expected) / allowed))
    differs = np.array([row["is_anomaly"] for row in reference]) != np.array(
        [row["is_anomaly"] for row in other]
    )
    near = np.abs(expected - np.array([row["threshold"] for row in reference])) <= allowed
    return worst, int((differs & ~near).sum()), int((differs & near).sum())


async def main(file: Path, model: str, data_dir: Path) -> bool:
    """Run all three and print a table; whether they agree."""
    values = read(file, part="test").values
    settings = {"STEPWATCH_START": "reference", "STEPWATCH_DEFAULT_MODEL": model}
    async with serving(data_dir, **settings) as service:
        doors = {
            "REST, batches of 100": await through_rest(service, values),
            "WebSocket, single frames": await through_websocket(service, values),
        }
    reference = through_replay(file, model, data_dir)
    table = Table("door", "verdicts", "anomalies", "worst error / allowed", "anomalies that differ")
    anomalies = str(sum(row["is_anomaly"] for row in reference))
    table.add_row("replay", str(len(reference)), anomalies, "-", "-")
    agree = True
    for name, verdicts in doors.items():
        worst, differ, excused = compare(reference, verdicts)
        agree &= len(verdicts) == len(reference) and worst <= 1 and differ == 0
        found = sum(row["is_anomaly"] for row in verdicts)
        told = f"{differ} (+{excused} at the threshold)"
        table.add_row(name, str(len(verdicts)), str(found), f"{worst:.2g}", told)
    console.print(table)
    console.print("they agree" if agree else "[bold red]they differ[/]")
    return agree


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
