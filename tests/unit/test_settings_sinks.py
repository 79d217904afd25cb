"""Settings of what is told of alerts: addresses and the secret, checked before anything starts."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings import Settings
from service.settings_file import SettingsFileError

SECRET = "whsec_" + "A" * 32


def settings_with(directory: Path, **given: Any) -> Settings:
    """Give settings as they come from outside: text."""
    return Settings(data_dir=directory, **given)


@pytest.mark.parametrize("name", ["alertmanager_url", "webhook_url", "public_url"])
def test_addresses_are_checked(name: str, tmp_path: Path) -> None:
    """An address is kept as it was given, a slash at its end too; what is none is refused."""
    for given in ("http://am:9093", "https://user:pass@host/path/", "http://[::1]:9093"):
        settings = settings_with(tmp_path, **{name: given})
        assert getattr(settings, name) == given
        assert name == "public_url" or "pass" not in repr(settings)
    for given in (
        "am:9093",
        "ftp://am",
        "http://",
        "http://:9093",
        "http://am:port",
        "http://a..b",
    ):
        with pytest.raises(ValidationError, match="http"):
            settings_with(tmp_path, **{name: given})


def test_the_secret_is_checked_and_kept_to_itself(tmp_path: Path) -> None:
    """One or two secrets are taken; what is none is refused without being repeated."""
    for given in (SECRET, f"{SECRET} {SECRET}"):
        settings = settings_with(tmp_path, webhook_secret=given)
        assert settings.webhook_secret is not None
        assert settings.webhook_secret.get_secret_value() == given
        assert SECRET not in repr(settings)
    with pytest.raises(ValidationError, match="whsec_") as refused:
        settings_with(tmp_path, webhook_secret="hunter2")
    assert "hunter2" not in str(refused.value)


def test_a_secret_in_the_file_is_checked_too(tmp_path: Path) -> None:
    """What is wrong in the settings file is told with the key, and not with the secret."""
    (tmp_path / "stepwatch.toml").write_text('webhook_secret = "hunter2"\n')
    with pytest.raises(SettingsFileError, match="webhook_secret") as refused:
        Settings(data_dir=tmp_path)
    assert "hunter2" not in str(refused.value)
