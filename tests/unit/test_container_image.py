import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pytest

from service.settings import Settings
from tests.container import ROOT, Instruction, is_ignored, named, pairs, stages

STAGES: Final = stages((ROOT / "Dockerfile").read_text())
LAST: Final = STAGES[-1]
IGNORED: Final = (ROOT / ".dockerignore").read_text().splitlines()
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def installs(stage: list[Instruction]) -> list[list[str]]:
    """Find what pip installs into the virtual environment, in order, as the words of a command."""
    runs = (part for one in named(stage, "RUN") for part in one.text.split("&&"))
    return [part.split() for part in runs if "pip --python" in part and " install " in part]


def copied() -> list[str]:
    """Name what is copied out of the checkout."""
    found = [one.words[:-1] for stage in STAGES for one in named(stage, "COPY")
             if "--from" not in one.text]  # fmt: skip
    return [name for names in found for name in names]


def test_hadolint_has_no_complaint() -> None:
    """The Dockerfile keeps to the rules of hadolint, ShellCheck's among them."""
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint is packaged for Linux only")
    command: list[str | Path] = [
        hadolint,
        "--no-color",
        "--failure-threshold",
        "style",
        ROOT / "Dockerfile",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_every_base_image_is_pinned() -> None:
    """A tag names minor version and Debian release; later stages build on the same base."""
    bases = [stage[0].words[0] for stage in STAGES]
    assert bases == ["python:3.11-slim-bookworm", "base", "base"]


def test_nothing_is_added_from_elsewhere() -> None:
    """ADD fetches and unpacks; COPY does as it is told."""
    assert [one for stage in STAGES for one in named(stage, "ADD")] == []


def test_torch_is_installed_first_and_alone() -> None:
    """Its build is chosen by the index given, not by a requirement met on the way."""
    first, *others = installs(STAGES[1])
    options = ["--constraint", "constraints.txt", "--index-url", '"${TORCH_INDEX_URL}"', "torch"]
    assert first[first.index("install") + 1 :] == options
    assert pairs(STAGES[1], "ARG")["TORCH_INDEX_URL"].endswith("/cpu")
    assert len(others) == 2
    for words in others:
        assert "--constraint" in words or "--no-deps" in words


def test_requirements_are_those_of_the_project() -> None:
    """The list the Dockerfile makes of pyproject.toml names everything that is served."""
    program = next(one for one in named(STAGES[1], "RUN") if "tomllib" in one.text)
    command, _, file = program.text.rpartition(" > ")
    assert file.strip() == "requirements.txt"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    listed = subprocess.run(
        ["/bin/sh", "-c", command], cwd=ROOT, env=os.environ | {"PATH": path},
        capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["plot"]]
    assert [line for line in listed if line] == wanted


def distribution_of(requirement: str) -> str:
    """Give the name in a requirement, as PEP 503 normalises it."""
    (name,) = re.findall(r"^[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_pin_what_the_image_installs() -> None:
    """Every direct requirement, and what builds the wheel, has one version everywhere."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {distribution_of(line) for line in lines if "==" in line}
    wanted = {distribution_of(one) for one in PROJECT["dependencies"]}
    assert wanted | {"matplotlib", "hatchling"} <= pinned


def test_it_runs_as_nobody_in_particular() -> None:
    """The user is a number, which Kubernetes can tell from root, and stays it to the end."""
    (user,) = named(LAST, "USER")
    numbers = user.text.split(":")
    assert all(int(number) >= 10_000 for number in numbers)
    assert all(one.name not in ("RUN", "COPY") for one in LAST[LAST.index(user) :])
    made = " ".join(one.text for one in named(LAST, "RUN"))
    assert f"--uid {numbers[0]} " in made
    assert f"--gid {numbers[1]} " in made


def test_data_is_the_one_volume() -> None:
    """What the service keeps lies there, and it is made for its user before it is a volume."""
    (volume,) = named(LAST, "VOLUME")
    assert volume.text == pairs(LAST, "ENV")["STEPWATCH_DATA_DIR"] == "/data"
    (run,) = named(LAST, "RUN")
    assert f"--owner=10001 --group=10001 --mode=0700 {volume.text}" in run.text
    assert LAST.index(run) < LAST.index(volume)


def test_everything_else_that_is_written_goes_to_tmp() -> None:
    """The root file system may be read-only."""
    given = pairs(LAST, "ENV")
    assert given["PYTHONDONTWRITEBYTECODE"] == "1"
    assert [given[name].split("/")[1] for name in ("HOME", "MPLCONFIGDIR")] == ["tmp", "tmp"]


def test_the_command_itself_is_start_and_health_check() -> None:
    """No shell stands between, so that signals arrive."""
    (start,), (check,) = named(LAST, "ENTRYPOINT"), named(LAST, "HEALTHCHECK")
    assert start.command == ["stepwatch"]
    assert check.command == ["stepwatch", "health"]
    assert named(LAST, "CMD")[0].command == ["serve"]
    assert named(LAST, "EXPOSE")[0].text == str(Settings.model_fields["port"].default)


def test_the_note_on_stopping_gives_the_settings_times() -> None:
    """Whoever reads how long stopping takes gets the defaults as they are."""
    text = (ROOT / "Dockerfile").read_text()
    for name in ("flush_s", "snapshot_stop_s"):
        default = Settings.model_fields[name].default
        assert f"{name.upper()} ({default:g} s)" in text.replace("\n# ", " ")


def test_labels_say_what_it_is() -> None:
    """The image has the version of the project, and its licence."""
    labels = pairs(LAST, "LABEL")
    prefix = "org.opencontainers.image"
    assert labels[f"{prefix}.version"] == PROJECT["version"] == version("stepwatch")
    assert labels[f"{prefix}.licenses"] == PROJECT["license"]
    assert labels[f"{prefix}.title"] == PROJECT["name"]


def test_environment_names_are_settings() -> None:
    """A variable nobody reads would change nothing and say nothing."""
    given = pairs(LAST, "ENV")
    ours = {name for name in given if name.startswith("STEPWATCH_")}
    assert ours == {"STEPWATCH_DATA_DIR", "STEPWATCH_HOST"}
    assert {name.removeprefix("STEPWATCH_").lower() for name in ours} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", copied())
def test_what_is_copied_is_there_and_not_ignored(name: str) -> None:
    """The wheel's files reach the builder."""
    path = ROOT / name
    assert path.exists()
    files = [path] if path.is_file() else list(path.rglob("*.py"))
    assert files
    assert [one for one in files if is_ignored(one.relative_to(ROOT).as_posix(), IGNORED)] == []


@pytest.mark.parametrize(
    "path",
    [".git/config", ".venv/bin/python", "tests/fakes.py", "docs/quality.png", "build/sbom.json",
     "service/__pycache__/app.pyc", "models/old.pyc", "snapshots.sqlite", ".env"],
)  # fmt: skip
def test_what_is_no_part_of_it_is_ignored(path: str) -> None:
    """Neither secrets nor gigabytes go to the engine."""
    assert is_ignored(path, IGNORED)
