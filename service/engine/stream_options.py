"""Options of streams laid over one another, checked."""

from dataclasses import fields, replace
from typing import Any, Final

from models.options import StreamOptions
from models.threshold import POLICIES
from service.engine.errors import InvalidOption

LEVEL: Final = ("z", "false_alarms_per_day")
"""Two ways to set one thing: who gives either sets aside what was given below, both of them."""
LEAST_FALSE_ALARMS: Final = 1e-6
"""A day; no tail reaches further, and z has to stay a number."""
BOTH_LEVELS: Final = "give z or false_alarms_per_day, not both"


def with_options(options: StreamOptions, changes: dict[str, Any]) -> StreamOptions:
    """Change options, checked.

    Raises:
        InvalidOption: If there is no such option, a number is out of its range, or the level is
            given in two ways.
    """
    if changes.get("policy") not in (None, *POLICIES):
        raise InvalidOption(f"policy must be one of {', '.join(POLICIES)}")
    if unknown := changes.keys() - {field.name for field in fields(options)}:
        raise InvalidOption(f"there is no option {', '.join(sorted(unknown))}")
    changed = replace(options, **_level_alone(changes))
    for name in ("z", "false_alarms_per_day", "sigma_floor"):
        value = getattr(changed, name)
        if value is not None and not 0 < value < float("inf"):
            raise InvalidOption(f"{name} must be above 0, not {value}")
    if (changed.false_alarms_per_day or 1.0) < LEAST_FALSE_ALARMS:
        raise InvalidOption(f"false_alarms_per_day must be {LEAST_FALSE_ALARMS:g} or more")
    return changed


def _level_alone(changes: dict[str, Any]) -> dict[str, Any]:
    """Let z and false alarms per day, two ways to set one thing, take each other's place.

    Raises:
        InvalidOption: If both are given.
    """
    given = [name for name in LEVEL if changes.get(name) is not None]
    if len(given) > 1:
        raise InvalidOption(BOTH_LEVELS)
    return {**dict.fromkeys(LEVEL), **changes} if given else changes
