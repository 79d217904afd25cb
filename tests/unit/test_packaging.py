import ast
import json
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import models
import service

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
"""The top-level names that the wheel brings."""
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 40
SOURCES = sorted(
    path
    for package in (models, service)
    for folder in package.__path__
    for path in Path(folder).rglob("*.py")
)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Give each function's name and its lines, docstring apart."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            docstring = node.body[0]
            if ast.get_docstring(node) is not None:
                lines -= (docstring.end_lineno or 0) - docstring.lineno + 1
            # the parameters of a command are its options, one a line: their number is free
            lines -= node.body[0].lineno - node.lineno if path.parent.name == "cli" else 0
            yield node.name, lines


def owners(name: str) -> set[str]:
    """Find the distributions that a top-level name belongs to."""
    found = set(packages_distributions().get(name, ()))
    # an editable install lists no modules: what lies at the place it points to is its own
    place = json.loads(distribution("stepwatch").read_text("direct_url.json") or "{}")
    is_editable = place.get("dir_info", {}).get("editable", False)
    if is_editable and (Path(urlsplit(place["url"]).path) / name).is_dir():
        found.add("stepwatch")
    return found


def test_the_wheel_brings_what_is_linted() -> None:
    """A third top-level package would have no owner, no types and no rule of imports."""
    assert sorted(WHEEL) == sorted(PYPROJECT["tool"]["importlinter"]["root_packages"])
    assert set(WHEEL) == {package.__name__ for package in (models, service)}
    assert set(WHEEL) < set(PYPROJECT["tool"]["mypy"]["files"])


@pytest.mark.parametrize("name", WHEEL)
def test_a_generic_name_has_one_owner(name: str) -> None:
    """Another distribution with a package of this name would silently overwrite ours."""
    assert owners(name) == {"stepwatch"}


def test_both_packages_are_typed() -> None:
    """Type checkers trust annotations only beside a py.typed."""
    for package in (models, service):
        assert all((Path(folder) / "py.typed").exists() for folder in package.__path__)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-2:]))
def test_files_and_functions_keep_to_the_budget(path: Path) -> None:
    """What outgrows it wants to be two things."""
    assert len(path.read_text().splitlines()) <= MAX_FILE_LINES
    long = {name: lines for name, lines in functions(path) if lines > MAX_FUNCTION_LINES}
    assert long == {}


def test_no_test_folder_shadows_a_package() -> None:
    """A folder of tests named like a package would be imported in its place."""
    for name in ("models", "service"):
        assert not (ROOT / "tests" / name).exists()


def test_every_test_folder_is_a_package() -> None:
    """Without `__init__.py` a folder deeper down would become a top-level name."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []
