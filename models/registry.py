"""The table of scorers: a name and where its class is; a row here is all a new scorer needs."""

from importlib import import_module
from typing import Final, cast

from models.base import Buildable, Scorer, Weights
from models.spec import Spec

SCORERS: Final = {
    "ewma": "models.ewma:EWMAScorer",
    "gru": "models.gru:GRUScorer",
    "pca": "models.pca:PCAScorer",
    "persistence": "models.persistence:PersistenceScorer",
    "var": "models.var:VARScorer",
}


def scorer_class(name: str) -> type[Buildable]:
    """Import the class behind a name.

    Raises:
        ValueError: If no scorer has this name.
    """
    if name not in SCORERS:
        raise ValueError(f"there is no scorer {name!r}; there are: {', '.join(sorted(SCORERS))}")
    module, _, attribute = SCORERS[name].partition(":")
    return cast("type[Buildable]", getattr(import_module(module), attribute))


def build(spec: Spec, weights: Weights) -> Scorer:
    """Build the scorer a spec names.

    Raises:
        ValueError: If the name is unknown or the weights do not fit the spec.
    """
    return scorer_class(spec.scorer.name).build(spec, weights)
