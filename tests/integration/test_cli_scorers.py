"""The command line: which scorer is trained, and whose `--hidden` is."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from models.checkpoint import Checkpoint
from models.epochs import Progress
from service.cli.main import app
from service.cli.progress import training_bar
from tests.fakes import normal_values

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with a recording."""
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    np.savez(tmp_path / "recorded.npz", train=normal_values(400, 2))
    return tmp_path


def train(data_dir: Path, *arguments: str) -> Result:
    """Train a model called new."""
    command = ["train", str(data_dir / "recorded.npz"), "--name", "new", *arguments]
    return CliRunner().invoke(app, command)


@pytest.mark.parametrize("scorer", ["ewma", "pca", "persistence", "var"])
def test_a_baseline_is_trained(data_dir: Path, scorer: str) -> None:
    """Its checkpoint names it, without sizes; it is told to be solved, without epochs."""
    result = train(data_dir, "--scorer", scorer)
    assert result.exit_code == 0, result.output
    assert "400 rows, solved in " in result.stdout
    assert "epoch" not in result.output
    spec = Checkpoint.load(data_dir / "models" / "new").spec
    assert (spec.scorer.name, spec.scorer.sizes) == (scorer, {})
    assert "solved" in CliRunner().invoke(app, ["models"]).stdout


@pytest.mark.parametrize(
    ("has_epochs", "told"), [(True, "epoch 1 of at most 1, loss"), (False, "solved, loss")]
)
def test_the_bar_tells_epochs_where_there_are_any(has_epochs: bool, told: str) -> None:
    """What is solved for at once has none."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=200)
    with training_bar(screen, has_epochs=has_epochs) as show:
        show(Progress(epochs_done=1, epochs=1, train_loss=0.5, validation_loss=0.5))
    assert isinstance(screen.file, io.StringIO)
    shown = screen.file.getvalue()
    assert told in shown
    assert ("epoch" in shown) == has_epochs


@pytest.mark.parametrize(("given", "hidden"), [((), 64), (("--hidden", "5"), 5)])
def test_a_gru_has_hidden_units(data_dir: Path, given: tuple[str, ...], hidden: int) -> None:
    """As many as are asked for, else 64."""
    result = train(data_dir, "--epochs", "1", *given)
    assert result.exit_code == 0
    assert "1 epochs (best 1)" in result.stdout
    scorer = Checkpoint.load(data_dir / "models" / "new").spec.scorer
    assert (scorer.name, scorer.sizes) == ("gru", {"hidden": hidden})


def test_hidden_units_of_a_baseline_are_refused(data_dir: Path) -> None:
    """The option is told to belong to gru, and nothing is written."""
    result = train(data_dir, "--scorer", "pca", "--hidden", "64")
    assert result.exit_code == 1
    assert "--hidden belongs to --scorer gru; leave it out with 'pca'" in result.stderr
    assert not (data_dir / "models" / "new").exists()
