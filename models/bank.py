"""The bank: all streams that share one scorer, their state in arrays, one slot a stream."""

from itertools import islice
from typing import Final

import numpy as np
import torch

from models import cadence, order, registry, verdicts
from models.base import Prediction, State
from models.blocks import (
    NO_TIME,
    Anomaly,
    Bool,
    Float32,
    Int,
    ObservationBlock,
    Refusal,
    VerdictBlock,
)
from models.checkpoint import Checkpoint
from models.judging import Judge, taken_along
from models.numbers import Columns, Numbers
from models.options import StreamOptions
from models.recent import RecentBlock
from models.rounds import Rounds
from models.scaler import MinMaxScaler, Scaled
from models.senses import Senses
from models.slots import Slots
from models.spec import REFERENCE_STEPS

MIN_ACCEPTED: Final = 30
"""Fewer last observations than this tell nothing of what is usual."""
SETTLED: Final = 10
"""Observations after which a scorer has got over a jump."""
# numpy looks a member of an enum up anew in every operation; a plain number costs a tenth
_YES, _TAKEN = int(Anomaly.YES), int(Refusal.NONE)


class StreamBank(Slots):
    """Scores blocks of observations; the slabs have one owner at a time, who is the caller.

    Args:
        checkpoint: Weights, spec and what a stream needs to start.
        scaler: Bounds to scale with, one row for all or one a slot; None takes the checkpoint's.
        residual_scale: Sigmas of the residuals, `[1, K]` or `[C, K]`; None takes the checkpoint's.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        scaler: MinMaxScaler | None = None,
        residual_scale: Float32 | None = None,
    ) -> None:
        spec = checkpoint.spec
        self.scorer: Final = registry.build(spec, checkpoint.weights)
        self.n_features: Final = self.scorer.n_features
        self._senses = Senses(checkpoint, self.scorer, scaler, residual_scale)
        super().__init__(
            spec,
            self.scorer.state_layout,
            self._senses.after(checkpoint.reference_tail),
            checkpoint.validation_scores,
            self._senses.own_scales,
        )
        self._rounds = Rounds()
        self._judge = Judge(self._thresholds, self._tail, self._shifts, spec)

    def take_over(
        self, slots: Int, record: State, recent: RecentBlock, options: StreamOptions
    ) -> None:
        """Let streams of another checkpoint go on here, washed out on their last observations.

        Observations that came after those count as washout that is still to do.

        Raises:
            ValueError: If an option is out of its range.
        """
        self.follow(slots, recent, recent.held)
        self.prime(slots, options)
        missed = np.maximum(record["washout_left"], record["seen"] - recent.seen)
        self.adopt(slots, record | {"washout_left": missed}, options)

    def follow(self, slots: Int, recent: RecentBlock, fresh: Int) -> None:
        """Feed the newest observations of streams that are served elsewhere; nothing is judged.

        Args:
            slots: Where these streams are to go on.
            recent: What is held of them there.
            fresh: How many are new here, `[B]`; all that are held: the stream begins here.
        """
        self.grow(int(slots.max(initial=-1)) + 1)
        begins = slots[fresh == recent.held]
        self._wash_out(begins)
        self._recent.begin(begins)
        raw = recent.raw()
        for step in range(REFERENCE_STEPS - int(fresh.max(initial=0)), REFERENCE_STEPS):
            rows = np.flatnonzero(REFERENCE_STEPS - step <= fresh)
            chosen = slots[rows]
            columns, scaled = (
                self._record.columns(chosen),
                self._senses.scaled(chosen, raw[rows, step]),
            )
            self._feed(chosen, columns, scaled, self._memory.gather(chosen))
            self._record.put(chosen, columns)

    def accept(self, slots: Int) -> Bool:
        """Take what streams did last for their usual behaviour: threshold and scale follow it.

        Their last observations are run once more. Each residual's sigma becomes at least what it
        was in them, and the window holds the scores that makes. An episode under way is over.

        Returns:
            Whether enough observations are held for that, `[B]`; of the others nothing changes.
        """
        recent = self.recent(slots)
        are_enough = recent.held >= MIN_ACCEPTED
        if not are_enough.any():
            return are_enough
        slots, recent = slots[are_enough], recent.taken(np.flatnonzero(are_enough))
        raw = recent.raw()
        raw[np.arange(REFERENCE_STEPS) < REFERENCE_STEPS - recent.held[:, None]] = np.nan
        x = [self._senses.scaled(slots, raw[:, step]).x for step in range(REFERENCE_STEPS)]
        prediction, _ = self.scorer.run(self._memory.gather(slots), np.stack(x))
        for row, slot in enumerate(slots.tolist()):
            # from the newest back to the oldest is a jump, which the first residuals show
            begin = REFERENCE_STEPS - int(recent.held[row]) + SETTLED
            scores = self._senses.rescale(slot, prediction.residual[begin:, row])
            self.accept_scores(slot, scores.astype(np.float32))
        return are_enough

    def advance(self, block: ObservationBlock) -> VerdictBlock:
        """Take every row that can be taken, in order, and judge it.

        Raises:
            ValueError: If the width of the block is not the bank's.
        """
        if block.values.shape != (len(block), self.n_features):
            raise ValueError(f"values {block.values.shape}, expected [B, {self.n_features}]")
        if len(block) <= 1:
            return self._taken(block) if len(block) else VerdictBlock.blank(block)
        parts = self._rounds.parts(block.slots)
        if len(parts) == 1:
            return self._taken(block)
        found = [(rows, self._taken(block.taken(rows))) for rows in parts]
        return verdicts.merged(VerdictBlock.blank(block), found)

    def _taken(self, block: ObservationBlock) -> VerdictBlock:
        """Take rows of different streams, or rows of one stream."""
        if len(block) > 1 and block.slots[0] != block.slots[-1]:
            return self._across(block)
        scaled = self._senses.scaled(block.slots[:1], block.values)
        wholes = [True] * len(block) if scaled.is_usual else order.wholes(block.values)
        rows = list(zip(block.times.tolist(), block.seqs.tolist(), wholes, strict=True))
        parts, at, slot = list[tuple[Int, VerdictBlock]](), 0, int(block.slots[0])
        while at < len(block):
            one = self._record.one(slot)
            taken = taken_along(one, islice(rows, at, None), block.arrival)
            if len(taken) == len(block):
                return self._along(block, one, taken, scaled)
            # what is no plain row is looked at by itself
            places = np.arange(at, at + max(len(taken), 1))
            part = block.taken(places)
            found = self._along(part, one, taken) if taken else self._across(part)
            parts.append((places, found))
            at += len(places)
        return verdicts.merged(VerdictBlock.blank(block), parts)

    def _along(
        self,
        block: ObservationBlock,
        one: Numbers[int, float],
        taken: list[tuple[int, float]],
        known: Scaled | None = None,
    ) -> VerdictBlock:
        """Judge rows of one stream that are taken, the scorer running over all of them at once."""
        slots = block.slots[:1]
        scaled = known or self._senses.scaled(slots, block.values)
        run, memory = self.scorer.run(self._memory.gather(slots), scaled.x[:, None])
        prediction = Prediction(run.residual[:, 0], run.expected[:, 0], run.valid[:, 0])
        found = self._judge.along(block, one, taken, self._senses.score(slots, prediction))
        self._memory.scatter(slots, memory)
        self._recent.push_one(int(slots[0]), one, scaled.shares)
        self._record.put_one(int(slots[0]), one)
        return self._senses.explained(block, found, prediction)

    @torch.inference_mode()
    def _across(self, block: ObservationBlock) -> VerdictBlock:
        """Take rows of different streams."""
        columns = self._record.columns(block.slots)
        scaled = self._senses.scaled(block.slots, block.values)
        if order.is_plain(block, columns, is_whole=scaled.is_usual):
            return self._judged(block, columns, block.times, None, scaled)
        times, is_dated = order.date(block, columns), block.times != NO_TIME
        refusal = order.refusals(block, times, columns)
        rows = np.flatnonzero(refusal == _TAKEN)
        if len(rows) == len(block):
            return self._judged(block, columns, times, is_dated, scaled)
        refused = verdicts.refused(block, times, refusal)
        if not len(rows):
            return refused
        chosen = block.taken(rows)
        scaled = self._senses.scaled(chosen.slots, chosen.values)
        found = self._judged(chosen, columns.taken(rows), times[rows], is_dated[rows], scaled)
        return verdicts.merged(refused, [(rows, found)])

    def _judged(
        self,
        block: ObservationBlock,
        columns: Columns,
        times: Int,
        is_dated: Bool | None,
        scaled: Scaled,
    ) -> VerdictBlock:
        """Judge rows of different streams that are taken.

        Args:
            block: The rows.
            columns: Their streams as they stand; changed, and written back.
            times: Times of the rows, `[B]`.
            is_dated: Which of them came with the rows; None: all, and no value is missing.
            scaled: Their values.
        """
        slots, memory = block.slots, self._memory.gather(block.slots)
        since = cadence.intervals(columns, times, is_dated, block.arrival)
        gap = cadence.gaps(columns, since)
        if np.count_nonzero(gap):
            self._begin(columns, memory, gap)
        prediction = self._feed(slots, columns, scaled, memory)
        score = self._senses.score(slots, prediction)
        found = self._judge.across(block, columns, times, since, score)
        self._record.put(slots, columns)
        return self._senses.explained(block, found, prediction)

    def _begin(self, columns: Columns, memory: State, gap: Bool) -> None:
        """Let streams begin anew after a gap, `[B]`."""
        columns.washout_left[gap] = self.spec.washout
        columns.pushed[gap] = 0
        columns.begun[gap] = self._recent.new_run()
        for name, rows in memory.items():
            rows[gap] = self._washed_out[name]

    def _feed(self, slots: Int, columns: Columns, scaled: Scaled, memory: State) -> Prediction:
        """Let the scorer take one observation of each of these slots, `[B, F]`."""
        prediction, memory = self.scorer.step(memory, scaled.x)
        self._memory.scatter(slots, memory)
        self._recent.push(slots, columns, scaled.shares)
        return prediction
