"""What a bank keeps of each stream beside the numbers: order, cadence, phase, counts."""

from typing import Final

import numpy as np

from models.base import StateLayout
from models.blocks import (
    NO_SEQ,
    NO_TIME,
    Anomaly,
    Bool,
    Float64,
    Int,
    ObservationBlock,
    Refusal,
    VerdictBlock,
    unfit,
)
from models.slab import Slab

GAP_STEPS: Final = 10
"""More than so many usual steps without an observation are a gap."""
MIN_ARRIVAL_GAP_US: Final = 5e6
"""Arrivals jitter with the network: a pause below five seconds is neither a gap nor silence."""
MIN_SEEN: Final = 10
"""Observations before a stream's usual step is believed."""
_LARGEST_RATIO: Final = 2.0
_LEARNING: Final = 0.2
_YES: Final = int(Anomaly.YES)

_LAYOUT: Final[StateLayout] = {
    "last_time": ((), np.dtype(np.int64)),
    "last_seq": ((), np.dtype(np.int64)),
    "last_arrival": ((), np.dtype(np.int64)),
    "step_us": ((), np.dtype(np.float64)),
    "pace_us": ((), np.dtype(np.float64)),
    "seen": ((), np.dtype(np.int64)),
    "missing": ((), np.dtype(np.int64)),
    "anomalies": ((), np.dtype(np.int64)),
    "washout_left": ((), np.dtype(np.int32)),
    "phase": ((), np.dtype(np.int8)),
    "score": ((), np.dtype(np.float64)),
    "threshold": ((), np.dtype(np.float64)),
}


class Record(Slab):
    """Order and cadence of many streams.

    Two usual intervals are learned of each stream: `step_us` between the times of its
    observations, where they have times of their own, and `pace_us` between their arrivals. A
    gateway that sends a hundred rows at once has a short step and a long pace.
    """

    def __init__(self) -> None:
        super().__init__(_LAYOUT)

    def start(self, slots: Int, *, washout: int) -> None:
        """Begin streams that have seen nothing."""
        self.clear(slots)
        self["last_time"][slots] = NO_TIME
        self["last_arrival"][slots] = NO_TIME
        self["last_seq"][slots] = NO_SEQ
        self["score"][slots] = np.nan
        self["threshold"][slots] = np.nan
        self["washout_left"][slots] = washout

    def date(self, block: ObservationBlock, rows: Int, times: Int) -> None:
        """Give rows that came without a time one: that of arrival, or just after the last."""
        undated = rows[times[rows] == NO_TIME]
        if len(undated):
            last = self["last_time"][block.slots[undated]]
            times[undated] = np.maximum(block.arrival, last + 1)

    def refusals(self, block: ObservationBlock, rows: Int, times: Int) -> Int:
        """Find why rows can't be taken, `Refusal` codes `[B]`."""
        slots, seqs, at = block.slots[rows], block.seqs[rows], times[rows]
        last_time, last_seq = self["last_time"][slots], self["last_seq"][slots]
        numbered = seqs != NO_SEQ
        refusal = unfit(block.values[rows], at)
        is_after = (at > last_time) & (~numbered | (seqs > last_seq))
        if is_after.all():  # as nearly always
            return refusal
        fits = refusal == Refusal.NONE
        is_before = (at < last_time) | (numbered & (seqs < last_seq))
        is_again = (at == last_time) | (numbered & (seqs == last_seq))
        refusal[fits & is_again] = Refusal.DUPLICATE
        refusal[fits & is_before] = Refusal.OUT_OF_ORDER
        return refusal

    def gaps(self, block: ObservationBlock, rows: Int, times: Int) -> Bool:
        """Find rows that come after a gap, `[B]`."""
        slots = block.slots[rows]
        is_dated = block.times[rows] != NO_TIME
        waited = np.where(
            is_dated,
            _elapsed(times[rows], self["last_time"][slots]),
            _elapsed(np.int64(block.arrival), self["last_arrival"][slots]),
        )
        usual = np.where(is_dated, self["step_us"][slots], self["pace_us"][slots])
        known = (self["seen"][slots] >= MIN_SEEN) & (usual > 0)
        least = np.where(is_dated, 0.0, MIN_ARRIVAL_GAP_US)
        gap: Bool = known & (waited > np.maximum(GAP_STEPS * usual, least))
        return gap

    def remember(self, block: ObservationBlock, rows: Int, verdicts: VerdictBlock) -> None:
        """Take note of rows that were judged."""
        slots = block.slots[rows]
        times, is_dated = verdicts.times[rows], block.times[rows] != NO_TIME
        stepped = np.where(is_dated, _elapsed(times, self["last_time"][slots]), 0.0)
        paced = _elapsed(np.int64(block.arrival), self["last_arrival"][slots])
        self["step_us"][slots] = _learned(self["step_us"][slots], stepped)
        self["pace_us"][slots] = _learned(self["pace_us"][slots], paced)
        self["last_time"][slots] = times
        self["last_arrival"][slots] = np.maximum(self["last_arrival"][slots], block.arrival)
        self["last_seq"][slots] = np.maximum(self["last_seq"][slots], verdicts.seqs[rows])
        self["seen"][slots] += 1
        is_missing, is_anomaly = np.isnan(block.values[rows]), verdicts.is_anomaly[rows]
        if is_missing.any():
            self["missing"][slots] += is_missing.sum(axis=1)
        if (is_anomaly == _YES).any():
            self["anomalies"][slots] += is_anomaly == _YES
        for name in ("phase", "score", "threshold"):
            self[name][slots] = getattr(verdicts, name)[rows]


def silent(record: dict[str, np.ndarray], now: int) -> Bool:
    """Find streams that have sent nothing for ten usual steps, `[B]`.

    Args:
        record: Columns of the record, as `StreamBank.inspect` gives them.
        now: Microseconds UTC.
    """
    usual = np.maximum(record["step_us"], record["pace_us"])
    waited = _elapsed(np.int64(now), record["last_arrival"])
    longest = np.maximum(GAP_STEPS * usual, MIN_ARRIVAL_GAP_US)
    is_silent: Bool = (record["seen"] >= MIN_SEEN) & (usual > 0) & (waited > longest)
    return is_silent


def _elapsed(until: Int | np.int64, since: Int) -> Float64:
    """Microseconds between, as floats; 0 where there is no since."""
    return np.where(since == NO_TIME, 0.0, until.astype(np.float64) - since)


def _learned(usual: Float64, interval: Float64) -> Float64:
    """Move the usual interval towards one that was seen; one outlier moves it little.

    The logarithm is averaged exponentially with each ratio held within 1/2 to 2, so a gap a
    thousand steps long moves the usual step by 15 %. An interval of 0 says nothing.
    """
    if (interval == usual).all():  # a steady stream, or one that has no such interval
        return usual
    known, says = usual > 0, interval > 0
    ratio = np.where(known & says, interval / np.where(known, usual, 1.0), 1.0)
    held = np.clip(ratio, 1 / _LARGEST_RATIO, _LARGEST_RATIO) ** _LEARNING
    return np.where(known, usual * held, np.where(says, interval, 0.0))
