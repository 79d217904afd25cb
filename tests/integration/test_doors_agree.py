"""Real and simulated data get the same verdicts through every door: HTTP, WebSocket and replay."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from models.blocks import Bool, Float64
from models.epochs import FitOptions
from models.fit import fit
from models.recording import default_names
from models.spec import ScorerSpec
from service.cli.main import app
from service.demo.plant import Plant
from tests.integration.running import Running, running_service, settings_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("STEPWATCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
TRAIN_ROWS, TEST_ROWS, BATCH = 3000, 600, 100
SIMULATED = "simulated.npz"
RELATIVE, ABSOLUTE = 1e-4, 1e-7
Judged = tuple[Float64, Float64, Bool]
"""Scores, thresholds and whether each is an anomaly."""


def simulated(path: Path) -> None:
    """Write two days of a simulated pump, so that the doors are compared on every machine."""
    training, testing = (Plant(pumps=1, seed=seed) for seed in (1, 2))
    np.savez(path, train=training.normal(TRAIN_ROWS), test=testing.normal(TEST_ROWS))


def recorded(path: Path) -> tuple[Float64, Float64]:
    """Read the end of a data set's normal part and the beginning of its test part."""
    if not path.is_file():
        pytest.skip(f"{path.name} is not in STEPWATCH_SHARED_DATA or ../shared/data")
    with np.load(path) as arrays:
        train, test = arrays["train"][-TRAIN_ROWS:], arrays["test"][:TEST_ROWS]
    return train.astype(np.float64), test.astype(np.float64)


def judged(verdicts: list[Any]) -> Judged:
    """Take from verdicts what has to agree."""
    scores = np.array([float(row["score"]) for row in verdicts])
    thresholds = np.array([float(row["threshold"]) for row in verdicts])
    return scores, thresholds, np.array([row["is_anomaly"] in (True, "True") for row in verdicts])


def rows_of(values: Float64, stream_id: str, step_s: float) -> list[dict[str, Any]]:
    """Make observations of one stream."""
    return [
        {"stream_id": stream_id, "timestamp": at * step_s, "values": row}
        for at, row in enumerate(values.tolist())
    ]


async def over_http(service: Running, rows: list[dict[str, Any]]) -> Judged:
    """Send in batches."""
    verdicts: list[Any] = []
    for first in range(0, len(rows), BATCH):
        body = {"observations": rows[first : first + BATCH]}
        answer = await service.http.post("/v1/observations", json=body)
        verdicts += answer.json()["verdicts"]
    return judged(verdicts)


async def over_websocket(service: Running, rows: list[dict[str, Any]]) -> Judged:
    """Send one observation a frame."""
    verdicts = []
    async with service.websocket() as socket:
        for row in rows:
            await socket.send(json.dumps(row))
            verdicts.append(json.loads(await socket.recv()))
    return judged(verdicts)


def replayed(data_dir: Path, values: Float64, step_s: float) -> Judged:
    """Replay as a file."""
    file, out = data_dir / "recorded.npz", data_dir / "out.csv"
    np.savez(file, test=values)
    options = ("--model", "real", "--step", str(step_s), "--data-dir", str(data_dir))
    result = CliRunner().invoke(app, ["replay", str(file), "--out", str(out), *options])
    assert result.exit_code == 0, result.stderr
    with out.open(newline="", encoding="utf-8") as written:
        return judged(list(csv.DictReader(written)))


@pytest.mark.parametrize(
    ("name", "step_s"), [(SIMULATED, 0.1), ("asd-1.npz", 300.0), ("smd-1-6.npz", 60.0)]
)
async def test_doors_agree(
    tmp_path: Path, name: str, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, single frames and replay give as many verdicts, equal scores, equal anomalies."""
    monkeypatch.setenv("STEPWATCH_Z", "3")  # so that a short piece has anomalies
    if name == SIMULATED:
        simulated(tmp_path / name)
    train, test = recorded((tmp_path if name == SIMULATED else DATA) / name)
    options = FitOptions(epochs=2, scorer=ScorerSpec(name="gru", sizes={"hidden": 32}))
    names = default_names(train.shape[1])
    fit(train, names, options, step_s=step_s).save(tmp_path / "models" / "real")
    async with running_service(settings_of(tmp_path, default_model="real")) as service:
        doors = {
            "http": await over_http(service, rows_of(test, "batches", step_s)),
            "websocket": await over_websocket(service, rows_of(test, "frames", step_s)),
        }
    scores, thresholds, anomalies = replayed(tmp_path, test, step_s)
    assert len(scores) == len(test)
    assert 0 < anomalies.sum() < len(test)
    is_close = np.isclose(scores, thresholds, rtol=RELATIVE, atol=ABSOLUTE)
    for door, (their_scores, their_thresholds, their_anomalies) in doors.items():
        np.testing.assert_allclose(their_scores, scores, RELATIVE, ABSOLUTE, err_msg=door)
        np.testing.assert_allclose(their_thresholds, thresholds, RELATIVE, ABSOLUTE, err_msg=door)
        assert ((their_anomalies == anomalies) | is_close).all(), door
