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
    Float64,
    Int,
    ObservationBlock,
    Phase,
    VerdictBlock,
)
from models.record import Columns, Numbers
from models.threshold import RollingThreshold

_YES: Final = int(Anomaly.YES)
_WASHOUT, _WARMUP, _LIVE = int(Phase.WASHOUT), int(Phase.WARMUP), int(Phase.LIVE)


class Judge:
    """The rules of one bank.

    Args:
        thresholds: The windows of its streams.
        washout: Observations that washout takes.
    """

    def __init__(self, thresholds: RollingThreshold, washout: int) -> None:
        self._thresholds: Final = thresholds
        self._washout: Final = washout

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
        found = verdicts.judged(block, times, score, threshold)
        self._thresholds.enter(block.slots, columns, score, threshold, are_full=are_full)
        if is_washing or not are_full:
            self._tell_progress(found, columns, washing, np.isnan(threshold) & ~washing)
            columns.washout_left -= washing
        return found

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
        times: list[int],
        score: Float64,
    ) -> VerdictBlock:
        """Judge rows of one stream one after the other; `taken_along` has taken them in.

        Args:
            block: The rows, `[T]`, all of one slot.
            one: Their stream; changed.
            times: Times of the rows.
            score: Scores, `[T]`; NaN as in `across`.
        """
        ring = self._thresholds.scores["ring"][block.slots[0]]
        scores, thresholds, phases, done = score.tolist(), list[float](), list[int](), list[int]()
        for at, number in enumerate(scores):
            if one.washout_left:
                scores[at] = threshold = np.nan
                phases.append(_WASHOUT)
                done.append(self._washout - one.washout_left + 1)
                one.washout_left -= 1
            else:
                is_live = one.entered >= self._thresholds.min_scores
                threshold = self._thresholds.threshold_one(one)
                self._thresholds.enter_one(ring, one, number, threshold)
                one.anomalies += number > threshold
                phases.append(_LIVE if is_live else _WARMUP)
                done.append(0 if is_live else min(one.entered, self._thresholds.window))
            thresholds.append(threshold)
        one.phase, one.score, one.threshold = phases[-1], scores[-1], thresholds[-1]
        found = verdicts.judged(
            block, np.array(times), np.array(scores, np.float64), np.array(thresholds, np.float64)
        )
        if phases[0] != _LIVE:
            self._tell_phases(found, phases, done)
        return found

    def _tell_phases(self, found: VerdictBlock, phases: list[int], done: list[int]) -> None:
        of = {_WASHOUT: self._washout, _WARMUP: self._thresholds.min_scores, _LIVE: 0}
        found.phase[:], found.done[:], found.of[:] = phases, done, [of[phase] for phase in phases]


def taken_along(
    one: Numbers[int, float],
    rows: Iterable[tuple[int, int, bool]],
    arrival: int,
) -> list[int]:
    """Move order, cadence and counts of a stream on by its rows, as far as these are plain.

    Args:
        one: The stream; changed.
        rows: Times as given, sequence numbers, and whether all values are there and in range.
        arrival: When the rows came.

    Returns:
        The times of the rows taken; the row behind them is to be refused, comes after a gap or
        has values missing.
    """
    times = []
    for given, seq, is_whole in rows:
        is_dated = given != NO_TIME
        time = order.next_time(one, given, arrival)
        if (
            not is_whole
            or not order.is_next(one, time, seq)
            or cadence.is_gap(one, time, arrival, is_dated=is_dated)
        ):
            break
        cadence.learn_one(one, time, arrival, is_dated=is_dated)
        one.last_time, one.seen = time, one.seen + 1
        one.last_arrival = max(one.last_arrival, arrival)
        one.last_seq = max(one.last_seq, seq)
        times.append(time)
    return times
