"""How many false alarms a day: z from the tail of the scores, kept up as scores come.

Peaks over threshold (Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory",
KDD 2017): what exceeds a high level follows a generalised Pareto distribution, so that a level can
be told that is passed more seldom than anything seen. Three things differ from the paper. Scores
are taken in sigmas above their rolling mean: of a stream that changes its level the distribution is
then the same as before. Exceedances come in clusters, and a person takes a cluster for one alarm:
only the highest of each counts. And a stream keeps no list of peaks but two means, how far clusters
are apart and how high they are; the shape stays that of the validation scores.
"""

from math import log
from typing import Any, Final

import numpy as np

from models.blocks import Float64, Int
from models.numbers import Columns, Numbers
from models.spec import TailSpec

JOINED_STEPS: Final = 10
"""Exceedances no more than so many steps apart are one cluster, as alarms are one alarm."""
MIN_CLUSTERS: Final = 10
"""Fewer clusters of the validation scores say nothing of their tail."""
DAY_US: Final = 86_400e6
_LEARNING: Final = 0.003
"""Weight of a new cluster: the last three hundred or so count."""
_LEAST_RATIO: Final = 1.5
"""Where nearly every cluster is an alarm, none is left to tell how high they would be."""
_FEW: Final = 8
"""So many streams are quicker taken one by one than together."""
_UNKNOWN: Final = TailSpec(start=3.0, shape=0.0, excess=2.0, gap=100.0, clusters=0)
"""Taken where there are no validation scores to speak of: z is 8.3 for one a day a minute apart."""


class _Learning:
    """What learning needs of one stream of many: all of its numbers would cost as much again."""

    __slots__ = ("asked", "calm", "crest", "excess", "gap", "spaced", "z")

    def __init__(self, columns: Columns, row: int) -> None:
        self.asked, self.z = float(columns.asked[row]), float(columns.z[row])
        self.calm, self.spaced = int(columns.calm[row]), int(columns.spaced[row])
        self.gap, self.excess = float(columns.gap[row]), float(columns.excess[row])
        self.crest = float(columns.crest[row])

    def put(self, columns: Columns, row: int) -> None:
        """Write it back."""
        columns.z[row], columns.calm[row], columns.spaced[row] = self.z, self.calm, self.spaced
        columns.gap[row], columns.excess[row] = self.gap, self.excess
        columns.crest[row] = self.crest


