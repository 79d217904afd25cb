"""The last observations of many streams, kept so that another scorer can wash out on them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Float32, Float64, Int
from models.scaler import MinMaxScaler
from models.slab import Slab
from models.spec import REFERENCE_STEPS

_LARGEST: Final = float(np.finfo(np.float32).max)


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


class Recent(Slab):
    """Rings of the last 60 observations.

    Values are kept as float32 shares of the training range: raw ones would lose a counter's small
    steps, and clipped ones what another scaler could still tell apart.

    Args:
        scaler: Gives the range, one row for all slots.
    """

    def __init__(self, scaler: MinMaxScaler) -> None:
        self._scaler: Final = scaler
        count = np.dtype(np.int64)
        ring = ((REFERENCE_STEPS, scaler.minimum.shape[1]), np.dtype(np.float32))
        super().__init__({"ring": ring, "pushed": ((), count), "begun": ((), count)})
        self._runs = 0

    def begin(self, slots: Int) -> None:
        """Forget what came so far: it does not go on."""
        self.clear(slots)
        self._runs += 1
        self["begun"][slots] = self._runs

    def push(self, slots: Int, shares: Float64) -> None:
        """Keep one observation of each of these slots, `[B, F]`."""
        pushed = self["pushed"][slots]
        kept = np.clip(shares, -_LARGEST, _LARGEST)
        self["ring"][slots, pushed % REFERENCE_STEPS] = kept
        self["pushed"][slots] = pushed + 1

    def block(self, slots: Int, seen: Int) -> RecentBlock:
        """Copy what is held of these slots, whose streams have had so many observations."""
        pushed = self["pushed"][slots]
        place = (pushed[:, None] + np.arange(REFERENCE_STEPS)) % REFERENCE_STEPS
        bounds = (len(slots), self._scaler.minimum.shape[1])
        return RecentBlock(
            shares=self["ring"][slots[:, None], place],
            held=np.minimum(pushed, REFERENCE_STEPS),
            minimum=np.broadcast_to(self._scaler.minimum, bounds),
            span=np.broadcast_to(self._scaler.span, bounds),
            begun=self["begun"][slots],
            pushed=pushed,
            seen=seen,
        )

    def put(self, slots: Int, block: RecentBlock) -> None:
        """Take over what was held elsewhere under the same range."""
        self.begin(slots)
        # as if pushed from an empty ring: the oldest stands first
        place = (np.arange(REFERENCE_STEPS) - block.held[:, None]) % REFERENCE_STEPS
        self["ring"][slots] = block.shares[np.arange(len(block))[:, None], place]
        self["pushed"][slots] = block.held
