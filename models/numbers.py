"""The numbers that a bank keeps of a stream: their names, and working copies of them.

Of one stream they are plain numbers, of many an array each; the rules read alike.
"""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.blocks import Float64, Int

COUNTS: Final = (
    "last_time",
    "last_arrival",
    "last_seq",
    "seen",
    "missing",
    "anomalies",
    "washout_left",
    "phase",
    "entered",
    "policy",
    "pushed",
    "begun",
    "calm",
    "spaced",
    "lasted",
    "over",
    "since",
    "rescaled",
)
MEASURES: Final = (
    "step_us",
    "pace_us",
    "score",
    "threshold",
    "mean",
    "m2",
    "peak",
    "z",
    "floor",
    "asked",
    "smoothed",
    "gap",
    "excess",
    "crest",
    "old",
)
WINDOW_SUMS: Final = ("entered", "mean", "m2", "peak")
TAIL: Final = ("calm", "spaced", "gap", "excess", "crest")
EPISODE: Final = ("lasted", "over", "since", "old")
FOUND: Final = ("z", "asked")
"""The level, and what it was found for."""
WINDOW: Final = (*WINDOW_SUMS, *TAIL, *EPISODE, *FOUND, "smoothed", "rescaled")
"""What scores of one checkpoint made of a stream: under another they mean nothing."""
RULES: Final = ("policy", "floor", *FOUND)
RUNS: Final = ("pushed", "begun")
OWN: Final = tuple(name for name in (*COUNTS, *MEASURES) if name not in {*WINDOW, *RULES, *RUNS})
"""Order, cadence, phase and counts: what means the same under every checkpoint."""

Count = TypeVar("Count", int, Int)
Measure = TypeVar("Measure", float, Float64)


class Numbers(Generic[Count, Measure]):
    """The numbers of one stream (`Numbers[int, float]`) or of B, an array `[B]` each.

    A working copy: `Record.put` writes it back.

    Attributes:
        last_time, last_arrival: Microseconds UTC; `NO_TIME` before the first observation.
        last_seq: Largest sequence number; `NO_SEQ` before the first.
        seen, missing, anomalies: Observations, missing values and anomalies so far.
        washout_left: Observations that washout still takes.
        phase: `Phase` code.
        entered: Scores that ever entered the threshold window.
        policy: What a score above the threshold does, a number of `threshold.POLICIES`.
        pushed, begun: Observations of the run that `Recent` holds the last of, and its number.
        calm, spaced: Scores since the last one in the tail, and since a cluster of such began.
        lasted, over, since: Episode: scores so far, 0: there is none; which of the last were above
            the old threshold, a bit each, the newest lowest; time of its first anomaly.
        rescaled: 1 where the stream has residual sigmas of its own.
        step_us, pace_us: Usual intervals between times and between arrivals; 0: not known.
        score, threshold: The last ones.
        mean, m2, peak: Of the window: mean, sum of squared deviations, the largest such sum.
        z, floor: Threshold rule: sigmas above the mean, least sigma.
        asked: False alarms per day that z is found for; 0: z is set.
        smoothed: The last smoothed score.
        gap, excess: Tail: mean scores between clusters, mean of their highest excess, in sigmas.
        crest: Highest score of the cluster under way, in sigmas; 0: none is.
        old: The threshold as it stood before the episode.
    """

    __slots__ = (*COUNTS, *MEASURES, "table")

    last_time: Count
    last_arrival: Count
    last_seq: Count
    seen: Count
    missing: Count
    anomalies: Count
    washout_left: Count
    phase: Count
    entered: Count
    policy: Count
    pushed: Count
    begun: Count
    calm: Count
    spaced: Count
    lasted: Count
    over: Count
    since: Count
    rescaled: Count
    step_us: Measure
    pace_us: Measure
    score: Measure
    threshold: Measure
    mean: Measure
    m2: Measure
    peak: Measure
    z: Measure
    floor: Measure
    asked: Measure
    smoothed: Measure
    gap: Measure
    excess: Measure
    crest: Measure
    old: Measure

    def __init__(self, counts: Iterable[Count], measures: Iterable[Measure]) -> None:
        (
            self.last_time,
            self.last_arrival,
            self.last_seq,
            self.seen,
            self.missing,
            self.anomalies,
            self.washout_left,
            self.phase,
            self.entered,
            self.policy,
            self.pushed,
            self.begun,
            self.calm,
            self.spaced,
            self.lasted,
            self.over,
            self.since,
            self.rescaled,
        ) = counts
        (
            self.step_us,
            self.pace_us,
            self.score,
            self.threshold,
            self.mean,
            self.m2,
            self.peak,
            self.z,
            self.floor,
            self.asked,
            self.smoothed,
            self.gap,
            self.excess,
            self.crest,
            self.old,
        ) = measures


class Columns(Numbers[Int, Float64]):
    """The numbers of B streams as rows of one table, `[fields, B]`; change them in place."""

    __slots__ = ()

    def __init__(self, table: NDArray[np.int64]) -> None:
        self.table = table
        super().__init__(table[: len(COUNTS)], table[len(COUNTS) :].view(np.float64))

    def __len__(self) -> int:
        """Count the streams."""
        return int(self.table.shape[1])

    def taken(self, rows: Int) -> "Columns":
        """Copy some of them."""
        return Columns(self.table[:, rows])

    def row(self, at: int) -> Numbers[int, float]:
        """Copy one of them, as plain numbers."""
        row, split = np.ascontiguousarray(self.table[:, at]), len(COUNTS)
        return Numbers(row[:split].tolist(), row[split:].view(np.float64).tolist())

    def replace(self, rows: Int, others: "Columns") -> None:
        """Take some over again, changed."""
        self.table[:, rows] = others.table
