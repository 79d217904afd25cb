"""The bank: all streams that share one scorer, their state in arrays, one slot a stream."""

from dataclasses import replace
from typing import Final

import numpy as np

from models import registry
from models.base import Prediction, State
from models.blocks import (
    Anomaly,
    Explanations,
    Float32,
    Float64,
    Int,
    ObservationBlock,
    Phase,
    Refusal,
    VerdictBlock,
    rounds,
)
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from models.recent import RecentBlock
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.slots import Slots
from models.spec import REFERENCE_STEPS

# numpy looks a member of an enum up anew in every operation; a plain number costs a tenth
_YES, _NO, _UNKNOWN = int(Anomaly.YES), int(Anomaly.NO), int(Anomaly.UNKNOWN)
_WASHOUT, _WARMUP, _LIVE = int(Phase.WASHOUT), int(Phase.WARMUP), int(Phase.LIVE)
_TAKEN = int(Refusal.NONE)


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
        # the checkpoint's range, whatever range each slot is scaled with
        self._range = MinMaxScaler.from_spec(spec.scaler)
        self._scaler = scaler or self._range
        self._residual_scale = (
            checkpoint.residual_scale[None] if residual_scale is None else residual_scale
        )
        self._scoring = scoring(spec.scoring.rule)
        super().__init__(
            spec,
            self.scorer.state_layout,
            self._after(checkpoint.reference_tail),
            checkpoint.validation_scores,
        )

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
            self._feed(slots[rows], raw[rows, step])

    def advance(self, block: ObservationBlock) -> VerdictBlock:
        """Take every row that can be taken, in order, and judge it.

        Raises:
            ValueError: If the width of the block is not the bank's.
        """
        if block.values.shape != (len(block), self.n_features):
            raise ValueError(f"values {block.values.shape}, expected [B, {self.n_features}]")
        verdicts = VerdictBlock.blank(block)
        parts = [self._advance_round(block, rows, verdicts) for rows in rounds(block.slots)]
        return replace(verdicts, explanations=Explanations.joined(parts, self.n_features))

    def _advance_round(
        self, block: ObservationBlock, rows: Int, verdicts: VerdictBlock
    ) -> Explanations:
        """Advance rows of different streams; everything of one stream's step happens here."""
        self._record.date(block, rows, verdicts.times)
        refusal = self._record.refusals(block, rows, verdicts.times)
        verdicts.refusal[rows] = refusal
        if refusal.any():
            rows = rows[refusal == _TAKEN]
        slots, values = block.slots[rows], block.values[rows]
        gaps = self._record.gaps(block, rows, verdicts.times)
        if gaps.any():
            self._wash_out(slots[gaps])
            self._recent.begin(slots[gaps])
            self._record["washout_left"][slots[gaps]] = self.spec.washout
        prediction = self._feed(slots, values)
        score = self._scoring.score(prediction.residual, self._scale_of(slots))
        self._judge(rows, verdicts, np.where(prediction.valid, score, np.nan))
        self._record.remember(block, rows, verdicts)

        explained = (verdicts.is_anomaly[rows] == _YES) | (
            block.explain[rows] & ~np.isnan(verdicts.score[rows])
        )
        return self._explain(rows, values, prediction, slots, np.flatnonzero(explained))

    def _explain(
        self, rows: Int, values: Float64, prediction: Prediction, slots: Int, chosen: Int
    ) -> Explanations:
        """Say why, for the few rows that are chosen: for all it would cost as much as a step."""
        if not len(chosen):
            return Explanations.joined([], self.n_features)
        chosen_slots = slots[chosen]
        scaler, scale = self._scaler.of(chosen_slots), self._scale_of(chosen_slots)
        return Explanations(
            rows=rows[chosen],
            actual=values[chosen],
            expected=scaler.unscale(prediction.expected[chosen]),
            share=self._scoring.contributions(prediction.residual[chosen], scale),
        )

    def _feed(self, slots: Int, values: Float64) -> Prediction:
        """Let the scorer take one observation of each of these slots, `[B, F]`."""
        shares, scaler = self._range.shares(values), self._scaler.of(slots)
        x = scaler.clipped(shares) if scaler is self._range else scaler.scale(values)
        prediction, memory = self.scorer.step(self._memory.gather(slots), x)
        self._memory.scatter(slots, memory)
        self._recent.push(slots, shares)
        return prediction

    def _judge(self, rows: Int, verdicts: VerdictBlock, score: Float64) -> None:
        """Judge scores against the threshold as it stands, then let them enter it.

        A score is NaN where the scorer had nothing to compare with: no verdict, and none enters.
        """
        slots = verdicts.slots[rows]
        left = self._record["washout_left"][slots]
        washing = left > 0
        threshold = np.where(washing, np.nan, self._thresholds.thresholds(slots))
        score = np.where(washing, np.nan, score)
        warming = ~washing & np.isnan(threshold)
        known = ~np.isnan(score)
        self._thresholds.enter(slots[known], score[known], threshold[known])
        held = self._thresholds.counts(slots)
        self._record["washout_left"][slots] = np.maximum(left - 1, 0)

        anomaly = np.where(score > threshold, _YES, _NO)
        verdicts.score[rows], verdicts.threshold[rows] = score, threshold
        verdicts.severity[rows] = score / threshold
        is_judged = known & ~np.isnan(threshold)
        verdicts.is_anomaly[rows] = np.where(is_judged, anomaly, _UNKNOWN)
        verdicts.phase[rows] = np.where(washing, _WASHOUT, np.where(warming, _WARMUP, _LIVE))
        if is_judged.all():  # live: there is no progress to tell of
            return
        of_washout, of_warmup = self.spec.washout, self._thresholds.min_scores
        verdicts.of[rows] = np.where(washing, of_washout, np.where(warming, of_warmup, 0))
        verdicts.done[rows] = np.where(washing, of_washout - left + 1, np.where(warming, held, 0))

    def _scale_of(self, slots: Int) -> Float32:
        return (
            self._residual_scale if len(self._residual_scale) == 1 else self._residual_scale[slots]
        )

    def _after(self, reference_tail: Float64) -> State:
        """Run one stream that has seen nothing over the reference tail."""
        x: Float32 = self._range.scale(reference_tail)
        _, state = self.scorer.run(self.scorer.initial_state(1), x[:, None])
        return state