class Tail:
    """The tail of one checkpoint's scores; what a stream has learned of its own is in its record.

    Each rule stands here twice: for the rows of many streams, and in plain numbers for one.

    Args:
        spec: Of the validation scores; None: they were too few.
        step_s: Usual seconds between observations, as long as a stream's own are not known.
    """

    def __init__(self, spec: TailSpec | None, step_s: float | None) -> None:
        self._spec: Final = spec or _UNKNOWN
        self._step_us: Final = (step_s or 1.0) * 1e6

    def begin(self, columns: Columns) -> None:
        """Let streams know nothing but the validation scores."""
        columns.gap[:], columns.excess[:] = self._spec.gap, self._spec.excess
        columns.calm[:], columns.spaced[:], columns.crest[:] = JOINED_STEPS + 1, 0, 0.0

    def set_z(self, columns: Columns) -> None:
        """Set z of the streams that false alarms per day are asked for."""
        asked = columns.asked > 0
        if np.count_nonzero(asked):
            ratio = np.maximum(self._ratio(columns), 1.0)
            height = columns.excess * self._heights(ratio)
            columns.z[asked] = (self._spec.start + height)[asked]

    def keep_up(self, columns: Columns, score: Float64, threshold: Float64) -> None:
        """Learn from a score of each of B streams, before it enters the window.

        Args:
            columns: The streams; changed.
            score: `[B]`; NaN teaches nothing.
            threshold: As it stands, `[B]`.
        """
        counts = columns.asked > 0
        if not np.count_nonzero(counts):
            return
        counts &= ~np.isnan(score - threshold)
        columns.spaced += counts
        columns.calm += counts
        reach = threshold - columns.mean
        changes = score > columns.mean + reach * (self._spec.start / columns.z)
        changes |= (columns.calm > JOINED_STEPS) & (columns.crest > 0)
        changes &= counts
        rows = np.flatnonzero(changes)
        sigmas = (score[rows] - columns.mean[rows]) * columns.z[rows] / reach[rows]
        if len(rows) > _FEW:
            self._learn(columns, rows, sigmas)
            return
        for row, high in zip(rows.tolist(), sigmas.tolist(), strict=True):
            one = _Learning(columns, row)
            self._learn_one(one, high, float(columns.step_us[row]))
            one.put(columns, row)

    def _learn(self, columns: Columns, rows: Int, sigmas: Float64) -> None:
        """Take in highs, and the ends of clusters, of streams that all ask for false alarms."""
        gap, excess, crest = columns.gap[rows], columns.excess[rows], columns.crest[rows]
        z, step_us = columns.z[rows], columns.step_us[rows]
        per_gap = DAY_US / (columns.asked[rows] * np.where(step_us > 0, step_us, self._step_us))
        is_high, is_apart = sigmas > self._spec.start, columns.calm[rows] > JOINED_STEPS
        teaches = np.flatnonzero(is_apart & (crest > 0) & (crest < z))
        ratio = np.maximum(per_gap[teaches] / gap[teaches], _LEAST_RATIO)
        seen = self._excess(crest[teaches], ratio)
        excess[teaches] += _LEARNING * (seen - excess[teaches])
        crest[is_apart] = 0.0
        begins = is_high & is_apart
        gap[begins] += _LEARNING * (columns.spaced[rows[begins]] - gap[begins])
        # z moves before the cluster ends: what is an alarm now must not teach as none then
        crest[is_high] = np.maximum(crest, np.where(sigmas > z, np.inf, sigmas))[is_high]
        columns.gap[rows], columns.excess[rows], columns.crest[rows] = gap, excess, crest
        columns.spaced[rows[begins]] = columns.calm[rows[is_high]] = 0
        ratio = np.maximum(per_gap / gap, 1.0)
        columns.z[rows] = self._spec.start + excess * self._heights(ratio)

    def keep_up_one(
        self, one: Numbers[int, float], score: float, threshold: float, step_us: float
    ) -> None:
        """Do the same for one stream, whose usual step was so long at this score."""
        if not one.asked:
            return
        sigmas = (score - one.mean) * one.z / (threshold - one.mean)
        if sigmas != sigmas:  # noqa: PLR0124 - NaN; math.isnan costs twice as much
            return
        one.spaced += 1
        one.calm += 1
        if sigmas > self._spec.start or (one.crest and one.calm > JOINED_STEPS):
            self._learn_one(one, sigmas, step_us)

    def _learn_one(
        self, one: Numbers[int, float] | _Learning, sigmas: float, step_us: float
    ) -> None:
        """Take in a high, and the end of a cluster, of one stream."""
        if one.crest and one.calm > JOINED_STEPS:
            seen = self._excess(one.crest, max(self._ratio_one(one, step_us), _LEAST_RATIO))
            if one.crest < one.z:
                one.excess += _LEARNING * (seen - one.excess)
            one.crest = 0.0
        if sigmas > self._spec.start:
            if one.calm > JOINED_STEPS:
                one.gap += _LEARNING * (one.spaced - one.gap)
                one.spaced = 0
            one.crest, one.calm = max(one.crest, np.inf if sigmas > one.z else sigmas), 0
        ratio = max(self._ratio_one(one, step_us), 1.0)
        one.z = self._spec.start + one.excess * float(self._heights(ratio))

    def _ratio(self, columns: Columns) -> Float64:
        """Clusters a step over alarms a step that are asked for, `[B]`; infinite for none."""
        step_us = np.where(columns.step_us > 0, columns.step_us, self._step_us)
        with np.errstate(divide="ignore"):
            ratio: Float64 = DAY_US / (columns.gap * columns.asked * step_us)
        return ratio

    def _ratio_one(self, one: Numbers[int, float] | _Learning, step_us: float) -> float:
        return DAY_US / (one.gap * one.asked * (step_us or self._step_us))

    def _heights(self, ratio: Any) -> Any:
        """How far above the start, in mean excesses, one cluster in so many reaches.

        Of what is rarer than anything that was seen, a shape told from a few dozen clusters knows
        nothing: from there on the tail is taken as exponential, as steep as it is there.
        """
        shape, seen = self._spec.shape, max(self._spec.clusters, MIN_CLUSTERS)
        if isinstance(ratio, float):
            within, beyond = min(ratio, seen), log(max(ratio / seen, 1.0))
            return log(ratio) if shape == 0 else self._reach(within, beyond)
        within, beyond = np.minimum(ratio, seen), np.log(np.maximum(ratio / seen, 1.0))
        return np.log(ratio) if shape == 0 else self._reach(within, beyond)

    def _reach(self, within: Any, beyond: Any) -> Any:
        shape, seen = self._spec.shape, max(self._spec.clusters, MIN_CLUSTERS)
        return (1 - shape) * ((within**shape - 1) / shape + seen**shape * beyond)

    def _excess(self, crest: Any, ratio: Any) -> Any:
        """Give the excess of a crest that is no alarm, larger by what those that are would add.

        Of Y, generalised Pareto, below the height h E[Y] that one in `ratio` exceeds, the mean is
        E[Y] (1 - ratio^(shape - 1) - h / ratio) / (1 - 1 / ratio).
        """
        share = 1 - ratio ** (self._spec.shape - 1) - self._heights(ratio) / ratio
        return (crest - self._spec.start) * (1 - 1 / ratio) / share
