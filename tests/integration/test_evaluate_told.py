"""`stepwatch evaluate`: what a person is told before the work, and beside its results."""

import os
from pathlib import Path

import pytest

from tests.integration.test_evaluate import evaluate, saved
from tests.unit.evaluation.machines import machine

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory; nothing of this machine's settings."""
    for name in [name for name in os.environ if name.startswith(("STEPWATCH_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def timed(path: Path) -> None:
    """Write a machine as CSV, a row each minute."""
    one = machine()
    values = [*one.train.tolist(), *one.test.tolist()]
    marks = [0] * len(one.train) + one.labels.astype(int).tolist()
    rows = [
        f"{1_700_000_000 + 60 * at},{flow},{heat},{mark}"
        for at, ((flow, heat), mark) in enumerate(zip(values, marks, strict=True))
    ]
    path.write_text("\n".join(["timestamp,flow,heat,label", *rows]), encoding="utf-8")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a place nobody can write to")
def test_a_directory_that_can_not_be_written_is_told_first(tmp_path: Path, data_dir: Path) -> None:
    """Not after the last training: nothing was computed."""
    saved(tmp_path / "pump-1.npz")
    result = evaluate(tmp_path / "pump-1.npz", "--out", "/proc/self", "--step", "60")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "--out /proc/self: can't be written" in result.stderr
    assert not data_dir.exists()


def test_a_file_is_no_directory(tmp_path: Path, data_dir: Path) -> None:
    """It is left as it is."""
    saved(tmp_path / "pump-1.npz")
    (tmp_path / "out").write_text("mine")
    result = evaluate(tmp_path / "pump-1.npz", "--out", tmp_path / "out", "--step", "60")
    assert result.exit_code == 1
    assert "out" in result.stderr
    assert (tmp_path / "out").read_text() == "mine"
    assert not data_dir.exists()


def test_a_step_that_is_not_used_is_told(tmp_path: Path) -> None:
    """Once, with the machines that have times; one that is for all others is no claim."""
    (tmp_path / "site").mkdir()
    for name in ("a", "b", "c", "d", "e"):
        timed(tmp_path / "site" / f"{name}.csv")
    share = ("--train-share", str(400 / 600))
    given = (tmp_path / "site", "--out", tmp_path / "out", *share)
    result = evaluate(*given, "--step", "site=3", scorers="persistence")
    assert result.exit_code == 0, result.output
    assert "a, b, c and 2 more: --step site=3 is not used: the file has times" in result.stderr
    assert result.stderr.count("is not used") == 1
    again = evaluate(*given, "--step", "3", scorers="persistence")
    assert "is not used" not in again.stderr
