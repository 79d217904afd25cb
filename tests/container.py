"""Reads the Dockerfile, .dockerignore and the compose file, for tests of what they say."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).parents[1]
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile, continued lines joined.

    Attributes:
        name: In capitals, such as `COPY`.
        text: What follows it.
    """

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """What follows as words, options and quotes of a shell apart."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def command(self) -> list[str]:
        """The words of an exec form, `["a", "b"]`."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words


def stages(text: str) -> list[list[Instruction]]:
    """Split a Dockerfile into its stages, each beginning with its FROM."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[list[Instruction]] = []
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name.upper() == "FROM":
            found.append([])
        if name:
            found[-1].append(Instruction(name.upper(), rest.strip()))
    return found


def named(stage: Iterable[Instruction], name: str) -> list[Instruction]:
    """Choose the instructions of one kind."""
    return [one for one in stage if one.name == name]


def pairs(stage: Iterable[Instruction], name: str) -> dict[str, str]:
    """Gather what ENV, LABEL or ARG set; an ARG without a default is left out."""
    words = (word for one in named(stage, name) for word in one.words)
    return dict(word.split("=", 1) for word in words if "=" in word)


def is_ignored(path: str, patterns: Iterable[str]) -> bool:
    """Tell whether .dockerignore keeps a path out of the build: the last pattern that fits counts.

    Args:
        path: Relative to the root, with slashes.
        patterns: Lines of the file; `#` begins a comment, `!` an exception.
    """
    ignored = False
    for line in patterns:
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            fits = re.fullmatch(_regex(pattern.removeprefix("!").strip("/")), path)
            ignored = not pattern.startswith("!") if fits else ignored
    return ignored


def _regex(pattern: str) -> str:
    """Translate a pattern; one that fits a folder fits everything in it."""
    kinds = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    return "".join(kinds.get(piece, re.escape(piece)) for piece in pieces) + "(?:/.*)?"


def yaml_of(path: Path) -> Any:
    """Read a YAML file; merges (`<<`) are carried out."""
    return YAML(typ="safe", pure=True).load(path)


def compose_file() -> dict[str, Any]:
    """Read docker-compose.yml as `docker compose` does where no variable is set."""
    compose: dict[str, Any] = _interpolated(yaml_of(ROOT / "docker-compose.yml"))
    return compose


def _interpolated(value: Any) -> Any:
    """Put the defaults of variables in their places, in texts however deep."""
    match value:
        case dict():
            return {key: _interpolated(inner) for key, inner in value.items()}
        case list():
            return [_interpolated(inner) for inner in value]
        case str():
            return _VARIABLE.sub(lambda found: found[2] or "", value)
    return value
