"""A service's home for a measurement, and what a restart left of its streams."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from models.blocks import Float64

Rows = list[dict[str, Any]]
NUMBERS: Final = ("score", "threshold")
WITHIN: Final = 1e-4
_OUTCOME: Final = 'stepwatch_snapshots_restored_total{outcome="'


@contextmanager
def home_with(model: Path) -> Iterator[Path]:
    """Lend a data directory of its own with a copy of one checkpoint."""
    with tempfile.TemporaryDirectory() as directory:
        shutil.copytree(model, Path(directory) / "models" / model.name)
        yield Path(directory)


async def outcomes(url: str) -> dict[str, int]:
    """Read what became of the snapshots; what did not happen is left out."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        page = (await client.get("/metrics")).text
    lines = [line.removeprefix(_OUTCOME) for line in page.splitlines() if line.startswith(_OUTCOME)]
    counts = (line.split('"} ') for line in lines)
    return {outcome: int(float(count)) for outcome, count in counts if float(count)}


def errors_of(reference: Rows, found: list[Rows]) -> Float64:
    """Give relative errors of scores and thresholds, `[2, S, N]`; infinite: null."""
    return np.array([[_errors(reference, rows, name) for rows in found] for name in NUMBERS])


def _errors(reference: Rows, rows: Rows, name: str) -> Float64:
    wanted, found = (
        np.array([row[name] for row in part], np.float64) for part in (reference, rows)
    )
    errors: Float64 = np.abs(found / wanted - 1)
    return np.nan_to_num(errors, nan=np.inf)


def within(errors: Float64) -> str:
    """Tell after how many observations all errors, `[S, N]`, stay small."""
    large = np.flatnonzero((errors > WITHIN).any(axis=0))
    after = 0 if len(large) == 0 else int(large[-1]) + 1
    return str(after) if after < errors.shape[1] else f"over {after}"
