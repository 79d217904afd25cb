"""NAB's windowed Gaussian detector, a yardstick for its files."""

from math import erfc
from typing import Final

import numpy as np

from models.blocks import Float64

WINDOW: Final = 6400
"""Values in a full window; NAB's authors tuned it on NAB."""
STEP: Final = 100
"""Values by which a full window slides."""
MIN_STD: Final = 1e-6
"""Standard deviation taken where all values of a window are the same."""


def windowed_gaussian(values: Float64, window: int = WINDOW, step: int = STEP) -> Float64:
    """Score each value by how unlikely it is under a Gaussian fitted to the values before it.

    The fit takes all values before it until there are `window` of them, and then slides on by
    `step` values at a time, as in NAB's published detector (Lavin & Ahmad, "Evaluating Real-time
    Anomaly Detection Algorithms - the Numenta Anomaly Benchmark", ICMLA 2015).

    Args:
        values: One metric, whole file, finite, `[N]`.
        window: Values in a full window, >= 1.
        step: Values by which it slides, 1 to `window`.

    Returns:
        Scores: 1 minus the probability of a value further out on its side, in [0.5, 1], `[N]`;
        0 for the first value, which has none before it.

    Raises:
        ValueError: The step is not within 1 and the window.
    """
    if not 1 <= step <= window:
        raise ValueError(f"step {step} must be 1 to the window, {window}")
    if values.size == 0:
        return np.zeros(0)
    rows = np.arange(1, values.size)
    slides = np.maximum(rows - window, 0) // step
    states = np.minimum(rows, window) + slides  # which fit a row is scored by, counted from 1
    firsts = step * np.arange(slides[-1] + 1 if rows.size else 0)
    fits = [_fit(values[:n]) for n in range(1, min(values.size, window + 1))]
    fits += [_fit(values[first : first + window]) for first in firsts[1:]]
    mean, std = np.array(fits).reshape(-1, 2)[states - 1].T
    z = np.abs(values[1:] - mean) / std
    tail = np.array([0.5 * erfc(x) for x in z / np.sqrt(2.0)])
    return np.concatenate(([0.0], 1.0 - tail))


def _fit(values: Float64) -> tuple[float, float]:
    """Fit mean and standard deviation."""
    std = float(np.std(values))
    return float(np.mean(values)), std if std > 0.0 else MIN_STD
