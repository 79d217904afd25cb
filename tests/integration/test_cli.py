"""The command line: what it does, and how it says what is wrong."""

import csv
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.checkpoint import Checkpoint
from service.cli import console  # noqa: F401 - before COLUMNS is set: it looks once
from service.cli.main import app
from service.ingest.schemas import Verdict
from tests.fakes import make_checkpoint, normal_values
from tests.integration.processes import served, stepwatch
from tests.integration.running import METRICS, SPIKE, pumps

pytestmark = pytest.mark.integration

ROWS = 400


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with the model pumps; nothing of this machine's settings."""
    for name in [name for name in os.environ if name.startswith(("STEPWATCH_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    pumps().save(tmp_path / "models" / "pumps")
    return tmp_path


def write_csv(path: Path, rows: list[list[float]], names: list[str] = METRICS) -> Path:
    """Write a CSV with a header and a time column."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", *names])
        writer.writerows([1_700_000_000 + 60 * at, *row] for at, row in enumerate(rows))
    return path


@pytest.fixture
def recorded(data_dir: Path) -> Path:
    """A recorded file of the metrics of pumps."""
    return write_csv(data_dir / "recorded.csv", normal_values(ROWS, len(METRICS)).tolist())


def run(*arguments: str | Path) -> Result:
    """Run a command within this process."""
    return CliRunner().invoke(app, [str(one) for one in arguments])


def failed(*arguments: str | Path) -> str:
    """Run a command that has to fail clearly; gives what it said on stderr."""
    result = run(*arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: " in result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


async def test_train_models_serve(data_dir: Path, recorded: Path) -> None:
    """A model trained on a file is listed with its facts and serves at once."""
    trained = await stepwatch(
        "train", recorded, "--name", "new", "--epochs", "2", data_dir=data_dir
    )
    assert trained.status == 0, trained.err
    assert "stepwatch serve --default-model new" in trained.out
    spec = Checkpoint.load(data_dir / "models" / "new").spec
    assert (spec.metrics, spec.step_s, spec.training.rows) == (METRICS, 60.0, ROWS)
    listed = run("models")
    assert listed.exit_code == 0
    assert {"new", "pumps"} <= set(listed.stdout.split())
    async with served("--default-model", "new", data_dir=data_dir) as service:
        answer = await service.http.post(
            "/v1/observations", json={"stream_id": "a", "values": [0.5, 0.5]}
        )
        assert answer.json()["progress"] == {"done": 1, "of": 60}
        other = await stepwatch("serve", "--port", "0", data_dir=data_dir)
    assert other.status == 1
    assert "another service, process" in other.err


def test_models_without_any(tmp_path: Path) -> None:
    """An empty data directory says how to make the first model."""
    listed = run("models", "--data-dir", tmp_path / "[/]none")
    assert listed.exit_code == 0
    assert "[/]none" in listed.stdout
    assert "stepwatch train" in listed.stdout


def test_models_fit_a_narrow_terminal(
    tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 columns nothing of the table is cut, and the time of the training is in one piece."""
    monkeypatch.setenv("COLUMNS", "80")
    name = "a-name-that-is-long-" * 3 + "end"
    trained = run("train", recorded, "--name", name, "--epochs", "1")
    assert trained.exit_code == 0, trained.stderr
    finished_at = Checkpoint.load(tmp_path / "models" / name).spec.training.finished_at
    shown = run("models").stdout
    assert "…" not in shown
    assert finished_at[:16].replace("T", " ") in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_damaged_models_are_told_apart(data_dir: Path) -> None:
    """A damaged checkpoint is named with its reason; the others are listed all the same."""
    make_checkpoint().save(data_dir / "models" / "bad")
    (data_dir / "models" / "bad" / "weights.safetensors").write_bytes(b"nothing")
    listed = run("models")
    assert listed.exit_code == 0
    assert "bad: " in listed.stderr
    assert "train it again" in listed.stderr
    assert "pumps" in listed.stdout


def test_replay_writes_a_row_an_observation(data_dir: Path) -> None:
    """Replay gives each row its verdict, with the names and the alerts of live traffic."""
    rows = normal_values(100, len(METRICS)).tolist()
    file = write_csv(data_dir / "spiked.csv", [*rows[:90], SPIKE, SPIKE, *rows[92:]])
    out = data_dir / "[out].csv"
    result = run("replay", file, "--model", "pumps", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert f"100 observations, 2 anomalies, 0 alerts (z 8): {out}" in result.stdout
    with out.open(newline="", encoding="utf-8") as written:
        verdicts = list(csv.DictReader(written))
    assert list(verdicts[0]) == list(Verdict.__struct_fields__)
    assert len(verdicts) == 100
    assert {row["phase"] for row in verdicts} == {"live"}
    assert float(verdicts[1]["timestamp"]) == 1_700_000_060
    contributors = json.loads(verdicts[90]["contributors"])
    assert {one["metric"] for one in contributors} == set(METRICS)
    assert verdicts[91]["alert"] == ""


def test_rows_that_are_late_are_left_out_and_told(data_dir: Path) -> None:
    """Where a file's clock was put back, the rows that the service would refuse are named."""
    file = data_dir / "back.csv"
    rows = normal_values(100, len(METRICS)).tolist()
    times = [*range(60), 58, 59, *range(60, 98)]
    lines = [f"{1_700_000_000 + at},{row[0]},{row[1]}" for at, row in zip(times, rows, strict=True)]
    file.write_text("\n".join(["timestamp,flow,pressure", *lines]), encoding="utf-8")
    out = data_dir / "out.csv"
    told = run("replay", file, "--model", "pumps", "--out", out).stdout
    assert told.startswith("2 rows are left out: their time")
    assert "the first is row 60" in told
    assert "98 observations" in told


def test_rows_with_holes_go_as_live_ones_would(data_dir: Path) -> None:
    """Replay takes what the service takes; training is told how many rows are not whole."""
    rows = [list(map(str, row)) for row in normal_values(700, len(METRICS)).tolist()]
    rows[650][1] = ""
    rows[660] = ["", ""]
    file = data_dir / "holes.csv"
    lines = [f"{1_700_000_000 + at},{row[0]},{row[1]}" for at, row in enumerate(rows)]
    file.write_text("\n".join(["timestamp,flow,pressure", *lines]), encoding="utf-8")
    out = data_dir / "out.csv"
    told = run("replay", file, "--model", "pumps", "--out", out).stdout
    assert "1 row is left out: more than half" in told
    assert "the first is row 660" in told
    assert "699 observations" in told
    told = run("train", file, "--name", "holes", "--scorer", "var").stdout
    assert "2 rows are left out: a value is missing" in told
    assert "698 rows" in told
    rows[:100] = [["", "1"]] * 100
    lines = [f"{1_700_000_000 + at},{row[0]},{row[1]}" for at, row in enumerate(rows)]
    file.write_text("\n".join(["timestamp,flow,pressure", *lines]), encoding="utf-8")
    assert "line 2: a value is missing (column 'flow')" in failed("train", file, "--name", "no")


def test_rows_are_counted_in_the_file(data_dir: Path) -> None:
    """A row is named by its place in the file, whatever was left out before; long outages too."""
    rows = [list(map(str, row)) for row in normal_values(300, len(METRICS)).tolist()]
    rows[200:240] = [["", ""]] * 40
    file, out = data_dir / "outage.csv", data_dir / "out.csv"
    times = [at - 2 if at in {100, 101} else at for at in range(300)]
    lines = [f"{1_700_000_000 + at},{row[0]},{row[1]}" for at, row in zip(times, rows, strict=True)]
    file.write_text("\n".join(["timestamp,flow,pressure", *lines]), encoding="utf-8")
    told = run("replay", file, "--model", "pumps", "--out", out).stdout
    assert "2 rows are left out: their time" in told
    assert "the first is row 100" in told
    assert "40 rows are left out: more than half" in told
    assert "the first is row 200" in told
    assert "258 observations" in told


def test_a_time_under_another_name_is_asked_for(data_dir: Path) -> None:
    """Epoch seconds that nobody named as the time are no metric in silence."""
    file = data_dir / "named.csv"
    lines = [f"{1_700_000_000 + at},{at % 7},{at % 5}" for at in range(600)]
    file.write_text("\n".join(["Zeitpunkt,flow,pressure", *lines]), encoding="utf-8")
    told = failed("train", file, "--name", "named", "--scorer", "var")
    assert "column 'Zeitpunkt' looks like epoch seconds" in told
    named = ("--time-column", "Zeitpunkt")
    assert "2 metrics" in run("train", file, "--name", "named", "--scorer", "var", *named).stdout


def test_replay_obeys_the_settings(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is set for alerts and the start of a stream counts in replay too."""
    monkeypatch.setenv("STEPWATCH_ALERT_OPEN_AFTER", "1")
    rows = normal_values(70, len(METRICS)).tolist()
    file = write_csv(data_dir / "spiked.csv", [*rows[:69], SPIKE])
    out = data_dir / "out.csv"
    assert run("replay", file, "--model", "pumps", "--out", out, "--start", "own").exit_code == 0
    with out.open(newline="", encoding="utf-8") as written:
        verdicts = list(csv.DictReader(written))
    assert [row["phase"] for row in verdicts] == ["washout"] * 60 + ["live"] * 10
    assert json.loads(verdicts[-1]["alert"])["status"] == "opened"


def test_what_train_refuses(data_dir: Path, recorded: Path) -> None:
    """Train names the file, the line or the option that it cannot use, and saves nothing."""
    bad = data_dir / "bad.csv"
    for line, named in (
        ("3,4,x", "line 3: 'x' is no number (column 'pressure')"),
        ("3,[/b],4", "line 3: '[/b]' is no number (column 'flow')"),
        ("3,4", "line 3: 2 cells where the first line has 3"),
        ("1,4,5", "line 3: time 1 is not after that of the row before"),
        ("3,,5", "line 3: a value is missing (column 'flow')"),
        ("3,4,1e999", "line 3: '1e999' is not finite"),
        ("3,4,5", "2 rows are too few"),
    ):
        bad.write_text(f"timestamp,flow,pressure\n1,2,3\n{line}\n", encoding="utf-8")
        assert named in failed("train", bad, "--name", "new")
    for arguments, named in (
        (("train", data_dir / "none.csv", "--name", "new"), "there is no such file"),
        (("train", data_dir, "--name", "new"), "there is no such file"),
        (("train", recorded, "--name", "../new"), "'../new' is no name"),
        (("train", recorded, "--name", "new", "--scorer", "[x]"), "there is no scorer '[x]'"),
        (("train", recorded, "--name", "new", "--z", "0"), "threshold: Expected `float` > 0"),
        (("train", recorded, "--name", "new", "--time-column", "t"), "no column 't'"),
    ):
        assert named in failed(*arguments)
    assert [path.name for path in (data_dir / "models").iterdir()] == ["pumps"]


def test_what_replay_refuses(data_dir: Path, recorded: Path) -> None:
    """Replay names what does not fit and leaves no file, whole or half."""
    other = write_csv(data_dir / "other.csv", [[1.0, 2.0]], ["flow", "speed"])
    bad, away = data_dir / "none.csv", data_dir / "none" / "out.csv"
    out = data_dir / "results" / "out.csv"
    out.parent.mkdir()
    to_out = ("--out", out)
    for arguments, named in (
        (("replay", recorded, "--model", "none", *to_out), "none: no checkpoint here"),
        (("replay", other, "--model", "pumps", *to_out), "has the metrics flow, speed"),
        (("replay", recorded, "--model", "../models/pumps", *to_out), "'../models/pumps' is no"),
        (("replay", bad, "--model", "pumps", "--out", data_dir), "is a directory"),
        (
            ("replay", bad, "--model", "pumps", "--out", away),
            f"there is no directory {away.parent}",
        ),
    ):
        assert named in failed(*arguments)
    late = data_dir / "late.csv"
    late.write_text("time,flow,pressure\n-9000000000,1,2\n", encoding="utf-8")
    assert "beyond 2200" in failed("replay", late, "--model", "pumps", *to_out)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "--name", "new", "--policy", "some"),
        ("replay", "--model", "pumps", "--out", "out", "--start", "now"),
    ],
)
def test_a_choice_is_one_of_those_listed(recorded: Path, arguments: tuple[str, ...]) -> None:
    """Another word than those an option knows is a wrong option: status 2, with the words."""
    result = run(arguments[0], recorded, *arguments[1:])
    assert result.exit_code == 2
    assert f"'{arguments[-1]}' is not one of" in result.stderr


@pytest.mark.parametrize("step", ["0", "-1", "nan", "inf"])
def test_a_step_is_above_zero(recorded: Path, step: str) -> None:
    """A step that is no time between two rows is a wrong option: status 2."""
    for arguments in (("train", "--name", "new"), ("replay", "--model", "pumps", "--out", "out")):
        result = run(arguments[0], recorded, *arguments[1:], "--step", step)
        assert result.exit_code == 2
        assert "seconds above 0 are wanted" in result.stderr
