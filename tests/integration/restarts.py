"""A recording that goes through a service which is stopped and started again on the way."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.agreement import difference
from benchmarks.ways import Piece, Verdicts, ways
from models.blocks import Float64
from tests.integration.processes import Served, served
from tests.integration.running import eventually, until_ready

FROM_TRAINING, FROM_NOTHING = "plant/goes-on", "plant/begins"
"""Streams: one is live from its first observation, the other washes out on its own first ones."""
IDS = (FROM_TRAINING, FROM_NOTHING)
IN_WASHOUT = 30


@dataclass(frozen=True)
class Course:
    """What is sent, the same to every stream.

    Attributes:
        values: `[N, F]`.
        metrics: Names of the columns.
        step_s: Seconds between rows.
    """

    values: Float64
    metrics: list[str]
    step_s: float

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.values)

    async def begin(self, client: httpx.AsyncClient) -> None:
        """Say how the streams start."""
        for stream_id, start in zip(IDS, ("reference", "own"), strict=True):
            answer = await client.put(f"/v1/streams/{stream_id}", json={"start": start})
            assert answer.status_code == httpx.codes.CREATED, answer.text

    async def send(
        self, client: httpx.AsyncClient, begin: int, end: int, ids: Sequence[str] = IDS
    ) -> dict[str, Verdicts]:
        """Send some of the rows to each stream; gives the verdicts."""
        way = ways(self.values)["REST JSON, 100 rows"]
        times: Float64 = np.arange(begin, end, dtype=np.float64) * self.step_s
        sent = {}
        for stream_id in ids:
            piece = Piece(
                stream_id=stream_id,
                times=times,
                values=self.values[begin:end],
                metrics=self.metrics,
            )
            sent[stream_id] = await way.send(str(client.base_url).rstrip("/"), piece)
        return sent


def is_open(row: dict[str, Any]) -> bool:
    """Tell whether an alert is open after a verdict."""
    return row["alert"] is not None and row["alert"]["status"] != "resolved"


def in_an_alert(verdicts: Verdicts) -> int:
    """Find a row in the middle of an alert: it is open before and after."""
    found = [at for at, pair in enumerate(pairwise(verdicts), 1) if all(map(is_open, pair))]
    resolved = [at for at, row in enumerate(verdicts) if row["alert"] and not is_open(row)]
    usable = [at for at in found if IN_WASHOUT < at < resolved[-1]]
    return usable[len(usable) // 2]


def in_quiet(verdicts: Verdicts, around: int = 15) -> int:
    """Find the row furthest from any alert and anomaly."""
    loud = [at for at, row in enumerate(verdicts) if row["alert"] or row["is_anomaly"]]
    ends = [IN_WASHOUT, *loud, len(verdicts)]
    length, middle = max((high - low, (high + low) // 2) for low, high in pairwise(ends))
    assert length > 2 * around
    return middle


def check_same(expected: Verdicts, found: Verdicts) -> None:
    """Make sure that verdicts are equal, the identity of their alerts included."""
    told = difference(expected, found)
    assert told.is_none, told
    assert [row["alert"] for row in found] == [row["alert"] for row in expected]


async def view_of(client: httpx.AsyncClient, stream_id: str) -> dict[str, Any]:
    """Look at a stream."""
    answer = await client.get(f"/v1/streams/{stream_id}")
    assert answer.status_code == httpx.codes.OK, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def numbers_of(client: httpx.AsyncClient) -> dict[str, float]:
    """Read the metrics page: `name{label="value"}` to its number."""
    page = (await client.get("/metrics")).text
    samples = (line.rpartition(" ") for line in page.splitlines() if line[:1] != "#")
    return {name: float(value) for name, _, value in samples if name}


async def outcomes_of(client: httpx.AsyncClient) -> dict[str, float]:
    """Read what became of the snapshots; what did not happen is left out."""
    begin = 'stepwatch_snapshots_restored_total{outcome="'
    return {
        name.removeprefix(begin).rstrip('"}'): number
        for name, number in (await numbers_of(client)).items()
        if name.startswith(begin) and number
    }


async def until_saved(client: httpx.AsyncClient) -> None:
    """Wait until all that changed is stored."""

    async def is_so() -> bool:
        return (await numbers_of(client))["stepwatch_snapshot_age_seconds"] == 0

    await eventually(is_so)


@asynccontextmanager
async def ready_process(data_dir: Path, **settings: str | float) -> AsyncIterator[Served]:
    """Start `stepwatch serve` with a settings file and wait until it takes observations."""
    lines = (
        f"{name} = '{value}'" if isinstance(value, str) else f"{name} = {value}"
        for name, value in settings.items()
    )
    (data_dir / "stepwatch.toml").write_text("\n".join(lines))
    async with served(data_dir=data_dir) as service:
        await until_ready(service.http)
        yield service
