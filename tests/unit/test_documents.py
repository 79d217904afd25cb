"""What the documents name is there: links, files, targets, commands and their options."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from service.cli.main import COMMANDS, app
from service.settings import Settings
from service.sinks.table import SINKS
from tests.documents import DOCUMENTS, ROOT, anchors, blocks, links, named

OPERATIONS = ROOT / "docs" / "operations.md"
FOLDERS = ("benchmarks/", "docker/", "docs/", "models/", "service/", "tests/")
ELSEWHERE = ("https://", "http://")
NO_SETTINGS = {"STEPWATCH_REQUIRE_PROGRAMS", "STEPWATCH_COMMAND", "STEPWATCH_ARTEFACTS"}


def name_of(path: Path) -> str:
    """Name a document by its place in the repository."""
    return str(path.relative_to(ROOT))


def every(kind: str) -> Iterator[tuple[str, str]]:
    """Give the words of a kind in all documents, with the document each stands in."""
    for path in DOCUMENTS:
        text = " \n".join([*named(path), *(block.text for block in blocks(path))])
        for found in re.findall(kind, text):
            yield path.name, found


def is_there(place: str) -> bool:
    """Tell whether a path, its begin or a pattern names something; `yours` is the reader's."""
    return "yours" in place or any(True for _ in ROOT.glob(f"{place.rstrip('/')}*"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """A link within the repository points to a file, and to a heading of it."""
    broken = []
    for link in links(path):
        if link.startswith(ELSEWHERE):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_files_that_are_named_are_there(path: Path) -> None:
    """A path in backticks is one of the repository."""
    paths = (one for one in named(path) if one.startswith(FOLDERS) and " " not in one)
    wanted = {re.sub(r"[{<].*|:.*", "*", one) for one in paths}
    assert {place for place in wanted if not is_there(place)} == set()


def test_targets_that_are_named_are_there() -> None:
    """Every `make something` of a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    found = {target for _, target in every(r"(?:^|\s|`)make ([a-z][a-z-]+)") if target != "up"}
    assert found - targets == set()
    assert {"run", "test"} <= found


def test_commands_that_are_named_are_there() -> None:
    """Every `stepwatch something --option` is a command that takes the option."""
    group = get_command(app)
    said = list(every(r"(?:^|\s|/)stepwatch ((?:[a-z]+)(?: [^\n|;&]*)?)"))
    for document, line in said:
        name, *words = line.split()
        assert name in COMMANDS, (document, line)
        command = group.get_command(None, name)  # type: ignore[attr-defined]
        options = {option for one in command.params for option in one.opts}
        given = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert given - options == set(), (document, line)
    assert {line.split()[0] for _, line in said} == set(COMMANDS)


def test_every_setting_is_documented() -> None:
    """The table of settings has every one, and every STEPWATCH_ name of a document is one."""
    known = {name.upper() for name in Settings.model_fields} - {"STREAMS"}
    page = OPERATIONS.read_text(encoding="utf-8")
    table = page[page.index("## Settings") : page.index("### Settings file")]
    assert set(re.findall(r"`([A-Z_]+)`", table)) - {"STEPWATCH_"} == known
    found = {name for _, name in every(r"(STEPWATCH_[A-Z_]+)")} - NO_SETTINGS
    assert {name for name in found if name.removeprefix("STEPWATCH_") not in known} == set()


def test_every_sink_is_documented() -> None:
    """Each row of the table of sinks has a word in the manual."""
    page = OPERATIONS.read_text(encoding="utf-8")
    assert {name for name in SINKS if f"`{name}`" not in page} == set()


def test_decisions_are_numbered_and_listed() -> None:
    """Every decision has a number of its own, and a line in the list of them."""
    pages = [path for path in (ROOT / "docs" / "adr").glob("*.md") if path.name != "README.md"]
    numbers = sorted(int(path.name[:4]) for path in pages)
    assert numbers == list(range(1, len(pages) + 1))
    assert {path.name for path in pages} <= set(links(ROOT / "docs" / "adr" / "README.md"))
