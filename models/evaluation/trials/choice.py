"""What is to be evaluated, as a word: a scorer's name, or with a scoring rule, `gru/mse`."""

from dataclasses import dataclass

from models.registry import SCORERS
from models.scoring import SCORINGS


class ChoiceError(ValueError):
    """A word that names no scorer; says which there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One scorer to evaluate.

    Attributes:
        word: As it was asked for; results go by it.
        network: Name in `models.registry.SCORERS`.
        rule: Name in `models.scoring.SCORINGS`; None takes the default.
    """

    word: str
    network: str
    rule: str | None = None


def choices(words: str) -> list[Choice]:
    """Read words separated by commas, in their order.

    Raises:
        ChoiceError: If a word names nothing, or comes twice, or there is none.
    """
    found = [_choice(word) for piece in words.split(",") if (word := piece.strip())]
    if not found:
        raise ChoiceError(f"name a scorer at least; there are: {', '.join(SCORERS)}")
    names = [choice.word for choice in found]
    twice = [name for at, name in enumerate(names) if name in names[:at]]
    if twice:
        raise ChoiceError(f"'{twice[0]}' is named twice")
    return found


def _choice(word: str) -> Choice:
    network, slash, rule = word.partition("/")
    if network not in SCORERS:
        raise ChoiceError(f"there is no scorer '{network}'; there are: {', '.join(SCORERS)}")
    if slash and rule not in SCORINGS:
        raise ChoiceError(f"there is no scoring '{rule}'; there are: {', '.join(SCORINGS)}")
    return Choice(word=word, network=network, rule=rule or None)
