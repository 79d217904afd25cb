"""What the engine counts while it serves: plain numbers, read when somebody asks."""

from bisect import bisect_left
from collections import Counter, defaultdict
from typing import Final

import numpy as np

from models.blocks import Float64

LATENCY_BOUNDS_S: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
BATCH_BOUNDS_ROWS: Final = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
SCORE_BOUNDS: Final = (
    0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0,
    1000.0, 3000.0, 10000.0,
)  # fmt: skip
"""Wide enough for squared errors of scaled values and for sigmas of residuals alike."""


class Histogram:
    """Counts per bucket, the last one for what lies above every bound."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds: Final = bounds
        self.counts = [0] * (len(bounds) + 1)
        self._edges = np.array(bounds)
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value as often as `times`."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def observe_many(self, values: Float64) -> None:
        """Count values once each, `[B]`; NaN is passed over."""
        known = values[values == values]  # noqa: PLR0124 - only NaN is not itself
        if len(known) == 1:  # a tenth of the time
            self.observe(float(known[0]))
            return
        places = np.searchsorted(self._edges, known)
        counts = np.bincount(places, minlength=len(self.counts)).tolist()
        self.counts = [before + more for before, more in zip(self.counts, counts, strict=True)]
        self.sum += float(known.sum(dtype=np.float64))


class Counters:
    """Totals since the start; written on the event loop only.

    Attributes:
        received: Observations by door.
        scored: Verdicts by model.
        refused: Observations by reason, a closed set.
        anomalies: Anomalies by model.
        alerts: Transitions by status.
        problems: Whole requests or frames answered with a problem, by its slug.
        reloads: Reloads of a model by outcome, `done` or `failed`.
        scores: By model.
        latency_s: From the moment a request was decoded to its verdicts.
        batch_rows: Rows the bank was handed at a time.
    """

    def __init__(self) -> None:
        self.received: Counter[str] = Counter()
        self.scored: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.anomalies: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.problems: Counter[str] = Counter()
        self.reloads: Counter[str] = Counter(done=0, failed=0)
        self.scores: defaultdict[str, Histogram] = defaultdict(lambda: Histogram(SCORE_BOUNDS))
        self.latency_s = Histogram(LATENCY_BOUNDS_S)
        self.batch_rows = Histogram(BATCH_BOUNDS_ROWS)
