import json
import os
import signal
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import pytest

from tests.fakes import normal_values

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]
BUILD: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
PACKAGES: Final = set(BUILD["targets"]["wheel"]["packages"])
ROWS: Final = 400
PATIENCE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in an environment of its own, which lends dependencies from this one.

    Attributes:
        bin: Where its commands lie.
        home: Where they are run, outside the checkout; the data directory is in it.
    """

    bin: Path
    home: Path

    def environment(self) -> dict[str, str]:
        """Keep nothing of what could lead back to the checkout or to this machine's settings."""
        theirs = ("STEPWATCH_", "REDIS_URL", "PYTHON", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        return kept | {"STEPWATCH_DATA_DIR": str(self.home / "data"), "COLUMNS": "200"}

    def run(self, *command: str | Path) -> str:
        """Run a command of it to its end, which has to be a good one; gives what it printed."""
        program, *arguments = command
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def served(self, *options: str) -> Iterator[str]:
        """Serve on a free port until the end of the block; gives the URL."""
        process = subprocess.Popen(
            [self.bin / "stepwatch", "serve", "--port", "0", *options],
            cwd=self.home,
            env=self.environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            said = (json.loads(line) for line in process.stderr)
            yield next(line["url"] for line in said if "url" in line)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0
        finally:
            process.kill()
            process.communicate()


def pip(*arguments: str | Path) -> None:
    """Run this environment's pip; it may fetch nothing."""
    command = [sys.executable, "-m", "pip", *arguments, "--no-deps", "--no-index", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as the Dockerfile does."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-build-isolation", "--wheel-dir", folder)
    (file,) = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed without the checkout in sight."""
    home = tmp_path_factory.mktemp("elsewhere")
    place = home / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip("--python", place / "bin" / "python", "install", wheel)
    # After the installation, or pip would take the editable one for what is there already. Of a
    # folder named so only what lies in it is found: the editable one's way to the checkout is not.
    (packages,) = place.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return Installed(place / "bin", home)


@pytest.fixture(scope="module")
def trained(installed: Installed) -> Installed:
    """The installed wheel with a model `pumps`, trained by its own command."""
    rows = np.hstack([np.arange(ROWS)[:, None], normal_values(ROWS, 2)])
    file = installed.home / "pumps.csv"
    np.savetxt(file, rows, delimiter=",", header="time,flow,pressure", comments="")
    installed.run("stepwatch", "train", file, "--name", "pumps", "--epochs", "1")
    return installed


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    """Every file of both packages is in it; tests, containers and documents are not."""
    names = zipfile.ZipFile(wheel).namelist()
    about = f"{wheel.name.rsplit('-', 3)[0]}.dist-info"
    assert {name.split("/")[0] for name in names} == {*PACKAGES, about}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if not name.startswith(about)} == sources
    assert {f"{package}/py.typed" for package in PACKAGES} <= sources
    assert f"{about}/licenses/LICENSE" in names


def test_it_is_the_installed_code_that_runs(installed: Installed) -> None:
    """The packages come from the wheel, and the checkout can't be imported."""
    program = (
        "import importlib.util, json, models, service;"
        "there = [n for n in ('tests', 'benchmarks', 'docker') if importlib.util.find_spec(n)];"
        "print(json.dumps([models.__file__, service.__file__, there]))"
    )
    *files, there = json.loads(installed.run("python", "-c", program))
    assert there == []
    for file in files:
        assert Path(file).is_relative_to(installed.bin.parent)


def test_the_command_lists_its_commands(installed: Installed) -> None:
    """`stepwatch --help` works, and so every command can be imported."""
    shown = installed.run("stepwatch", "--help")
    assert all(name in shown for name in ("serve", "train", "replay", "demo", "health"))


def test_it_trains_serves_and_is_healthy(trained: Installed) -> None:
    """From a CSV over `train` and `serve`, its own Valkey beside it, to a verdict."""
    with trained.served("--default-model", "pumps") as url:
        answer = httpx.post(
            f"{url}/v1/streams/pump-7/observations",
            json={"timestamp": 1763762400.0, "values": {"flow": 1.5, "pressure": 0.2}},
        )
        assert (answer.status_code, answer.json()["phase"]) == (200, "washout")
        trained.run("stepwatch", "health", "--ready", "--url", url)
