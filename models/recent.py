"""The last observations of many streams, kept so that another scorer can wash out on them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Float32, Float64, Int
from models.numbers import Columns, Numbers
from models.record import Record
from models.scaler import MinMaxScaler
from models.slab import Arrays, put
from models.spec import REFERENCE_STEPS


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentBlock:
    """The last observations of B streams without a gap between them, the newest last.

    Attributes:
        shares: Values as shares of the range that `minimum` and `span` give, not clipped,
            `[B, 60, F]`; NaN where missing, and nothing meant before the last `held`.
        held: How many there are of each, 0 to 60, `[B]`.
        minimum: Lower bounds, raw units, `[B, F]`.
        span: Upper minus lower bounds, raw units, `[B, F]`.
        begun: Number of the run of observations each belongs to, `[B]`; a gap begins another.
        pushed: Observations of that run so far, `[B]`.
        seen: Observations of the stream when these were the last, `[B]`.
    """

    shares: Float32
    held: Int
    minimum: Float64
    span: Float64
    begun: Int
    pushed: Int
    seen: Int

    def __len__(self) -> int:
        """Count the streams."""
        return len(self.held)

    def raw(self) -> Float64:
        """Bring the values back to raw units, `[B, 60, F]`."""
        return self.shares * self.span[:, None] + self.minimum[:, None]

    def taken(self, rows: Int) -> "RecentBlock":
        """Copy some streams, in the order named."""
        return RecentBlock(
            shares=self.shares[rows],
            held=self.held[rows],
            minimum=self.minimum[rows],
            span=self.span[rows],
            begun=self.begun[rows],
            pushed=self.pushed[rows],
            seen=self.seen[rows],
        )

    def fresh(self, begun: Int, pushed: Int) -> Int:
        """Count the newest of each that were not seen when run and number were these, `[B]`.

        Those of another run, or too many to be all held, count whole: `held`.
        """
        fresh = self.pushed - pushed
        return np.where((self.begun == begun) & (fresh <= self.held), fresh, self.held)


class Recent(Arrays):
    """Rings of the last 60 observations; how many were pushed, and when it began, is in the record.

    Values are kept as float32 shares of the training range: raw ones would lose a counter's small
    steps, and clipped ones what another scaler could still tell apart.

    Args:
        scaler: Gives the range, one row for all slots.
        record: Where `pushed` and `begun` of each slot stand.
    """

    def __init__(self, scaler: MinMaxScaler, record: Record) -> None:
        self._scaler: Final = scaler
        self._record: Final = record
        self._n_features: Final = scaler.minimum.shape[1]
        super().__init__({"ring": ((REFERENCE_STEPS, self._n_features), np.dtype(np.float32))})
        self._runs = 0

    def new_run(self) -> int:
        """Number a run of observations that begins now."""
        self._runs += 1
        return self._runs

    def begin(self, slots: Int) -> None:
        """Forget what came so far: it does not go on."""
        self.clear(slots)
        self._record["pushed"][slots] = 0
        self._record["begun"][slots] = self.new_run()

    def push(self, slots: Int, columns: Columns, shares: Float32) -> None:
        """Keep one observation of each of these slots, `[B, F]`."""
        place = slots * REFERENCE_STEPS + columns.pushed % REFERENCE_STEPS
        put(self["ring"].reshape(-1, self._n_features), place, shares)
        columns.pushed += 1

    def push_one(self, slot: int, one: Numbers[int, float], shares: Float32) -> None:
        """Keep observations of one slot, `[T, F]`, the newest last."""
        kept = shares[-REFERENCE_STEPS:]
        one.pushed += len(shares)
        if len(kept) == 1:
            self["ring"][slot, (one.pushed - 1) % REFERENCE_STEPS] = kept[0]
        else:
            place = np.arange(one.pushed - len(kept), one.pushed) % REFERENCE_STEPS
            self["ring"][slot, place] = kept

    def block(self, slots: Int, seen: Int) -> RecentBlock:
        """Copy what is held of these slots, whose streams have had so many observations."""
        pushed = self._record["pushed"][slots]
        place = (pushed[:, None] + np.arange(REFERENCE_STEPS)) % REFERENCE_STEPS
        bounds = (len(slots), self._n_features)
        return RecentBlock(
            shares=self["ring"][slots[:, None], place],
            held=np.minimum(pushed, REFERENCE_STEPS),
            minimum=np.broadcast_to(self._scaler.minimum, bounds),
            span=np.broadcast_to(self._scaler.span, bounds),
            begun=self._record["begun"][slots],
            pushed=pushed,
            seen=seen,
        )

    def put(self, slots: Int, block: RecentBlock) -> None:
        """Take over what was held elsewhere under the same range."""
        self.begin(slots)
        # as if pushed from an empty ring: the oldest stands first
        place = (np.arange(REFERENCE_STEPS) - block.held[:, None]) % REFERENCE_STEPS
        self["ring"][slots] = block.shares[np.arange(len(block))[:, None], place]
        self._record["pushed"][slots] = block.held
