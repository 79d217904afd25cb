"""Every scorer of the registry, small."""

import pytest

from models import registry
from models.base import Scorer
from models.spec import ScalerSpec, Spec
from tests.contract.scorers import FEATURES, Make, scorer_spec
from tests.fakes import random_weights


@pytest.fixture(params=sorted(registry.SCORERS))
def name(request: pytest.FixtureRequest) -> str:
    """Each row of the registry in turn."""
    found: str = request.param
    return found


@pytest.fixture
def make(name: str) -> Make:
    """Build an untrained scorer by its seed."""

    def made(seed: int) -> Scorer:
        bounds = ScalerSpec(minimum=[0.0] * FEATURES, maximum=[1.0] * FEATURES)
        spec = Spec(metrics=["a", "b", "c"], scaler=bounds, scorer=scorer_spec(name))
        return registry.build(spec, random_weights(spec, seed))

    return made


@pytest.fixture
def scorer(make: Make) -> Scorer:
    """Build one with random weights."""
    return make(0)
