"""Real and simulated data get the same verdicts through every door there is, and from replay."""

import copy
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.agreement import difference
from benchmarks.doors import COLUMNS, replayed, row_of
from benchmarks.ways import Piece, Verdicts, ways
from models.blocks import Float64
from models.epochs import FitOptions
from models.fit import fit
from models.recording import default_names
from models.spec import ScorerSpec
from service.cli.main import app
from service.demo.plant import Plant
from tests.integration.running import running_service, settings_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("STEPWATCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
TRAIN_ROWS, TEST_ROWS = 3000, 600
SIMULATED = "simulated.npz"


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


def through_replay(data_dir: Path, values: Float64, step_s: float) -> Verdicts:
    """Replay as a file."""
    file, out = data_dir / "recorded.npz", data_dir / "out.csv"
    np.savez(file, test=values)
    options = ("--model", "real", "--step", str(step_s), "--data-dir", str(data_dir))
    result = CliRunner().invoke(app, ["replay", str(file), "--out", str(out), *options])
    assert result.exit_code == 0, result.stderr
    return replayed(out)


@pytest.mark.parametrize(
    ("name", "step_s"), [(SIMULATED, 0.1), ("asd-1.npz", 300.0), ("smd-1-6.npz", 60.0)]
)
async def test_doors_agree(
    tmp_path: Path, name: str, step_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every door and replay give equal verdicts, with equal reasons and equal marks of alerts."""
    monkeypatch.setenv("STEPWATCH_Z", "3")  # so that a short piece has anomalies
    monkeypatch.setenv("STEPWATCH_ALERT_OPEN_AFTER", "2")  # and alerts
    if name == SIMULATED:
        simulated(tmp_path / name)
    train, test = recorded((tmp_path if name == SIMULATED else DATA) / name)
    options = FitOptions(epochs=2, scorer=ScorerSpec(name="gru", sizes={"hidden": 32}))
    names = default_names(train.shape[1])
    fit(train, names, options, step_s=step_s).save(tmp_path / "models" / "real")
    times = np.arange(len(test), dtype=np.float64) * step_s
    doors = {}
    async with running_service(settings_of(tmp_path, default_model="real")) as service:
        for at, (door, way) in enumerate(ways(test).items()):
            piece = Piece(stream_id=f"door/{at}", times=times, values=test, metrics=names)
            doors[door] = await way.send(service.url, piece)
    reference = through_replay(tmp_path, test, step_s)
    assert len(reference) == len(test)
    assert 0 < sum(row["is_anomaly"] for row in reference) < len(test)
    assert any(row["alert"] for row in reference)
    for door, verdicts in doors.items():
        told = difference(reference, verdicts)
        assert told.is_none, (door, told)


PART: dict[str, Any] = {"metric": "flow", "actual": 1.0, "expected": 2.0, "share": 0.7}
ANOMALY: dict[str, Any] = {
    "phase": "live",
    "score": 2.0,
    "smoothed_score": 1.5,
    "threshold": 1.0,
    "severity": 2.0,
    "is_anomaly": True,
    "contributors": [PART, PART | {"metric": "pressure", "share": 0.3}],
    "alert": {"event_id": "1", "status": "open"},
    "level_shift_since": 1_700_000_000.25,
}
NORMAL = ANOMALY | {"score": 0.5, "is_anomaly": False, "contributors": None, "alert": None}


def changed(name: str, value: Any) -> Callable[[Verdicts], object]:
    """Change a field of the anomaly."""
    return lambda rows: rows[0].update({name: value})


def explained(name: str, value: Any) -> Callable[[Verdicts], object]:
    """Change a field of the anomaly's first contributor."""
    return lambda rows: rows[0]["contributors"][0].update({name: value})


CHANGES: dict[str, Callable[[Verdicts], object]] = {
    "score": changed("score", 2.001),
    "no score": changed("score", None),
    "smoothed score": changed("smoothed_score", 1.501),
    "no smoothed score": changed("smoothed_score", None),
    "level shift": changed("level_shift_since", 1_700_000_000.5),
    "no level shift": changed("level_shift_since", None),
    "threshold": changed("threshold", 1.001),
    "severity": changed("severity", 2.001),
    "phase": changed("phase", "warmup"),
    "anomaly": changed("is_anomaly", False),
    "no alert": changed("alert", None),
    "alert": changed("alert", {"event_id": "1", "status": "opened"}),
    "actual": explained("actual", 1.001),
    "no actual": explained("actual", None),
    "expected": explained("expected", 2.001),
    "share": explained("share", 0.701),
    "metric": explained("metric", "level"),
    "order": lambda rows: rows[0]["contributors"].reverse(),
    "fewer contributors": lambda rows: rows[0]["contributors"].pop(),
    "fewer rows": list.pop,
    "order of rows": list.reverse,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_difference_is_found(change: str) -> None:
    """Whatever differs by more than is allowed keeps two doors from agreeing."""
    reference = [ANOMALY, NORMAL]
    other = copy.deepcopy(reference)
    assert difference(reference, other).is_none
    CHANGES[change](other)
    assert not difference(reference, other).is_none
    assert not difference(other, reference).is_none


def test_a_row_has_a_cell_for_each_column() -> None:
    """What is compared is printed under its heading."""
    other = [ANOMALY | {"smoothed_score": None, "level_shift_since": None}]
    row = dict(zip(COLUMNS, row_of("door", other, difference([ANOMALY], other)), strict=True))
    differing = {name for name, cell in row.items() if cell not in ("door", "0", "0 (+0)")}
    assert differing == {"verdicts", "anomalies", "smoothed", "shift"}


def test_what_is_allowed() -> None:
    """Errors of floats, an id of its own, equal shares in any order, scores at the threshold."""
    reference = [copy.deepcopy(ANOMALY), NORMAL | {"score": 1.0}]
    for part in reference[0]["contributors"]:
        part["share"] = 0.5
    other = copy.deepcopy(reference)
    other[0] |= {"score": 2.0001, "alert": {"event_id": "2", "status": "open"}}
    other[0]["level_shift_since"] = datetime.fromtimestamp(1_700_000_000.25, UTC)
    other[0]["contributors"].reverse()
    other[1] |= {"is_anomaly": True, "contributors": []}
    told = difference(reference, other)
    assert told.is_none
    assert told.excused == 1
