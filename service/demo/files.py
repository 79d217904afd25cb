"""Two CSV files of one simulated pump: its normal running, and a day with faults."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from errno import EEXIST
from pathlib import Path
from typing import Final

import numpy as np

from models.blocks import Float64
from service.demo.faults import Disturbance, Fault, FaultKind
from service.demo.plant import METRICS, Plant

HISTORY, TODAY = "history.csv", "today.csv"
HISTORY_ROWS: Final = 6_000
TODAY_ROWS: Final = 1_440
_BEGIN: Final = datetime(2026, 1, 5, tzinfo=UTC) - timedelta(minutes=HISTORY_ROWS)
_SEED: Final = 5
_FAULTS: Final = (
    (FaultKind.BURST, 5, 300, 40, 0.4),
    (FaultKind.STUCK, 1, 700, 100, 0.0),
    (FaultKind.DRIFT, 6, 1_100, 70, 0.6),
)
"""Kind, metric, first step, steps and size: vibration, flow and bearing temperature."""


def write_files(directory: Path) -> tuple[Path, Path]:
    """Write `history.csv` and, going on where it ends, `today.csv`: a reading a minute.

    Raises:
        OSError: If that is not possible.
    """
    (name,) = (plant := Plant(1, _SEED)).stream_ids
    random = np.random.default_rng(_SEED)
    at_work = [
        Disturbance(
            Fault(kind=kind, stream_id=name, column=column, start=start, steps=steps, size=size),
            random,
        )
        for kind, column, start, steps, size in _FAULTS
    ]
    history, today = directory / HISTORY, directory / TODAY
    for path in (history, today):  # before either is written
        if path.exists():
            raise FileExistsError(EEXIST, "there is such a file", str(path))
    _write(history, (plant.step()[name] for _ in range(HISTORY_ROWS)), 0)
    disturbed = (_disturbed(step, plant.step()[name], at_work) for step in range(TODAY_ROWS))
    _write(today, disturbed, HISTORY_ROWS)
    return history, today


def _disturbed(step: int, values: Float64, at_work: list[Disturbance]) -> Float64:
    for one in at_work:
        if one.fault.start <= step < one.fault.stop:
            values = one.apply(step, values)
    return values


def _write(path: Path, rows: Iterable[Float64], first: int) -> None:
    with path.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", *(metric.name for metric in METRICS)])
        for minute, values in enumerate(rows, first):
            at = _BEGIN + timedelta(minutes=minute)
            writer.writerow([f"{at:%Y-%m-%dT%H:%M:%SZ}", *values.round(3).tolist()])
