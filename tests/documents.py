"""The repository's documents: their code blocks, links, and the paths and commands they name."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
README: Final = ROOT / "README.md"
DOCUMENTS: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@dataclass(frozen=True, slots=True)
class Block:
    """A code block: its language and its text."""

    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """Give the code blocks of a document, in order."""
    return [Block(*found) for found in _BLOCK.findall(path.read_text(encoding="utf-8"))]


def prose(path: Path) -> str:
    """Give a document without its code blocks."""
    return _BLOCK.sub("", path.read_text(encoding="utf-8"))


def named(path: Path) -> list[str]:
    """Give what stands between backticks in a document's prose."""
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", prose(path))]


def links(path: Path) -> list[str]:
    """Give where the links and pictures of a document point to."""
    return _LINK.findall(prose(path))


def anchors(path: Path) -> set[str]:
    """Give the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}
