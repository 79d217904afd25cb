"""What a bank keeps of its streams: slabs in which they start, are looked at, leave, return."""

from typing import Final

import numpy as np

from models.base import State, StateLayout
from models.blocks import Float32, Int
from models.numbers import EPISODE, OWN, TAIL, WINDOW
from models.options import StreamOptions
from models.rare import Rare
from models.recent import Recent, RecentBlock
from models.record import Record
from models.scaler import MinMaxScaler
from models.shift import Shifts, shifted_since
from models.slab import Arrays, Slab
from models.snapshot_block import SnapshotBlock
from models.spec import REFERENCE_STEPS, Spec
from models.tail import Tail
from models.threshold import EXCLUDE, RollingThreshold


class Slots:
    """The slabs of one bank; they have one owner at a time, who is the caller.

    Args:
        spec: Of the checkpoint.
        memory: What the scorer keeps of a stream.
        washed_out: The memory that the reference tail leaves, one row.
        validation_scores: What windows are primed with, `[N]`.
        scales: Sigmas of the residuals of slots that have their own; emptied and filled here too.
    """

    def __init__(
        self,
        spec: Spec,
        memory: StateLayout,
        washed_out: State,
        validation_scores: Float32,
        scales: Rare[Float32],
    ) -> None:
        self.spec: Final = spec
        self._washed_out = {name: row[0] for name, row in washed_out.items()}
        self._validation_scores = validation_scores
        self._memory = Arrays(memory)
        self._record = Record()
        limits = (spec.threshold.window, spec.threshold.min_scores)
        self._thresholds = RollingThreshold(*limits, self._record)
        self._tail = Tail(spec.threshold.tail, spec.step_s)
        self._scales = scales
        self._shifts = Shifts(self._thresholds.scores, self._thresholds.window, EXCLUDE)
        self._recent = Recent(MinMaxScaler.from_spec(spec.scaler), self._record)

    @property
    def slabs(self) -> dict[str, Slab]:
        """Everything that is kept, by name."""
        return {
            "memory": self._memory,
            "record": self._record,
            "scores": self._thresholds.scores,
            "recent": self._recent,
        }

    def start(self, slots: Int, options: StreamOptions) -> None:
        """Begin streams in these slots; nothing of what the slots held before is left.

        Raises:
            ValueError: If an option is out of its range.
        """
        self.grow(int(slots.max(initial=-1)) + 1)
        self._set_rules(slots, options)
        self.prime(slots, options)
        washout = 0 if options.start == "reference" else self.spec.washout
        self._record.start(slots, washout=washout)
        self._set_level(slots)
        self._record.set_phase(slots, self._thresholds.min_scores)
        self._recent.begin(slots)
        self._wash_out(slots)

    def configure(self, slots: Int, options: StreamOptions) -> None:
        """Set level, sigma floor and policy of streams that are there; nothing else changes.

        Raises:
            ValueError: If an option is out of its range.
        """
        self._set_rules(slots, options)
        self._set_level(slots)

    def _set_rules(self, slots: Int, options: StreamOptions) -> None:
        default = self.spec.threshold
        asked = options.false_alarms_per_day
        if asked is None and options.z is None:
            asked = default.false_alarms_per_day
        if asked is not None and not 0 < asked < np.inf:
            raise ValueError(f"false_alarms_per_day {asked} must be above 0")
        self._thresholds.configure(
            slots,
            z=default.z if options.z is None else options.z,
            sigma_floor=default.sigma_floor if options.sigma_floor is None else options.sigma_floor,
            policy=options.policy or default.policy,
        )
        self._record["asked"][slots] = asked or 0.0

    def inspect(self, slots: Int) -> State:
        """Copy what is known of streams: the record, the window's count, mean and sigma, the level.

        `asked` is false alarms per day, 0 where z is set; `shifted_since` is `NO_TIME` where the
        level is not another.
        """
        columns = self._record.columns(slots)
        mean, sigma = self._thresholds.statistics(columns)
        window = {"scores_held": self._thresholds.counts(columns), "mean": mean, "sigma": sigma}
        level = {name: getattr(columns, name) for name in ("z", "asked", "smoothed")}
        level["shifted_since"] = shifted_since(columns)
        return {name: getattr(columns, name) for name in OWN} | window | level

    def snapshot(self, slots: Int) -> SnapshotBlock:
        """Copy all of streams that are there, to go on elsewhere."""
        return SnapshotBlock(
            record=self.record(slots),
            memory=self._memory.gather(slots),
            window=self._record.gather(slots, WINDOW) | self._thresholds.scores.gather(slots),
            held=self._shifts.held.rows(slots),
            scales=self._scales.rows(slots),
            recent=self.recent(slots),
        )

    def restore(self, slots: Int, block: SnapshotBlock, options: StreamOptions) -> None:
        """Let streams of the same checkpoint and window go on in these slots.

        Raises:
            ValueError: If an option is out of its range, or the block is of another checkpoint.
        """
        self.grow(int(slots.max(initial=-1)) + 1)
        self._record.scatter(slots, block.record)
        self._memory.scatter(slots, block.memory)
        window = dict(block.window)
        self._thresholds.scores.scatter(slots, {"ring": window.pop("ring")})
        self._record.scatter(slots, window)
        self._shifts.held.forget(slots)
        self._shifts.held.put(slots, block.held)
        self._scales.forget(slots)
        self._scales.put(slots, block.scales)
        self.configure(slots, options)
        # found anew it would be another: the usual step may have changed since
        kept = (block.window["asked"] > 0) & (self._record["asked"][slots] == block.window["asked"])
        self._record["z"][slots[kept]] = block.window["z"][kept]
        self._recent.put(slots, block.recent)
        # stored less often than the rest: what came between is not held, so a new run begins
        self._recent.begin(slots[block.recent.seen != block.record["seen"]])

    def adopt(self, slots: Int, record: State, options: StreamOptions) -> None:
        """Take over order, cadence and counts, and a washout that is under way.

        Memory, window and last observations are here already.

        Raises:
            ValueError: If an option is out of its range.
        """
        self._record.scatter(slots, record)
        self.configure(slots, options)
        washout = self.spec.washout
        held = np.minimum(self._record["pushed"][slots], REFERENCE_STEPS)
        # memory knows what is held; where that is less than it could be, washout goes on
        lacking = np.maximum(np.minimum(record["seen"], washout) - held, 0)
        left = np.minimum(np.maximum(record["washout_left"], lacking), washout)
        self._record["washout_left"][slots] = left
        self._record.set_phase(slots, self._thresholds.min_scores)

    def record(self, slots: Int) -> State:
        """Copy order, cadence, phase and counts."""
        return self._record.gather(slots, OWN)

    def recent(self, slots: Int) -> RecentBlock:
        """Copy the last observations."""
        return self._recent.block(slots, self._record["seen"][slots])

    def runs(self, slots: Int) -> tuple[Int, Int]:
        """Tell the run each stream's last observations belong to, and how many it has, `[B]`."""
        return self._record["begun"][slots], self._record["pushed"][slots]

    def clear(self, slots: Int) -> None:
        """Zero slots that nobody uses any more."""
        self._shifts.held.forget(slots)
        self._scales.forget(slots)
        for slab in self.slabs.values():
            slab.clear(slots)

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` slots."""
        for slab in self.slabs.values():
            slab.grow(capacity)

    def prime(self, slots: Int, options: StreamOptions) -> None:
        """Empty the windows, or fill them with the validation scores; no episode is under way."""
        self._thresholds.clear(slots)
        if options.prime:
            self._thresholds.prime(slots, self._validation_scores)
        self._scales.forget(slots)
        self._record["rescaled"][slots] = 0
        self._begin_scores(slots)

    def accept_scores(self, slot: int, scores: Float32) -> None:
        """Let a stream's window hold nothing but these scores, `[N]`, repeated until it judges."""
        slots = np.array([slot])
        self._thresholds.clear(slots)
        enough = max(len(scores), self._thresholds.min_scores)
        self._thresholds.prime(slots, np.resize(scores, enough))
        self._begin_scores(slots)
        self._record["rescaled"][slot] = 1
        for name in ("score", "threshold"):  # of before
            self._record[name][slot] = np.nan
        self._set_level(slots)
        self._record.set_phase(slots, self._thresholds.min_scores)

    def _begin_scores(self, slots: Int) -> None:
        """Forget what earlier scores have led to beside the window."""
        self._shifts.held.forget(slots)
        for name in EPISODE:
            self._record[name][slots] = 0
        self._record["smoothed"][slots] = np.nan
        first = self._record.columns(slots[:1])
        self._tail.begin(first)
        for name in TAIL:  # alike for all
            self._record[name][slots] = getattr(first, name)

    def _set_level(self, slots: Int) -> None:
        """Find z where it is not set but asked for in false alarms per day."""
        columns = self._record.columns(slots)
        self._tail.set_z(columns)
        self._record["z"][slots] = columns.z

    def _wash_out(self, slots: Int) -> None:
        """Give streams the hidden state that the reference tail leaves."""
        self._memory.scatter(slots, self._washed_out)
