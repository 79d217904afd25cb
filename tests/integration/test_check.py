"""`stepwatch check`, as a process of its own."""

from pathlib import Path

import pytest

from service.settings import FILE_NAME
from tests.fakes import make_checkpoint
from tests.integration.processes import Ended, ended, started, stepwatch
from tests.integration.running import pumps

pytestmark = pytest.mark.integration


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with the models pumps and fans."""
    pumps().save(tmp_path / "models" / "pumps")
    make_checkpoint(3).save(tmp_path / "models" / "fans")
    return tmp_path


async def checked(data_dir: Path, text: str) -> Ended:
    """Check a settings file in the data directory."""
    (data_dir / FILE_NAME).write_text(text, encoding="utf-8")
    return await stepwatch("check", data_dir=data_dir)


def lines_of(result: Ended) -> list[str]:
    """Give the complaints of a check that found something."""
    assert (result.status, result.out) == (1, ""), result
    assert "Traceback" not in result.err
    return result.err.splitlines()


async def test_what_was_read_is_told(data_dir: Path) -> None:
    """Nothing wrong: the file, the models and the patterns, and status 0."""
    result = await checked(
        data_dir,
        'default_model = "fans"\n[[streams]]\npattern = "plant-a/*"\nmodel = "pumps"\nz = 8\n',
    )
    assert (result.status, result.err) == (0, "")
    for told in (str(data_dir / FILE_NAME), "fans, pumps", "plant-a/*: model pumps, z 8"):
        assert told in result.out


async def test_a_service_without_a_file_is_sound(data_dir: Path) -> None:
    """No file is needed, and the answer says that there was none."""
    result = await stepwatch("check", data_dir=data_dir)
    assert result.status == 0, result.err
    assert "settings file   none" in result.out


async def test_keys_and_values_are_told_with_the_file(data_dir: Path) -> None:
    """A line for each problem: the file, the key, and the key that was meant perhaps."""
    file = data_dir / FILE_NAME
    told = lines_of(await checked(data_dir, "prot = 1\nz = 0\n[[streams]]\npatern = 'a'\n"))
    assert sorted(told) == sorted(
        [
            f"{file}: prot: there is no such key; is 'port' meant?",
            f"{file}: z: Input should be greater than 0",
            f"{file}: [[streams]] number 1.pattern: Field required",
            f"{file}: [[streams]] number 1.patern: there is no such key; is 'pattern' meant?",
        ]
    )


async def test_syntax_is_told_with_its_line(data_dir: Path) -> None:
    """TOML that can't be read is told with the line."""
    (told,) = lines_of(await checked(data_dir, "port = 1\n\nhost = here\n"))
    assert "line 3" in told


async def test_models_and_patterns_are_checked(data_dir: Path) -> None:
    """Models that are not trained, with the one that was meant perhaps, and hidden patterns."""
    told = lines_of(
        await checked(
            data_dir,
            'default_model = "none"\n[[streams]]\npattern = "a/*"\nmodel = "pump"\n'
            '[[streams]]\npattern = "a/b"\nmodel = "fans"\n',
        )
    )
    assert len(told) == 3
    assert told[0].startswith(f"{data_dir / FILE_NAME}: default_model: there is no model 'none'")
    assert "number 1 ('a/*'): there is no model 'pump'" in told[1]
    assert told[1].endswith("is 'pumps' meant?")
    assert "number 2 ('a/b'): never matches: 'a/*' stands before it" in told[2]


async def test_a_damaged_checkpoint_is_told(data_dir: Path) -> None:
    """Weights that are not those of the spec are found, and nothing else is said."""
    weights = data_dir / "models" / "fans" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    (told,) = lines_of(await stepwatch("check", data_dir=data_dir))
    assert str(weights.parent) in told


async def test_the_environment_is_told_apart(data_dir: Path) -> None:
    """A variable out of range is no fault of the file."""
    (data_dir / FILE_NAME).write_text("port = 1\n", encoding="utf-8")
    process = await started("check", data_dir=data_dir, STEPWATCH_PORT="70000")
    (told,) = lines_of(await ended(process))
    assert told.startswith("environment: STEPWATCH_PORT: ")
    process = await started("check", data_dir=data_dir, STEPWATCH_DEFAULT_MODEL="fan")
    (told,) = lines_of(await ended(process))
    assert told.startswith("environment: default_model: there is no model 'fan'; ")


@pytest.mark.parametrize("command", ["check", "serve"])
async def test_a_named_file_that_is_not_there_stops(data_dir: Path, command: str) -> None:
    """`--config` with a slip of the pen does not mean defaults."""
    missing = data_dir / "none.toml"
    result = await stepwatch(command, "--config", missing, data_dir=data_dir)
    assert result.status == 1
    assert f"{missing}: can't be read" in result.err


async def test_serve_stops_at_a_pattern_without_its_model(data_dir: Path) -> None:
    """The service does not start with a rule that can't be kept, and names the pattern."""
    (data_dir / FILE_NAME).write_text(
        "[[streams]]\npattern = 'a/*'\nmodel = 'pump'\n", encoding="utf-8"
    )
    result = await stepwatch("serve", "--port", "0", data_dir=data_dir)
    assert result.status == 1
    assert "pattern 'a/*': there is no model 'pump'" in result.err
