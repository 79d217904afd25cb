import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.setting_types import StreamPattern
from service.settings import FILE_NAME, Settings
from service.settings_file import SettingsFileError


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("STEPWATCH_") or name in {"REDIS_URL", "XDG_DATA_HOME"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings file of the data directory lies, not yet written."""
    return tmp_path / FILE_NAME


def problems(file: Path, text: str) -> list[str]:
    """Write a file that has to be refused; gives what is said of it."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsFileError) as raised:
        Settings()
    assert raised.value.path == file
    assert str(file) in str(raised.value)
    return list(raised.value.problems)


def test_a_file_sets_values_and_patterns(file: Path) -> None:
    """The file of the data directory is read, in TOML's own types; the order of patterns stays."""
    file.write_text(
        'port = 9000\nz = 6.5\nexport = ["a/*", "b"]\nredis_url = "redis://store"\n'
        '[[streams]]\npattern = "plant-a/*"\nmodel = "pumps"\nz = 8\nstart = "reference"\n'
        '[[streams]]\npattern = "*"\npolicy = "all"\nsigma_floor = 1e-3\n',
        encoding="utf-8",
    )
    settings = Settings()
    assert (settings.port, settings.z, settings.export) == (9000, 6.5, ("a/*", "b"))
    assert (settings.redis_url, settings.config) == ("redis://store", file)
    assert settings.streams == (
        StreamPattern(pattern="plant-a/*", model="pumps", z=8, start="reference"),
        StreamPattern(pattern="*", policy="all", sigma_floor=1e-3),
    )


def test_no_file_is_needed() -> None:
    """Where there is none, nothing is read and nothing is wrong."""
    settings = Settings()
    assert (settings.config, settings.streams) == (None, ())


def test_the_environment_goes_above_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Command line over environment over file over default, by either name of Redis."""
    file.write_text(
        'port = 1\nworst = 1\nmax_rows = 1\nredis_url = "redis://file"\n', encoding="utf-8"
    )
    monkeypatch.setenv("STEPWATCH_PORT", "2")
    monkeypatch.setenv("STEPWATCH_WORST", "2")
    monkeypatch.setenv("REDIS_URL", "redis://environment")
    settings = Settings(port=3)
    assert (settings.port, settings.worst, settings.max_rows) == (3, 2, 1)
    assert (settings.redis_url, settings.sink_rows) == ("redis://environment", 200_000)
    assert Settings(redis_url=None).redis_url is None


def test_the_command_line_names_the_file(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`config` goes above STEPWATCH_CONFIG, which goes above the data directory's own file."""
    for at, path in enumerate((file, tmp_path / "environment.toml", tmp_path / "given.toml")):
        path.write_text(f"port = {at}\n", encoding="utf-8")
    assert (Settings().port, Settings().config) == (0, file)
    monkeypatch.setenv("STEPWATCH_CONFIG", str(tmp_path / "environment.toml"))
    assert Settings().port == 1
    given = Settings(config=tmp_path / "given.toml")
    assert (given.port, given.config) == (2, tmp_path / "given.toml")


def test_a_named_file_may_say_where_the_data_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file can hold everything a service needs."""
    monkeypatch.delenv("STEPWATCH_DATA_DIR")
    named = tmp_path / "named.toml"
    named.write_text(f"data_dir = '{tmp_path / 'data'}'\n", encoding="utf-8")
    assert Settings(config=named).data_dir == tmp_path / "data"


def test_a_named_file_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a slip of the pen does not mean defaults."""
    monkeypatch.setenv("STEPWATCH_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(SettingsFileError, match=r"none\.toml: can't be read: No such file"):
        Settings()


def test_everything_that_is_wrong_is_told_at_once(file: Path) -> None:
    """Each problem with its key, patterns counted from 1, and the key that was meant perhaps."""
    told = problems(
        file,
        'prot = 1\nz = -1\nconfig = "x"\nredis_url = "http://x"\n'
        '[[streams]]\npattern = "a"\n'
        '[[streams]]\nmdel = "x"\nz = 0\nstart = "now"\n',
    )
    assert sorted(told) == sorted(
        [
            "prot: there is no such key; is 'port' meant?",
            "z: Input should be greater than 0",
            "config: there is no such key",
            "redis_url: begin with redis://, rediss:// or unix://",
            "[[streams]] number 2.pattern: Field required",
            "[[streams]] number 2.mdel: there is no such key; is 'model' meant?",
            "[[streams]] number 2.z: Input should be greater than 0",
            "[[streams]] number 2.start: Input should be 'own' or 'reference'",
        ]
    )


def test_what_the_environment_overrides_is_checked_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong value does not wait for the day the variable goes away."""
    monkeypatch.setenv("STEPWATCH_PORT", "1")
    assert problems(file, "port = 70000\n") == ["port: Input should be less than or equal to 65535"]


def test_the_environment_alone_is_no_problem_of_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who mends the file for what the environment says wrong looks in vain."""
    file.write_text("port = 1\n", encoding="utf-8")
    monkeypatch.setenv("STEPWATCH_Z", "0")
    with pytest.raises(ValidationError, match="greater than 0"):
        Settings()


def test_one_pair_of_brackets_is_told(file: Path) -> None:
    """[streams] is one table where a list of them is wanted."""
    told = problems(file, '[streams]\npattern = "a"\n')
    assert told == ["streams: write [[streams]] above each pattern in the settings file"]


def test_patterns_stand_in_the_file_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable has no room for tables: it is refused, and not with a traceback."""
    monkeypatch.setenv("STEPWATCH_STREAMS", "a/*")
    with pytest.raises(ValidationError, match=r"write \[\[streams\]\]"):
        Settings()


def test_arguments_of_the_library_are_no_keys(file: Path) -> None:
    """What pydantic takes beside the settings is as unknown as any other key."""
    told = problems(file, '_env_file = "x"\n_cli_parse_args = true\n')
    assert told == [f"{key}: there is no such key" for key in ("_env_file", "_cli_parse_args")]


def test_a_slip_of_syntax_has_its_line(file: Path) -> None:
    """TOML that can't be parsed is told with line and column."""
    (told,) = problems(file, "port = 1\nhost = here\n")
    assert told.startswith("this is no TOML: ")
    assert "line 2, column 8" in told


def test_bytes_that_are_no_text_are_refused(file: Path) -> None:
    """A file of another kind is a problem, not a traceback."""
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsFileError, match="this is no TOML"):
        Settings()


def test_patterns_do_not_change(file: Path) -> None:
    """They are frozen as all settings are."""
    file.write_text('[[streams]]\npattern = "a"\n', encoding="utf-8")
    (pattern,) = Settings().streams
    with pytest.raises(ValidationError):
        pattern.z = 1.0


def test_the_example_of_the_docs_is_right(file: Path) -> None:
    """What docs/operations.md shows is taken as it stands there."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    file.write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    assert [one.model for one in Settings().streams] == ["fans", None]
