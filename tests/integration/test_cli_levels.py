"""Scoring and level on the command line: how they are set, and how they are shown."""

from pathlib import Path

import pytest

from models.checkpoint import Checkpoint
from models.spec import ScoringSpec, Spec
from tests.fakes import normal_values
from tests.integration.running import METRICS
from tests.integration.test_cli import ROWS, data_dir, failed, recorded, run, write_csv

__all__ = ["data_dir", "recorded"]  # fixtures

pytestmark = pytest.mark.integration

UNKNOWN_STEP = "the step of the data is unknown"


def trained(place: Path, file: Path, *options: str) -> tuple[Spec, str]:
    """Train for an epoch; gives the spec and what was said."""
    result = run("train", file, "--name", "new", "--epochs", "1", *options)
    assert result.exit_code == 0, result.stderr
    return Checkpoint.load(place / "models" / "new").spec, result.stdout


@pytest.mark.parametrize(
    ("options", "scoring", "level", "told"),
    [
        ((), ScoringSpec(), (8.0, 1.0), "scoring top, false alarms per day 1\n"),
        (
            ("--scoring", "mse", "--smoothing", "0", "--z", "5"),
            ScoringSpec(rule="mse", smoothing=None),
            (5.0, None),
            "scoring mse, z 5\n",
        ),
        (
            ("--scoring", "standardised", "--smoothing", "1", "--false-alarms-per-day", "0.25"),
            ScoringSpec(rule="standardised", smoothing=1.0),
            (8.0, 0.25),
            "scoring standardised, false alarms per day 0.25\n",
        ),
        (
            ("--top", "1"),
            ScoringSpec(top=1),
            (8.0, 1.0),
            "scoring top, false alarms per day 1\n",
        ),
    ],
)
def test_train_sets_scoring_and_level(
    data_dir: Path,
    recorded: Path,
    options: tuple[str, ...],
    scoring: ScoringSpec,
    level: tuple[float, float | None],
    told: str,
) -> None:
    """They stand in the checkpoint as asked for, and are told."""
    spec, said = trained(data_dir, recorded, *options)
    assert spec.scoring == scoring
    assert (spec.threshold.z, spec.threshold.false_alarms_per_day) == level
    assert told in said
    assert UNKNOWN_STEP not in said


def test_train_sets_the_threshold(data_dir: Path, recorded: Path) -> None:
    """Window and policy; a window shorter than the usual least wants no more than it holds."""
    spec, _ = trained(data_dir, recorded, "--window", "50", "--policy", "all")
    threshold = spec.threshold
    assert (threshold.window, threshold.policy, threshold.min_scores) == (50, "all", 50)


@pytest.mark.parametrize(
    ("options", "is_told"), [((), True), (("--step", "60"), False), (("--z", "8"), False)]
)
def test_train_says_where_the_step_is_unknown(
    data_dir: Path, options: tuple[str, ...], is_told: bool
) -> None:
    """In one line, where it matters: for false alarms per day."""
    rows = normal_values(ROWS, len(METRICS))
    file = data_dir / "timeless.csv"
    lines = [",".join(METRICS), *(",".join(map(str, row)) for row in rows.tolist())]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    _, said = trained(data_dir, file, *options)
    lines_told = [line for line in said.splitlines() if UNKNOWN_STEP in line]
    assert len(lines_told) == is_told
    assert all("--step" in line for line in lines_told)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--z", "8", "--false-alarms-per-day", "1"), "give --z or --false-alarms-per-day"),
        (("--false-alarms-per-day", "0"), "--false-alarms-per-day: 1e-06 or more is wanted"),
        (("--false-alarms-per-day", "nan"), "--false-alarms-per-day: 1e-06 or more is wanted"),
        (("--z", "0"), "threshold: Expected `float` > 0"),
    ],
)
def test_what_train_refuses(
    data_dir: Path, recorded: Path, options: tuple[str, ...], named: str
) -> None:
    """Two levels at once, and numbers that are none; nothing is saved."""
    assert named in failed("train", recorded, "--name", "new", *options)
    assert not (data_dir / "models" / "new").exists()


def test_the_level_is_told_in_words(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By models as it was trained, by check and replay as it counts under the settings."""
    assert "z 8" in run("models").stdout
    file = write_csv(data_dir / "some.csv", normal_values(70, len(METRICS)).tolist())
    replayed = ("replay", file, "--model", "pumps", "--out", data_dir / "out.csv")
    assert "alerts (z 8)" in run(*replayed).stdout
    monkeypatch.setenv("STEPWATCH_FALSE_ALARMS_PER_DAY", "0.5")
    assert "alerts (false alarms per day 0.5)" in run(*replayed).stdout
    assert "level of pumps: false alarms per day 0.5" in run("check").stdout
    toml = "[[streams]]\npattern = 'a'\nfalse_alarms_per_day = 2\n"
    (data_dir / "stepwatch.toml").write_text(toml, encoding="utf-8")
    assert "a: false alarms per day 2" in run("check").stdout
