"""`stepwatch check`: what is wrong with settings and checkpoints, and where."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, NoReturn

import typer
from pydantic import ValidationError

from models.checkpoint import Checkpoint, CheckpointError, checkpoints
from service.cli.console import (
    ConfigFile,
    DataDir,
    complain,
    given_only,
    level_of,
    tell,
    told_of,
)
from service.engine.rules import covered
from service.settings import Settings, file_values
from service.settings_file import SettingsFileError


def check(config: ConfigFile = None, data_dir: DataDir = None) -> None:
    """Say what is wrong with settings and checkpoints, and where; ends with 1 if anything is."""
    settings = _read(given_only(config=config, data_dir=data_dir))
    wrong = [("checkpoint", reason) for reason in _damaged(settings)]
    wrong += [*_unserved(settings), *_never_matched(settings)]
    if wrong:
        _end(wrong)
    _tell_read(settings)


def _read(given: dict[str, Any]) -> Settings:
    """Read the settings, or end with everything that is wrong in the file or around it."""
    try:
        return Settings(**given)
    except SettingsFileError as error:
        _end((str(error.path), reason) for reason in error.problems)
    except ValidationError as error:
        _end(("environment", reason) for reason in told_of(error))
    except OSError as error:
        _end([("settings file", str(error))])


def _end(wrong: Iterable[tuple[str, str]]) -> NoReturn:
    for place, reason in wrong:
        complain(place, reason)
    raise typer.Exit(1)


def _damaged(settings: Settings) -> Iterator[str]:
    """Find checkpoints that would keep the service from starting."""
    for path in checkpoints(settings.models_dir).values():
        try:
            Checkpoint.load(path).with_threshold(**settings.threshold_overrides)
        except CheckpointError as error:
            told = str(error)
            yield told if str(path) in told else f"{path}: {told}"


def _unserved(settings: Settings) -> Iterator[tuple[str, str]]:
    """Find models that are named and not there."""
    said = {} if settings.config is None else file_values({"config": settings.config})
    # only the default model can have been named elsewhere
    is_files = said.get("default_model") == settings.default_model
    file = str(settings.config)
    named = [(file if is_files else "environment", "default_model", settings.default_model)]
    named += [(file, _name(at, one.pattern), one.model) for at, one in enumerate(settings.streams)]
    there = list(checkpoints(settings.models_dir))
    for place, key, model in named:
        if model is not None and model not in there:
            yield place, f"{key}: there is no model '{model}'; {_trained(model, there)}"


def _trained(model: str, there: list[str]) -> str:
    """Say which models there are, and which is meant perhaps."""
    if not there:
        return "none is trained; train one with 'stepwatch train'"
    close = get_close_matches(model, there, 1)
    return f"trained are: {', '.join(there)}" + (f"; is '{close[0]}' meant?" if close else "")


def _never_matched(settings: Settings) -> Iterator[tuple[str, str]]:
    """Find patterns that stand behind one that takes all their streams."""
    patterns = [one.pattern for one in settings.streams]
    for at, earlier in covered(patterns):
        yield (
            str(settings.config),
            f"{_name(at, patterns[at])}: never matches: '{earlier}' stands before it and takes "
            "everything; put the narrower pattern first",
        )


def _name(at: int, pattern: str) -> str:
    return f"[[streams]] number {at + 1} ('{pattern}')"


def _tell_read(settings: Settings) -> None:
    """Print what was read, so that a file that was not read is noticed."""
    tell(f"settings file   {settings.config or 'none'}")
    tell(f"data directory  {settings.data_dir}")
    tell(f"models          {', '.join(checkpoints(settings.models_dir)) or 'none'}")
    for name, path in checkpoints(settings.models_dir).items():
        checkpoint = Checkpoint.load(path).with_threshold(**settings.threshold_overrides)
        tell(f"level of {name}: {level_of(checkpoint.spec.threshold)}")
    tell(f"default model   {settings.default_model or 'none'}")
    for one in settings.streams:
        said = one.model_dump(exclude_none=True, exclude={"pattern"})
        told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items())
        tell(f"pattern         {one.pattern}: {told or 'as everybody else'}")
    tell("nothing is wrong")
