"""Specs and data for scorers whose weights are solved for."""

import numpy as np

from models.blocks import Float32
from models.spec import ScalerSpec, ScorerSpec, Spec


def spec_of(name: str, n_features: int) -> Spec:
    """Make the spec of a scorer without sizes, for scaled values."""
    return Spec(
        metrics=[f"m{at}" for at in range(n_features)],
        scaler=ScalerSpec(minimum=[0.0] * n_features, maximum=[1.0] * n_features),
        scorer=ScorerSpec(name=name, sizes={}),
    )


def rows_of(*rows: list[float] | float) -> Float32:
    """Make observations of one stream, `[T, 1, F]`; numbers are rows of a single metric."""
    return np.array(rows, np.float32).reshape(len(rows), 1, -1)


def flat(found: Float32) -> list[float]:
    """Give results of one stream with one metric as numbers."""
    return [float(value) for value in found.ravel()]
