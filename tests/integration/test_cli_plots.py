"""Pictures and Parquet on the command line."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.checkpoint import Checkpoint
from tests.fakes import make_checkpoint, normal_values
from tests.integration.running import METRICS, SPIKE
from tests.integration.test_cli import data_dir, failed, recorded, run, write_csv

pytestmark = pytest.mark.integration
__all__ = ["data_dir", "recorded"]

ROWS = 400
SPIKED = [200, 201, 202, 203]
T0 = 1_700_000_000
LEAST_BYTES = 20_000
"""An empty picture of this size takes less."""


@pytest.fixture
def spiked(data_dir: Path) -> Path:
    """A recorded file with an event that opens an alert."""
    rows = normal_values(ROWS, len(METRICS)).tolist()
    for row in SPIKED:
        rows[row] = SPIKE
    return write_csv(data_dir / "spiked.csv", rows)


def as_parquet(file: Path) -> Path:
    """Write what a CSV holds as Parquet, its times as stamps."""
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    seconds = np.array([int(row["timestamp"]) for row in rows])
    columns = {name: [float(row[name]) for row in rows] for name in METRICS}
    stamps = pa.array(seconds * 1000, pa.timestamp("ms", tz="UTC"))
    path = file.with_suffix(".parquet")
    parquet.write_table(pa.table({"when": stamps, **columns}), path, row_group_size=100)
    return path


def replayed(file: Path, out: Path, *more: str | Path) -> str:
    """Replay a file; gives the CSV that came of it."""
    result = run("replay", file, "--model", "pumps", "--out", out, *more)
    assert result.exit_code == 0, result.stderr
    return out.read_text(encoding="utf-8")


def is_picture(path: Path) -> bool:
    """Whether this is a PNG, 1600 pixels wide, with something on it."""
    picture = path.read_bytes()
    is_png = picture.startswith(b"\x89PNG") and int.from_bytes(picture[16:20]) == 1600
    return is_png and len(picture) > LEAST_BYTES


def test_parquet_gives_the_same_replay(data_dir: Path, spiked: Path) -> None:
    """The same data gives the same verdicts to the last digit, whichever file it comes from."""
    of_csv = replayed(spiked, data_dir / "csv.csv")
    assert replayed(as_parquet(spiked), data_dir / "parquet.csv") == of_csv


def test_parquet_gives_the_same_model(data_dir: Path, recorded: Path) -> None:
    """A model trained on either file has the same content."""
    hashes = set()
    for name, file in (("of-csv", recorded), ("of-parquet", as_parquet(recorded))):
        result = run("train", file, "--name", name, "--epochs", "1")
        assert result.exit_code == 0, result.stderr
        hashes.add(Checkpoint.load(data_dir / "models" / name).spec.content_hash)
    assert len(hashes) == 1


def test_a_picture_changes_nothing_of_the_replay(data_dir: Path, spiked: Path) -> None:
    """With --plot the same CSV is written, and the picture beside it; the counts are told."""
    pytest.importorskip("matplotlib")
    plain = replayed(spiked, data_dir / "plain.csv")
    picture = data_dir / "run.png"
    assert replayed(spiked, data_dir / "drawn.csv", "--plot", picture) == plain
    assert is_picture(picture)
    explained = [row for row in csv.DictReader(plain.splitlines()) if row["contributors"]]
    assert [int(row["timestamp"].split(".")[0]) for row in explained[:3]] == [
        T0 + 60 * row for row in SPIKED[:3]
    ]
    assert json.loads(explained[2]["alert"])["status"] == "opened"


def test_a_picture_alone(data_dir: Path, spiked: Path) -> None:
    """--out may be left out; of many metrics, without times, a heat map comes of it."""
    pytest.importorskip("matplotlib")
    make_checkpoint(12).save(data_dir / "models" / "many")
    np.savez(data_dir / "many.npz", test=normal_values(300, 12))
    for model, file in (("pumps", spiked), ("many", data_dir / "many.npz")):
        picture = data_dir / f"{model}.png"
        result = run("replay", file, "--model", model, "--plot", picture, "--start", "own")
        assert result.exit_code == 0, result.stderr
        assert str(picture) in result.stdout
        assert is_picture(picture)
    assert not list(data_dir.glob(".*unfinished"))


@pytest.mark.parametrize("scorer", ["gru", "var"])
def test_a_training_is_drawn(data_dir: Path, recorded: Path, scorer: str) -> None:
    """Train --plot draws the training, of scorers with epochs and without."""
    pytest.importorskip("matplotlib")
    picture = data_dir / "training.png"
    arguments = ("--scorer", scorer, "--epochs", "2", "--plot", picture)
    result = run("train", recorded, "--name", "new", *arguments)
    assert result.exit_code == 0, result.stderr
    assert f"picture: {picture}" in result.stdout
    assert is_picture(picture)


def test_what_can_not_be_drawn_is_told_before_the_work(data_dir: Path, recorded: Path) -> None:
    """An unknown ending, no directory, or nothing to write: the file is not even looked at."""
    none = data_dir / "none.csv"
    to_replay, to_train = ("replay", none, "--model", "pumps"), ("train", none, "--name", "new")
    for plot, named in (
        (data_dir / "run.bmp", "can't draw '.bmp' files; end the name in .png, .svg, .pdf"),
        (data_dir / "none" / "run.png", f"there is no directory {data_dir / 'none'}"),
    ):
        for command in (to_replay, to_train):
            assert f"--plot {plot}: {named}" in failed(*command, "--plot", plot)
    assert "give --out for a CSV, --plot for a picture" in failed(*to_replay)
    same = data_dir / "run.png"
    assert "are the same file" in failed(*to_replay, "--plot", same, "--out", same)


def test_without_matplotlib_it_is_told_before_the_work(
    data_dir: Path, spiked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks for a picture without it is told how to get it; all else goes on without it."""
    for module in [one for one in sys.modules if one.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for command in (("replay", spiked, "--model", "pumps"), ("train", spiked, "--name", "new")):
        told = failed(*command, "--plot", data_dir / "run.png")
        assert "matplotlib is not installed. To get them: pip install matplotlib" in told
    assert replayed(spiked, data_dir / "out.csv").count("\n") == ROWS + 1
    assert [path.name for path in (data_dir / "models").iterdir()] == ["pumps"]


def test_a_broken_parquet_file_is_told(data_dir: Path) -> None:
    """Neither command shows a traceback, and nothing is left."""
    file = data_dir / "bad.parquet"
    file.write_bytes(b"PAR1 and then nothing")
    for command in (
        ("replay", file, "--model", "pumps", "--out", data_dir / "out.csv"),
        ("train", file, "--name", "new"),
    ):
        assert "not a readable Parquet file" in failed(*command)
    assert not (data_dir / "out.csv").exists()
