"""Does every door give the same verdicts for the same file?

stepwatch train FILE.npz --name NAME --data-dir DIR
python -m benchmarks.doors FILE.npz NAME DIR

Each door has a stream of its own; `stepwatch replay` is what they are compared with.
"""

import asyncio
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.agreement import NUMBERS, Difference, difference
from benchmarks.service import Service, serving
from benchmarks.ways import Piece, Verdicts, ways
from models.blocks import Float64
from models.reading import read

STEP_S = 1.0
COLUMNS = ("door", "verdicts", "anomalies", "score", "smoothed", "threshold", "severity",
           "contributors", "phase", "anomaly", "order", "alert", "shift")  # fmt: skip
console = Console()


def through_replay(file: Path, model: str, data_dir: Path) -> Verdicts:
    """Let `stepwatch replay` write its CSV and read that."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "replay.csv"
        options = ("--model", model, "--start", "reference", "--step", str(STEP_S))
        places = ("--data-dir", str(data_dir), "--out", str(out))
        subprocess.run(["stepwatch", "replay", str(file), *options, *places], check=True)
        return replayed(out)


def replayed(out: Path) -> Verdicts:
    """Read the CSV of a replay as what it is in JSON."""
    with out.open(newline="", encoding="utf-8") as rows:
        return [
            {name: _typed(name, cell) for name, cell in row.items()} for row in csv.DictReader(rows)
        ]


def _typed(name: str, cell: str) -> Any:
    if cell == "" or name in ("stream_id", "phase"):
        return cell or None
    return {"True": True, "False": False}[cell] if name == "is_anomaly" else json.loads(cell)


async def through_doors(service: Service, values: Float64, model: str) -> dict[str, Verdicts]:
    """Send the values, `[N, F]`, through every door, one after another."""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        models = (await client.get("/v1/models")).json()
    metrics = next(one["metrics"] for one in models if one["name"] == model)
    times = (np.arange(len(values)) * STEP_S).astype(np.float64)
    found = {}
    for at, (name, way) in enumerate(ways(values).items()):
        piece = Piece(stream_id=f"door/{at}", times=times, values=values, metrics=metrics)
        with console.status(name):
            found[name] = await way.send(service.url, piece)
    return found


def row_of(name: str, verdicts: Verdicts, told: Difference) -> list[str]:
    """Make the row of a door; errors are shares of what is allowed, the rest are rows."""
    worst = told.worst
    explained = max(worst[name] for name in ("actual", "expected", "share"))
    numbers = [*(worst[name] for name in NUMBERS), explained]
    return [
        name,
        str(len(verdicts)),
        str(sum(bool(row["is_anomaly"]) for row in verdicts)),
        *(f"{number:.2g}" for number in numbers),
        str(told.phases),
        f"{told.anomalies} (+{told.excused})",
        str(told.order),
        str(told.alerts),
        str(told.shifts),
    ]


async def main(file: Path, model: str, data_dir: Path) -> bool:
    """Run all and print a table; whether they agree."""
    values = read(file, part="test").values
    settings = {"STEPWATCH_START": "reference", "STEPWATCH_DEFAULT_MODEL": model}
    async with serving(data_dir, **settings) as service:
        doors = await through_doors(service, values, model)
    reference = through_replay(file, model, data_dir)
    table = Table(*COLUMNS, title=f"{file.name}: worst error / allowed, and rows that differ")
    agree = True
    for name, verdicts in {"replay": reference, **doors}.items():
        told = difference(reference, verdicts)
        agree &= told.is_none
        table.add_row(*row_of(name, verdicts, told))
    console.print(table)
    console.print("(+n): anomalies that differ with the score at the threshold are excused")
    console.print("they agree" if agree else "[bold red]they differ[/]")
    return agree


if __name__ == "__main__":
    sys.exit(not asyncio.run(main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))))
