"""What the engine counts."""

import numpy as np
import pytest

from service.engine.counters import SCORE_BOUNDS, Histogram


@pytest.mark.parametrize("size", [0, 1, 2, 500])
def test_many_are_counted_as_each_alone_would_be(size: int) -> None:
    """Buckets and sum are those of one observation after the other; what is unknown is left out."""
    values = 10.0 ** np.random.default_rng(size).uniform(-6, 6, size)
    values[1::5] = np.nan
    values[2::5] = SCORE_BOUNDS[7]  # a bound belongs to its own bucket
    together, alone = Histogram(SCORE_BOUNDS), Histogram(SCORE_BOUNDS)
    for _ in range(2):
        together.observe_many(values)
        for value in values[~np.isnan(values)].tolist():
            alone.observe(value)
    assert together.counts == alone.counts
    assert together.sum == pytest.approx(alone.sum)
