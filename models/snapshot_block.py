"""All that streams need to go on elsewhere, as columns."""

from dataclasses import dataclass

from models.base import State
from models.blocks import Float32
from models.recent import RecentBlock
from models.shift import Held


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotBlock:
    """All that streams need to go on elsewhere, by column, B rows.

    Attributes:
        record: Order, cadence, phase and counts; the same for every checkpoint.
        memory: What the scorer keeps.
        window: The threshold window with its statistics.
        held: Windows as they were before an episode that is under way, by row.
        scales: Sigmas of the residuals of those that have their own, `[K]`, by row.
        recent: The last observations, for another checkpoint.
    """

    record: State
    memory: State
    window: State
    held: dict[int, Held]
    scales: dict[int, Float32]
    recent: RecentBlock

    def __len__(self) -> int:
        """Count the streams."""
        return len(self.recent)
