"""What a bank does around the network: raw values to inputs, residuals to scores and to reasons."""

from dataclasses import replace
from typing import Final

import numpy as np

from models.base import Prediction, Scorer, State
from models.blocks import (
    Anomaly,
    Explanations,
    Float32,
    Float64,
    Int,
    ObservationBlock,
    VerdictBlock,
)
from models.checkpoint import Checkpoint
from models.rare import Rare
from models.scaler import MinMaxScaler, Scaled
from models.scoring import residual_scale as sigmas_of
from models.scoring import scoring

_YES: Final = int(Anomaly.YES)


class Senses:
    """Scaling, scoring and explaining by one checkpoint; nothing of a stream is kept.

    Args:
        checkpoint: Spec, range and sigmas of the residuals.
        scorer: The network.
        scaler: Bounds to scale with, one row for all or one a slot; None takes the checkpoint's.
        residual_scale: Sigmas of the residuals, `[1, K]` or `[C, K]`; None takes the checkpoint's.

    Attributes:
        own_scales: Sigmas of the residuals, `[K]`, of slots that have their own.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        scorer: Scorer,
        scaler: MinMaxScaler | None = None,
        residual_scale: Float32 | None = None,
    ) -> None:
        self.own_scales: Final = Rare[Float32]()
        self._scorer = scorer
        # the checkpoint's range, whatever range each slot is scaled with
        self._range = MinMaxScaler.from_spec(checkpoint.spec.scaler)
        self._scaler = scaler or self._range
        self._residual_scale = (
            checkpoint.residual_scale[None] if residual_scale is None else residual_scale
        )
        self._scoring = scoring(checkpoint.spec.scoring)

    def scaled(self, slots: Int, values: Float64) -> Scaled:
        """Scale raw values, `[B, F]`, of these slots, or of one, `[1]`."""
        scaled = self._range.scaled(values)
        if self._scaler is self._range:
            return scaled
        return scaled._replace(x=self._scaler.of(slots).scale(values))

    def score(self, slots: Int, prediction: Prediction) -> Float64:
        """Score residuals, `[B]`; NaN where there was no prediction to compare with."""
        score = self._scoring.score(prediction.residual, self._scale_of(slots))
        if np.count_nonzero(prediction.valid) < len(score):
            score = np.where(prediction.valid, score, np.nan)
        return score

    def explained(
        self, block: ObservationBlock, found: VerdictBlock, prediction: Prediction
    ) -> VerdictBlock:
        """Say why, for anomalies and rows that asked: for all it would cost as much as a step."""
        wanted = found.is_anomaly == _YES
        if np.count_nonzero(block.explain):
            wanted |= block.explain & ~np.isnan(found.score)
        if not np.count_nonzero(wanted):
            return found
        rows = np.flatnonzero(wanted)
        slots = block.slots[rows]
        explanations = Explanations(
            rows=rows,
            actual=block.values[rows],
            expected=self._scaler.of(slots).unscale(prediction.expected[rows]),
            share=self._scoring.contributions(prediction.residual[rows], self._scale_of(slots)),
        )
        return replace(found, explanations=explanations)

    def after(self, reference_tail: Float64) -> State:
        """Run one stream that has seen nothing over the reference tail, raw, `[T, F]`."""
        x: Float32 = self._range.scale(reference_tail)
        _, state = self._scorer.run(self._scorer.initial_state(1), x[:, None])
        return state

    def rescale(self, slot: int, residual: Float32) -> Float64:
        """Give a slot sigmas of its own, no less than those of all; gives the scores they make.

        Args:
            slot: Whose stream it is.
            residual: Its last residuals, `[T, K]`.
        """
        sigmas = np.maximum(self._shared_scale(np.array([slot]))[0], sigmas_of(residual))
        self.own_scales[slot] = sigmas
        return self._scoring.score(residual, sigmas[None])

    def _shared_scale(self, slots: Int) -> Float32:
        scale = self._residual_scale
        return scale if len(scale) == 1 else scale[slots]

    def _scale_of(self, slots: Int) -> Float32:
        scale = self._shared_scale(slots)
        if not self.own_scales:
            return scale
        own = self.own_scales.rows(slots)
        if own:
            scale = np.broadcast_to(scale, (len(slots), scale.shape[1])).copy()
            for row, sigmas in own.items():
                scale[row] = sigmas
        return scale
