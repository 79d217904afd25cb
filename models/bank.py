"""The bank: all streams that share one scorer, their state in arrays, one slot a stream."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from models import registry
from models.base import State
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
from models.record import Record
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.slab import Slab
from models.spec import Policy
from models.threshold import RollingThreshold

Start = Literal["own", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What may differ from stream to stream; None takes the checkpoint's default.

    Attributes:
        start: `own`: washed out on the reference tail, then on its own first observations.
            `reference`: goes on from the training data, live at once if primed.
        prime: Whether the threshold window starts with the validation scores.
    """

    z: float | None = None
    sigma_floor: float | None = None
    policy: Policy | None = None
    start: Start = "own"
    prime: bool = True


class StreamBank:
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
        self.spec: Final = spec
        self.scorer: Final = registry.build(spec, checkpoint.weights)
        self.n_features: Final = self.scorer.n_features
        self._scaler = scaler or MinMaxScaler.from_spec(spec.scaler)
        self._residual_scale = (
            checkpoint.residual_scale[None] if residual_scale is None else residual_scale
        )
        self._scoring = scoring(spec.scoring.rule)
        self._validation_scores = checkpoint.validation_scores
        self._thresholds = RollingThreshold(spec.threshold.window, spec.threshold.min_scores)
        self._memory = Slab(self.scorer.state_layout)
        self._record = Record()
        self._washed_out = self._after(checkpoint.reference_tail)

    def start(self, slots: Int, options: StreamOptions) -> None:
        """Begin streams in these slots; nothing of what the slots held before is left.

        Raises:
            ValueError: If an option is out of its range.
        """
        self._grow(int(slots.max(initial=-1)) + 1)
        self.configure(slots, options)
        self._thresholds.clear(slots)
        if options.prime:
            self._thresholds.prime(slots, self._validation_scores)
        washout = 0 if options.start == "reference" else self.spec.washout
        is_live = self._thresholds.counts(slots) >= self._thresholds.min_scores
        scored = np.where(is_live, Phase.LIVE, Phase.WARMUP)
        phase = np.where(washout, Phase.WASHOUT, scored)
        self._record.start(slots, washout=washout, phase=phase)
        self._wash_out(slots)

    def configure(self, slots: Int, options: StreamOptions) -> None:
        """Set z, sigma floor and policy of streams that are there; nothing else changes.

        Raises:
            ValueError: If an option is out of its range.
        """
        default = self.spec.threshold
        self._thresholds.configure(
            slots,
            z=default.z if options.z is None else options.z,
            sigma_floor=default.sigma_floor if options.sigma_floor is None else options.sigma_floor,
            policy=options.policy or default.policy,
        )

    def inspect(self, slots: Int) -> State:
        """Copy what is known of streams: the record, and the window's count, mean and sigma."""
        mean, sigma = self._thresholds.statistics(slots)
        window = {"scores_held": self._thresholds.counts(slots), "mean": mean, "sigma": sigma}
        return self._record.gather(slots) | window

    def advance(self, block: ObservationBlock) -> VerdictBlock:
        """Take every row that can be taken, in order, and judge it.

        Raises:
            ValueError: If the width of the block is not the bank's.
        """
        if block.values.shape != (len(block), self.n_features):
            raise ValueError(f"values {block.values.shape}, expected [B, {self.n_features}]")
        verdicts = _blank(block, self.n_features)
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
            rows = rows[refusal == Refusal.NONE]
        slots, values = block.slots[rows], block.values[rows]
        gaps = self._record.gaps(block, rows, verdicts.times)
        if gaps.any():
            self._wash_out(slots[gaps])
            self._record["washout_left"][slots[gaps]] = self.spec.washout
        scaler, scale = self._scaler.of(slots), self._scale_of(slots)
        prediction, memory = self.scorer.step(self._memory.gather(slots), scaler.scale(values))
        self._memory.scatter(slots, memory)
        score = self._scoring.score(prediction.residual, scale)
        self._judge(rows, verdicts, np.where(prediction.valid, score, np.nan))
        self._record.remember(block, rows, verdicts)

        explained = (verdicts.is_anomaly[rows] == Anomaly.YES) | (
            block.explain[rows] & ~np.isnan(verdicts.score[rows])
        )
        share = self._scoring.contributions(prediction.residual, scale)
        return Explanations(
            rows=rows[explained],
            actual=values[explained],
            expected=scaler.unscale(prediction.expected)[explained],
            share=share[explained],
        )

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

        anomaly = np.where(score > threshold, Anomaly.YES, Anomaly.NO)
        verdicts.score[rows], verdicts.threshold[rows] = score, threshold
        verdicts.severity[rows] = score / threshold
        is_judged = known & ~np.isnan(threshold)
        verdicts.is_anomaly[rows] = np.where(is_judged, anomaly, Anomaly.UNKNOWN)
        verdicts.phase[rows] = np.where(
            washing, Phase.WASHOUT, np.where(warming, Phase.WARMUP, Phase.LIVE)
        )
        of_washout, of_warmup = self.spec.washout, self._thresholds.min_scores
        verdicts.of[rows] = np.where(washing, of_washout, np.where(warming, of_warmup, 0))
        verdicts.done[rows] = np.where(washing, of_washout - left + 1, np.where(warming, held, 0))

    def _scale_of(self, slots: Int) -> Float32:
        return (
            self._residual_scale if len(self._residual_scale) == 1 else self._residual_scale[slots]
        )

    def _wash_out(self, slots: Int) -> None:
        """Give streams the hidden state that the reference tail leaves."""
        self._memory.scatter(slots, {name: row[0] for name, row in self._washed_out.items()})

    def _after(self, reference_tail: Float64) -> State:
        """Run one stream that has seen nothing over the reference tail."""
        x: Float32 = MinMaxScaler.from_spec(self.spec.scaler).scale(reference_tail)
        _, state = self.scorer.run(self.scorer.initial_state(1), x[:, None])
        return state

    def _grow(self, capacity: int) -> None:
        for part in (self._memory, self._record, self._thresholds):
            part.grow(capacity)


def _blank(block: ObservationBlock, n_features: int) -> VerdictBlock:
    """Make a verdict block to be filled in; times and slots are copies, never the caller's."""
    size = len(block)
    unknown = np.full((3, size), np.nan)
    return VerdictBlock(
        slots=block.slots.copy(),
        times=block.times.copy(),
        seqs=block.seqs.copy(),
        refusal=np.zeros(size, np.int8),
        phase=np.zeros(size, np.int8),
        score=unknown[0],
        threshold=unknown[1],
        severity=unknown[2],
        is_anomaly=np.full(size, Anomaly.UNKNOWN, np.int8),
        done=np.zeros(size, np.int32),
        of=np.zeros(size, np.int32),
        explanations=Explanations.joined([], n_features),
    )
