"""The tail of validation scores: what false alarms per day are first told from."""

from typing import Final

import numpy as np

from models.blocks import Float32, Float64
from models.record import Record
from models.spec import TailSpec, ThresholdSpec
from models.tail import JOINED_STEPS, MIN_CLUSTERS
from models.threshold import RollingThreshold

_START: Final = 0.95
"""Share of the validation scores that lie below the tail."""
_LEAST_START: Final = 0.1
"""Sigmas; rare high scores among many alike lift the mean above all others, and z must be > 0."""
_FARTHEST: Final = 30.0
"""Median excesses: a cluster that is higher is an event in what was taken as normal, or a seam
between two recordings; of the heaviest tail that is fitted one in 180 goes so far."""
_SHAPES: Final = (-0.1, 0.5)
"""Estimates of a shape from a few dozen clusters scatter beyond what scores are ever like. A tail
that ends, as that of a shape well below 0 does, is none of theirs: a normal one looks so from near,
and one false alarm a day would be one an hour (`python -m benchmarks.false_alarms`)."""


def rolling_sigmas(scores: Float32, spec: ThresholdSpec) -> Float64:
    """Hold scores in order, `[N]`, against the windows before them, as a stream's are.

    Returns:
        Sigmas above the mean, of the scores whose window held enough of them, `[M]`.
    """
    windows = RollingThreshold(spec.window, spec.min_scores, record := Record())
    record.grow(1)
    windows.scores.grow(1)
    windows.configure(np.arange(1), z=1.0, sigma_floor=spec.sigma_floor, policy="all")
    ring, one = windows.scores["ring"][0], record.one(0)
    found = np.full(len(scores), np.nan)
    for at, score in enumerate(scores.tolist()):
        one_sigma = windows.threshold_one(one)
        found[at] = (score - one.mean) / (one_sigma - one.mean)
        windows.enter_one(ring, one, score, np.inf)
    known: Float64 = found[~np.isnan(found)]
    return known


def tail_of(sigmas: Float64) -> TailSpec | None:
    """Fit the tail of scores in order, `[N]`, in sigmas above their rolling mean; None: too few.

    Method of probability-weighted moments (Hosking & Wallis, "Parameter and Quantile Estimation for
    the Generalized Pareto Distribution", Technometrics 1987).
    """
    if not len(sigmas):
        return None
    start = max(float(np.quantile(sigmas, _START)), _LEAST_START)
    high = np.flatnonzero(sigmas > start)
    clusters = np.split(high, np.flatnonzero(np.diff(high) > JOINED_STEPS) + 1)
    if len(clusters) < MIN_CLUSTERS:
        return None
    excess = np.sort([sigmas[cluster].max() - start for cluster in clusters])
    excess = np.minimum(excess, _FARTHEST * np.median(excess))
    return TailSpec(
        start=start,
        shape=float(np.clip(_shape(excess), *_SHAPES)),
        excess=float(excess.mean()),
        gap=len(sigmas) / len(clusters),
        clusters=len(clusters),
    )


def _shape(excess: Float64) -> float:
    """Estimate the shape from excesses, ascending, `[N]`."""
    place = (np.arange(1, len(excess) + 1) - 0.35) / len(excess)
    mean, weighted = excess.mean(), ((1 - place) * excess).mean()
    return float(2 - mean / (mean - 2 * weighted)) if mean > 2 * weighted else _SHAPES[1]
