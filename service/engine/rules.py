"""Rules of the settings file: which model and options a new stream gets by its name."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from models.options import StreamOptions
from service.engine.errors import UnknownModel


@dataclass(frozen=True, slots=True)
class StreamRule:
    """What streams get whose id matches a pattern, unless a PUT says otherwise.

    Attributes:
        pattern: A glob: `*` stands for anything, slashes too, `?` for one character, `[ab]` for
            one of these; upper and lower case differ.
        model: Name of the model; None takes the default model.
        options: All options, those of the service where the rule says nothing.
    """

    pattern: str
    model: str | None
    options: StreamOptions


def first_match(rules: Sequence[StreamRule], stream_id: str) -> StreamRule | None:
    """Find the rule of a stream: the first whose pattern matches."""
    return next((rule for rule in rules if fnmatchcase(stream_id, rule.pattern)), None)


def check_models(rules: Sequence[StreamRule], known: Collection[str]) -> None:
    """Make sure that every model the rules name is there.

    Raises:
        UnknownModel: If one is not; names its pattern.
    """
    for rule in rules:
        if rule.model is not None and rule.model not in known:
            error = UnknownModel(rule.model, sorted(known))
            error.args = (f"pattern '{rule.pattern}': {error}",)
            raise error


def covered(patterns: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Find patterns that never match because an earlier one takes everything they could.

    Yields:
        The place of the pattern, and the earlier one.
    """
    for at, pattern in enumerate(patterns):
        for earlier in patterns[:at]:
            if _takes_all_of(earlier, pattern):
                yield at, earlier
                break


def _takes_all_of(earlier: str, later: str) -> bool:
    """Be sure that one pattern takes all that the other does; False where that is not plain."""
    # a pattern whose only wildcard is * matches another as plain text only if the other's
    # wildcards fall to its stars, and then whatever they stand for does too
    return earlier == later or (not set("?[") & set(earlier) and fnmatchcase(later, earlier))
