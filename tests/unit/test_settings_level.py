"""The level of thresholds in the settings: z or false alarms per day, whoever stands highest."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.app import stream_rules
from service.setting_types import StreamPattern
from service.settings import FILE_NAME, Settings
from service.settings_file import SettingsFileError

BOTH = "give z or false_alarms_per_day, not both"


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The settings file of a data directory; nothing of this machine's settings."""
    for name in [name for name in os.environ if name.startswith(("STEPWATCH_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path))
    return tmp_path / FILE_NAME


@pytest.mark.parametrize(
    ("in_file", "around", "counts"),
    [
        ("z = 3", {}, {"z": 3.0}),
        ("false_alarms_per_day = 2", {}, {"false_alarms_per_day": 2.0}),
        ("z = 3", {"FALSE_ALARMS_PER_DAY": "0.5"}, {"false_alarms_per_day": 0.5}),
        ("false_alarms_per_day = 2", {"Z": "4"}, {"z": 4.0}),
        ("z = 3", {"Z": "4"}, {"z": 4.0}),
        ("z = 3", {"FALSE_ALARMS_PER_DAY": ""}, {"z": 3.0}),
    ],
)
def test_the_environment_sets_aside_what_the_file_says(
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_file: str,
    around: dict[str, str],
    counts: dict[str, float],
) -> None:
    """Either way above takes the place of either way below; it overrides every checkpoint."""
    file.write_text(in_file, encoding="utf-8")
    for name, value in around.items():
        monkeypatch.setenv(f"STEPWATCH_{name}", value)
    assert Settings().threshold_overrides == counts


def test_the_command_line_sets_aside_both(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands above the environment, that above the file."""
    file.write_text("z = 3", encoding="utf-8")
    monkeypatch.setenv("STEPWATCH_FALSE_ALARMS_PER_DAY", "2")
    settings = Settings(z=5)
    assert (settings.z, settings.false_alarms_per_day) == (5.0, None)


def test_both_in_one_place_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the file, for everybody or a pattern; in the environment."""
    file.write_text(
        "z = 3\nfalse_alarms_per_day = 2\n[[streams]]\npattern = '*'\nz = 1\n"
        "false_alarms_per_day = 1\n",
        encoding="utf-8",
    )
    with pytest.raises(SettingsFileError) as raised:
        Settings()
    assert sorted(raised.value.problems) == [
        f"[[streams]] number 1.false_alarms_per_day: {BOTH}",
        f"false_alarms_per_day: {BOTH}",
    ]
    file.unlink()
    monkeypatch.setenv("STEPWATCH_Z", "3")
    monkeypatch.setenv("STEPWATCH_FALSE_ALARMS_PER_DAY", "2")
    with pytest.raises(ValidationError, match=BOTH):
        Settings()


def test_a_pattern_hands_its_level_on() -> None:
    """One of the two, the other left to nobody."""
    settings = Settings(
        streams=(
            StreamPattern(pattern="a", false_alarms_per_day=2.0),
            StreamPattern(pattern="b", z=4.0),
        )
    )
    told = [(one.options.z, one.options.false_alarms_per_day) for one in stream_rules(settings)]
    assert told == [(None, 2.0), (4.0, None)]
