import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings, default_data_dir


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STEPWATCH_") or name in {"REDIS_URL", "XDG_DATA_HOME"}:
            monkeypatch.delenv(name)


def test_defaults_serve_this_machine_only() -> None:
    """Nothing set: the loopback address, the embedded store, the checkpoints' thresholds."""
    settings = Settings()
    assert (settings.host, settings.redis_url, settings.default_model) == ("127.0.0.1", None, None)
    assert settings.export == settings.allowed_origins == ()
    assert settings.threshold_overrides == {}
    assert (settings.start, settings.prime) == ("own", True)


def test_the_environment_sets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name with the prefix, in its type."""
    given = {
        "PORT": "9000", "DEFAULT_MODEL": "pumps", "Z": "6.5", "WINDOW": "500", "PRIME": "false",
        "POLICY": "all", "DATA_DIR": "somewhere", "LOG_FORMAT": "json", "ALERT_COOLDOWN": "0",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"STEPWATCH_{name}", value)
    settings = Settings()
    assert (settings.port, settings.default_model, settings.prime) == (9000, "pumps", False)
    assert settings.threshold_overrides == {"window": 500, "z": 6.5, "policy": "all"}
    assert settings.models_dir == Path("somewhere") / "models"
    assert (settings.alert_cooldown, settings.log_format) == (0, "json")


def test_the_command_line_goes_above_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed on creation wins."""
    monkeypatch.setenv("STEPWATCH_PORT", "9000")
    assert Settings(port=9001).port == 9001


@pytest.mark.parametrize(
    ("given", "patterns"),
    [
        ("plant-a/*,plant-b/*", ("plant-a/*", "plant-b/*")),
        ("plant-a/*", ("plant-a/*",)),
        (" plant-a/* , plant-b/* ,", ("plant-a/*", "plant-b/*")),
        ("", ()),
        (" , ", ()),
    ],
)
@pytest.mark.parametrize("name", ["export", "allowed_origins"])
def test_patterns_are_split_at_commas(
    monkeypatch: pytest.MonkeyPatch, name: str, given: str, patterns: tuple[str, ...]
) -> None:
    """No JSON is needed to give a list; spaces around and empty pieces do not matter."""
    monkeypatch.setenv(f"STEPWATCH_{name.upper()}", given)
    assert getattr(Settings(), name) == patterns


def test_patterns_may_be_given_as_a_list() -> None:
    """The command line has them as a list or tuple already."""
    listed: tuple[str, ...] = ("a/*", "b")
    assert Settings(export=listed).export == listed
    assert Settings.model_validate({"export": ["a/*"]}).export == ("a/*",)


@pytest.mark.parametrize("name", ["STEPWATCH_REDIS_URL", "REDIS_URL"])
def test_redis_has_two_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The usual REDIS_URL of hosting platforms is understood too."""
    monkeypatch.setenv(name, "redis://store:6379/1")
    assert Settings().redis_url == "redis://store:6379/1"


def test_our_own_name_of_redis_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_URL may belong to something else on the same machine."""
    monkeypatch.setenv("REDIS_URL", "redis://other")
    monkeypatch.setenv("STEPWATCH_REDIS_URL", "redis://ours")
    assert Settings().redis_url == "redis://ours"
    assert Settings(redis_url="redis://given").redis_url == "redis://given"


def test_an_unknown_variable_is_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting of another version does not keep the service from starting."""
    monkeypatch.setenv("STEPWATCH_NO_SUCH_SETTING", "1")
    assert Settings().port == 8080
    with pytest.raises(ValidationError, match="no_such_setting"):
        Settings.model_validate({"no_such_setting": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "70000"), ("PORT", "http"), ("Z", "0"), ("Z", "nan"), ("POLICY", "most"),
     ("WINDOW", "1"), ("MAX_STREAMS", "0"), ("FLUSH_S", "-1"), ("REDIS_SCORES", "some"),
     ("ALERT_OPEN_AFTER", "0"), ("ALERT_COOLDOWN", "-1"), ("LOG_LEVEL", "loud")],
)  # fmt: skip
def test_values_out_of_range_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Better not to start than to start with something else than was meant."""
    monkeypatch.setenv(f"STEPWATCH_{name}", value)
    with pytest.raises(ValidationError):
        Settings()


def test_settings_do_not_change() -> None:
    """They are frozen, so that what was read at the start holds."""
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.port = 1


def test_the_data_directory_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG's if it is set, else below the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_data_dir() == tmp_path / ".local" / "share" / "stepwatch"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert Settings().data_dir == tmp_path / "data" / "stepwatch"
