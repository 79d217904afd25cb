"""The settings file as text: reading it, and saying what is wrong where in it."""

import tomllib
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from service.engine.stream_options import LEVEL

Place = tuple[int | str, ...]
"""The way to a value: keys, and numbers of tables."""


class SettingsFileError(Exception):
    """A settings file that is wrong; `problems` says where in it and what, one by one."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: {'; '.join(problems)}")
        self.path: Final = path
        self.problems: Final = problems


def parsed(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises:
        SettingsFileError: If it can't be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsFileError(path, [f"can't be read: {error.strerror}"]) from error
    except ValueError as error:
        raise SettingsFileError(path, [f"this is no TOML: {error}"]) from error


def levels_apart(*layers: dict[str, Any]) -> list[dict[str, Any]]:
    """Take out of layers of settings, the highest first, the level that a higher one sets."""
    found, is_set = [], False
    for layer in layers:
        left_out = LEVEL if is_set else ()
        found.append({name: value for name, value in layer.items() if name not in left_out})
        is_set = is_set or any(layer.get(name) is not None for name in LEVEL)
    return found


def told(kind: str, place: Place, message: str, known: Collection[str]) -> str:
    """Say where in the file a value is wrong, in the file's own words."""
    if kind == "extra_forbidden":
        return unknown(str(place[-1]), place[:-1], known)
    return f"{_where(place)}: {message.removeprefix('Value error, ')}"


def unknown(key: str, table: Place, known: Collection[str]) -> str:
    """Say that there is no such key among those `known`, and which is meant perhaps."""
    close = get_close_matches(key.lower(), sorted(known), 1)
    hint = f"; is '{close[0]}' meant?" if close else ""
    return f"{_where((*table, key))}: there is no such key{hint}"


def _where(place: Place) -> str:
    """Name a key; patterns are counted from 1, as people do."""
    match place:
        case ("streams", int(at), *keys):
            return ".".join([f"[[streams]] number {at + 1}", *map(str, keys)])
        case _:
            return ".".join(map(str, place)).removeprefix("STEPWATCH_").lower()
