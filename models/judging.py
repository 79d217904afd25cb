"""From scores to verdicts: phase, threshold, order, cadence and counts, of many streams or of one.

`across` judges one row of each of many streams with array operations; `along` judges many rows of
one stream, of which each depends on the one before, with plain numbers. They follow the same
rules, and `tests/property/test_bank.py` holds them against each other.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np

from models import cadence, order, verdicts
from models.blocks import (
    NO_TIME,
    Anomaly,
    Bool,
    Float32,
    Float64,
    Int,
    ObservationBlock,
    Phase,
    VerdictBlock,
)
from models.numbers import Columns, Numbers
from models.shift import Shifts
from models.spec import Spec
from models.tail import Tail
from models.threshold import RollingThreshold

_YES: Final = int(Anomaly.YES)
_WASHOUT, _WARMUP, _LIVE = int(Phase.WASHOUT), int(Phase.WARMUP), int(Phase.LIVE)


class Judge:
    """The rules of one bank.

    Args:
        thresholds: The windows of its streams.
        tail: Keeps z up where false alarms per day are asked for.
        shifts: Tells anomalies that last from levels that have changed.
        spec: For washout, and the weight of the newest score in the smoothed one.
    """

    def __init__(
        self, thresholds: RollingThreshold, tail: Tail, shifts: Shifts, spec: Spec
    ) -> None:
        self._thresholds: Final = thresholds
        self._tail: Final = tail
        self._shifts: Final = shifts
        self._washout: Final = spec.washout
        self._newest: Final = spec.scoring.smoothing or 0.0

    def across(
        self,
        block: ObservationBlock,
        columns: Columns,
        times: Int,
        since: cadence.Intervals,
        score: Float64,
    ) -> VerdictBlock:
        """Judge one row of each of B streams against thresholds as they stand, then let it enter.

        Args:
            block: The rows.
            columns: Their streams as they stand; changed.
            times: Times of the rows, `[B]`.
            since: How long ago the rows before them came.
            score: Scores, `[B]`, changed; NaN where there was nothing to compare with: no verdict,
                and none enters.
        """
        found = self._compared(block, columns, times, score)
        cadence.learn(columns, since)
        columns.last_time[:] = times
        np.maximum(columns.last_arrival, block.arrival, out=columns.last_arrival)
        np.maximum(columns.last_seq, block.seqs, out=columns.last_seq)
        columns.seen += 1
        if since.is_dated is not None:  # otherwise no value is missing
            columns.missing += np.isnan(block.values).sum(axis=1)
        columns.phase[:] = found.phase
        columns.score[:], columns.threshold[:] = found.score, found.threshold
        columns.anomalies += found.is_anomaly == _YES
        return found

    def _compared(
        self, block: ObservationBlock, columns: Columns, times: Int, score: Float64
    ) -> VerdictBlock:
        are_full = self._thresholds.are_full(columns)
        threshold = self._thresholds.thresholds(columns, are_full=are_full)
        washing = columns.washout_left > 0
        is_washing = np.count_nonzero(washing) > 0
        if is_washing:
            threshold[washing] = score[washing] = np.nan
        self._tail.keep_up(columns, score, threshold)
        since = self._shifts.follow(block.slots, columns, times, score, threshold)
        smoothed = self._smoothed(columns, score)
        found = verdicts.judged(block, times, score, smoothed, threshold, since)
        self._thresholds.enter(block.slots, columns, score, threshold, are_full=are_full)
        if is_washing or not are_full:
            self._tell_progress(found, columns, washing, np.isnan(threshold) & ~washing)
            columns.washout_left -= washing
        return found

    def _smoothed(self, columns: Columns, score: Float64) -> Float64 | None:
        """Average exponentially, beginning with the first score; NaN begins anew."""
        if not self._newest:
            return None
        smoothed = score - columns.smoothed
        smoothed *= self._newest
        smoothed += columns.smoothed
        begins = np.isnan(smoothed)
        if np.count_nonzero(begins):
            smoothed[begins] = score[begins]
        columns.smoothed[:] = smoothed
        return smoothed

    def _tell_progress(
        self, found: VerdictBlock, columns: Columns, washing: Bool, warming: Bool
    ) -> None:
        """Say how far streams have come that are not live."""
        found.phase[washing], found.phase[warming] = _WASHOUT, _WARMUP
        found.of[washing], found.of[warming] = self._washout, self._thresholds.min_scores
        found.done[washing] = self._washout - columns.washout_left[washing] + 1
        found.done[warming] = self._thresholds.counts(columns)[warming]

    def along(
        self,
        block: ObservationBlock,
        one: Numbers[int, float],
        taken: list[tuple[int, float]],
        score: Float64,
    ) -> VerdictBlock:
        """Judge rows of one stream one after the other; `taken_along` has taken them in.

        Args:
            block: The rows, `[T]`, all of one slot.
            one: Their stream; changed.
            taken: Times of the rows, and the usual step as it was known at each.
            score: Scores, `[T]`; NaN as in `across`.
        """
        slot, given = int(block.slots[0]), score.tolist()
        ring = self._thresholds.scores["ring"][slot]
        rows, phases, done = list[tuple[float, float, float, int]](), list[int](), list[int]()
        for number, (time, step_us) in zip(given, taken, strict=True):
            if one.washout_left:
                phases.append(_WASHOUT)
                done.append(self._washout - one.washout_left + 1)
                one.washout_left -= 1
                one.smoothed = np.nan
                rows.append((np.nan, np.nan, np.nan, NO_TIME))
                continue
            is_live = one.entered >= self._thresholds.min_scores
            phases.append(_LIVE if is_live else _WARMUP)
            rows.append(self._judged_one(slot, ring, one, (time, step_us), number))
            done.append(0 if is_live else min(one.entered, self._thresholds.window))
        one.phase, (one.score, _, one.threshold, _) = phases[-1], rows[-1]
        scores, smoothed, thresholds, since = zip(*rows, strict=True)
        found = verdicts.judged(
            block,
            np.array([time for time, _ in taken]),
            np.array(scores, np.float64),
            np.array(smoothed, np.float64) if self._newest else None,
            np.array(thresholds, np.float64),
            np.array(since, np.int64),
        )
        if phases[0] != _LIVE:
            self._tell_phases(found, phases, done)
        return found

    def _judged_one(
        self,
        slot: int,
        ring: Float32,
        one: Numbers[int, float],
        taken: tuple[int, float],
        score: float,
    ) -> tuple[float, float, float, int]:
        """Judge a score and let it enter; gives it, smoothed, threshold and since when shifted."""
        threshold = self._thresholds.threshold_one(one)
        time, step_us = taken
        self._tail.keep_up_one(one, score, threshold, step_us)
        since = self._shifts.follow_one(slot, one, time, score, threshold)
        if self._newest:
            smoothed = one.smoothed + self._newest * (score - one.smoothed)
            one.smoothed = score if smoothed != smoothed else smoothed  # noqa: PLR0124 - NaN
        self._thresholds.enter_one(ring, one, score, threshold)
        one.anomalies += score > threshold
        return score, one.smoothed, threshold, since

    def _tell_phases(self, found: VerdictBlock, phases: list[int], done: list[int]) -> None:
        of = {_WASHOUT: self._washout, _WARMUP: self._thresholds.min_scores, _LIVE: 0}
        found.phase[:], found.done[:], found.of[:] = phases, done, [of[phase] for phase in phases]


def taken_along(
    one: Numbers[int, float],
    rows: Iterable[tuple[int, int, bool]],
    arrival: int,
) -> list[tuple[int, float]]:
    """Move order, cadence and counts of a stream on by its rows, as far as these are plain.

    Args:
        one: The stream; changed.
        rows: Times as given, sequence numbers, and whether all values are there and in range.
        arrival: When the rows came.

    Returns:
        The times of the rows taken, and the usual step before each; the row behind them is to be
        refused, comes after a gap or has values missing.
    """
    taken = []
    for given, seq, is_whole in rows:
        is_dated = given != NO_TIME
        time = order.next_time(one, given, arrival)
        if (
            not is_whole
            or not order.is_next(one, time, seq)
            or cadence.is_gap(one, time, arrival, is_dated=is_dated)
        ):
            break
        taken.append((time, one.step_us))
        cadence.learn_one(one, time, arrival, is_dated=is_dated)
        one.last_time, one.seen = time, one.seen + 1
        one.last_arrival = max(one.last_arrival, arrival)
        one.last_seq = max(one.last_seq, seq)
    return taken
