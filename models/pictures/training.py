"""What a picture of a training shows: losses, and what the validation part looks like to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.bank import StreamBank
from models.blocks import NO_SEQ, Bool, Float32, Float64, ObservationBlock
from models.checkpoint import Checkpoint
from models.epochs import EpochLoss
from models.fit import validation_begin, validation_residual
from models.options import StreamOptions
from models.pictures.timeline import Timeline, timeline
from models.recording import Recording
from models.scoring import scoring
from models.spec import ThresholdSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """One training.

    Attributes:
        title: Which model, from what.
        facts: What else a reader has to know, in a line.
        metrics: Names of the F columns.
        losses: Of each epoch; none: the weights were solved for.
        best_epoch: Whose weights were kept.
        train_loss: Of the weights that were kept.
        validation_loss: Of the weights that were kept.
        residual: Of the validation part, in shares of the training range, `[N, K]`.
        score: Of the validation part, `[N]`.
        threshold: That a new stream begins with; NaN: it has none yet.
        level: What sets it, in words.
        timeline: Where the rows of the validation part stand.
    """

    title: str
    facts: str
    metrics: list[str]
    losses: Sequence[EpochLoss]
    best_epoch: int
    train_loss: float
    validation_loss: float
    residual: Float32
    score: Float64
    threshold: float
    level: str
    timeline: Timeline

    @property
    def loss_share(self) -> Float64:
        """Each residual's part in the squared error, `[K]`."""
        squares = np.square(self.residual, dtype=np.float64).mean(axis=0)
        total = squares.sum()
        share: Float64 = squares / total if total > 0 else squares
        return share


def training_run(
    checkpoint: Checkpoint, recording: Recording, losses: Sequence[EpochLoss], name: str
) -> TrainingRun:
    """Put together what there is to show of a training.

    Args:
        checkpoint: What came of it.
        recording: What it was trained on; all of it.
        losses: Of each epoch.
        name: Of the model.
    """
    spec, facts = checkpoint.spec, checkpoint.spec.training
    residual = validation_residual(checkpoint, recording.values)
    n = len(recording.values)
    places = timeline(recording.times, n, spec.step_s)
    how = f"{_counted(facts.epochs, 'epoch')}" if losses else "solved"
    return TrainingRun(
        title=f"model '{name}', trained on {facts.source or 'a recording'}",
        facts=f"{spec.scorer.name}; {how} in {facts.seconds:.1f} s; "
        f"{_counted(len(spec.metrics), 'metric')}; {n:,} observations, of which the last "
        f"{len(residual):,} are for validation",
        metrics=spec.metrics,
        losses=losses,
        best_epoch=facts.best_epoch,
        train_loss=facts.train_loss,
        validation_loss=facts.validation_loss,
        residual=residual,
        score=scoring(spec.scoring).score(residual, checkpoint.residual_scale[None]),
        threshold=first_threshold(checkpoint),
        level=_level(spec.threshold),
        timeline=places.part(validation_begin(n)),
    )


def first_threshold(checkpoint: Checkpoint) -> float:
    """Give the threshold that a new stream begins with; NaN: it has none yet."""
    bank, slots = StreamBank(checkpoint), np.zeros(1, np.int64)
    bank.start(slots, StreamOptions(start="reference"))
    block = ObservationBlock(
        slots=slots,
        times=np.zeros(1, np.int64),
        seqs=np.full(1, NO_SEQ),
        values=checkpoint.reference_tail[-1:],
        explain=np.zeros(1, np.bool_),
        arrival=0,
    )
    return float(bank.advance(block).threshold[0])


def dominating(share: Float64) -> Bool:
    """Mark the fewest that together make at least half of the whole, `[K]`."""
    order = np.argsort(-share)
    before = np.cumsum(share[order]) - share[order]
    is_one = np.zeros(len(share), np.bool_)
    is_one[order] = before < share.sum() / 2
    return is_one


def _level(threshold: ThresholdSpec) -> str:
    asked = threshold.false_alarms_per_day
    return f"z {threshold.z:g}" if asked is None else f"false alarms a day: {asked:g}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
