"""What the contract tests of scorers share: their sizes, what they are fed, how it is compared."""

from collections.abc import Callable
from typing import Any

import numpy as np

from models.base import Scorer, State
from models.blocks import Float32, Float64
from models.spec import ScorerSpec

FEATURES = 3
SIZES = {"gru": {"hidden": 8}}
"""Of those scorers that have any."""
RECONSTRUCTING = {"pca"}
"""What these expect of an observation depends on itself."""
Make = Callable[[int], Scorer]


def scorer_spec(name: str) -> ScorerSpec:
    """Name a scorer with small sizes."""
    return ScorerSpec(name=name, sizes=SIZES.get(name, {}))


def waves(steps: int) -> Float64:
    """Make three metrics with one cause, each with a small wave of its own, raw units."""
    at = np.arange(steps)[:, None]
    return np.sin(at / 7.0) * [1.0, 0.8, -0.6] + 0.05 * np.sin(at / [4.0, 5.0, 11.0])


def draw(*shape: int, seed: int = 0) -> Float32:
    """Draw scaled values."""
    return np.random.default_rng(seed).uniform(-1, 2, shape).astype(np.float32)


def rows_of(state: State, rows: Any) -> State:
    """Copy the state of some streams."""
    return {name: values[rows].copy() for name, values in state.items()}


def arrays_of(*parts: Any) -> list[np.ndarray[Any, Any]]:
    """Lay bare every array of predictions and states."""
    found: list[np.ndarray[Any, Any]] = []
    for part in parts:
        if isinstance(part, dict):
            found += part.values()
        else:
            found += [part.residual, part.expected, part.valid]
    return found


def assert_close(left: Any, right: Any) -> None:
    """Allow for what float32 rounds."""
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def assert_same(left: State, right: State) -> None:
    """Compare two states part by part."""
    assert left.keys() == right.keys()
    for part, values in left.items():
        assert_close(values, right[part])
