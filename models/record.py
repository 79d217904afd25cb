"""Every number that a bank keeps of a stream beside the long rows: one short row a stream.

A step reads and writes nearly all of them. As an array each, gathering and scattering thirty
arrays costs more than the step itself; in one row they come and go together, a few cache lines.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from models.base import Array, State, StateLayout
from models.blocks import NO_SEQ, NO_TIME, Float64, Int, Phase
from models.numbers import COUNTS, MEASURES, OWN, Columns, Numbers
from models.slab import put


class Record:
    """A slab of `Numbers`, 8 bytes each; a column that `[]` gives may be changed in place."""

    def __init__(self) -> None:
        self.capacity = 0
        self._table = np.zeros((0, len(COUNTS) + len(MEASURES)), np.int64)

    @property
    def layout(self) -> StateLayout:
        """Give names, shapes and dtypes."""
        kinds = dict.fromkeys(COUNTS, np.dtype(np.int64)) | dict.fromkeys(
            MEASURES, np.dtype(np.float64)
        )
        return {name: ((), kind) for name, kind in kinds.items()}

    def __getitem__(self, name: str) -> Array:
        """Look at a whole column; it is replaced when the slab grows, so do not keep it."""
        if name in COUNTS:
            return self._table[:, COUNTS.index(name)]
        column: Array = self._measures[:, MEASURES.index(name)]
        return column

    @property
    def _measures(self) -> Float64:
        return self._table[:, len(COUNTS) :].view(np.float64)

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` rows, doubling so that growth stays cheap."""
        if capacity <= self.capacity:
            return
        capacity, old = max(capacity, 2 * self.capacity), self._table
        grown = np.zeros((capacity, old.shape[1]), np.int64)
        grown[: len(old)] = old
        self._table, self.capacity = grown, capacity

    def columns(self, slots: Int) -> Columns:
        """Copy the numbers of streams out."""
        return Columns(np.ascontiguousarray(self._table.take(slots, 0).T))

    def put(self, slots: Int, columns: Columns) -> None:
        """Write them back; a slot must not stand twice."""
        put(self._table, slots, columns.table.T)

    def one(self, slot: int) -> Numbers[int, float]:
        """Copy the numbers of one stream out."""
        row, split = self._table[slot], len(COUNTS)
        return Numbers(row[:split].tolist(), row[split:].view(np.float64).tolist())

    def put_one(self, slot: int, numbers: Numbers[int, float]) -> None:
        """Write them back."""
        row, split, one = self._table[slot], len(COUNTS), numbers
        row[:split] = (
            one.last_time, one.last_arrival, one.last_seq, one.seen, one.missing, one.anomalies,
            one.washout_left, one.phase, one.entered, one.policy, one.pushed, one.begun,
            one.calm, one.spaced, one.lasted, one.over, one.since,
            one.rescaled,
        )  # fmt: skip
        row[split:].view(np.float64)[:] = (
            one.step_us, one.pace_us, one.score, one.threshold, one.mean, one.m2, one.peak, one.z,
            one.floor, one.asked, one.smoothed, one.gap, one.excess, one.crest, one.old,
        )  # fmt: skip

    def gather(self, slots: Int, names: Iterable[str] = (*COUNTS, *MEASURES)) -> State:
        """Copy columns of rows out."""
        return {name: self[name][slots] for name in names}

    def scatter(self, slots: Int, rows: State) -> None:
        """Write columns of rows back; a slot must not stand twice."""
        for name, values in rows.items():
            self[name][slots] = values

    def clear(self, slots: Int) -> None:
        """Zero rows."""
        self._table[slots] = 0

    def start(self, slots: Int, *, washout: int) -> None:
        """Begin streams that have seen nothing; their window, rule and run stay."""
        new: dict[str, Any] = dict.fromkeys(OWN, 0)
        new |= {"last_time": NO_TIME, "last_arrival": NO_TIME, "last_seq": NO_SEQ}
        new |= {"score": np.nan, "threshold": np.nan, "washout_left": washout}
        for name, value in new.items():
            self[name][slots] = value

    def set_phase(self, slots: Int, min_scores: int) -> None:
        """Say of streams that were not judged yet how far they have come."""
        is_live = self["entered"][slots] >= min_scores
        scored = np.where(is_live, int(Phase.LIVE), int(Phase.WARMUP))
        washing = self["washout_left"][slots] > 0
        self["phase"][slots] = np.where(washing, int(Phase.WASHOUT), scored)
