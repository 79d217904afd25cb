"""From some minutes of readings to a model of this computer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from models.blocks import Float64
from models.checkpoint import Checkpoint
from models.epochs import FitOptions, Progress
from models.fit import MIN_ROWS, fit, rescored, validated
from models.persistence import PersistenceScorer
from models.scaler import MinMaxScaler
from models.spec import (
    REFERENCE_STEPS,
    ScalerSpec,
    ScorerSpec,
    ScoringSpec,
    Spec,
    ThresholdSpec,
    TrainingFacts,
)
from service.host.metrics import metric_of

LEAST_READINGS: Final = MIN_ROWS
"""Fewest that can be learned from."""
_SCORER: Final = ScorerSpec(name="gru", sizes={"hidden": 32})
_TOP: Final = 4
"""What happens to a computer shows in a few of its twenty metrics or so."""
_STAND_IN: Final = "nothing yet: stands in while this computer is learned"
_NEVER: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is learned from.

    Attributes:
        names: Metrics, in the order of the columns.
        values: Readings in order of time, `[T, F]`, finite.
        step_s: Seconds from one to the next.
        false_alarms_per_day: How many are asked for.
    """

    names: list[str]
    values: Float64
    step_s: float
    false_alarms_per_day: float


def learn(lesson: Lesson, on_batch: Callable[[Progress], None]) -> Checkpoint:
    """Train on the readings; some seconds for five minutes of them.

    Scale and scores of the residuals are those of all readings behind the washout, not only of the
    fifth that is held out: of five minutes that would be one, in which a computer does not show
    half of what it usually does (cron, a flush of the disks), and a window of 60 scores rises with
    each anomaly that enters it so that a third in a row is none.

    Args:
        lesson: What is learned from.
        on_batch: Called after each batch with what there is to show.

    Raises:
        FitError: If there are too few readings.
    """
    options = FitOptions(
        scorer=_SCORER,
        scoring=ScoringSpec(top=_TOP),
        threshold=ThresholdSpec(
            false_alarms_per_day=lesson.false_alarms_per_day, min_scores=REFERENCE_STEPS
        ),
        epochs=60,
        patience=10,
        batch=16,
        stride=max(4, len(lesson.values) // 100),
        source="this computer",
        on_batch=on_batch,
    )
    values = ranged(lesson.values, lesson.names)
    fitted = fit(values, lesson.names, options, step_s=lesson.step_s)
    scaled = MinMaxScaler.from_spec(fitted.spec.scaler).scale(values)
    residual = validated(fitted.spec, fitted.weights, scaled)
    facts = msgspec.structs.replace(fitted.spec.training, rows=len(lesson.values))
    spec = msgspec.structs.replace(fitted.spec, training=facts)
    return rescored(spec, fitted.weights, values[-REFERENCE_STEPS:], residual)


def ranged(values: Float64, names: list[str]) -> Float64:
    """Put a row before the readings, `[T, F]`, that stretches ranges to the least there are.

    The first row is never predicted, only predicted from, so that it is learned as no behaviour.
    """
    lowest, highest = values.min(axis=0), values.max(axis=0)
    least = np.array([metric_of(name).least_span for name in names])
    first = np.where(highest - lowest < least, lowest + least, values[0])
    return np.vstack([first, values])


def stand_in(names: list[str]) -> Checkpoint:
    """Make a model that finds nothing unusual: readings go through the service while it learns.

    What streaming costs, the service's own writing to disk above all, is then part of the usual.
    """
    wide, count = np.zeros((REFERENCE_STEPS, len(names)), np.float32), len(names)
    spec = Spec(
        metrics=names,
        scaler=ScalerSpec(minimum=[0.0] * count, maximum=[1.0] * count),
        scorer=ScorerSpec(name="persistence", sizes={}),
        threshold=ThresholdSpec(z=_NEVER, false_alarms_per_day=None),
        training=TrainingFacts(source=_STAND_IN),
    )
    return Checkpoint(
        spec=spec,
        weights=PersistenceScorer.solve(spec, wide),
        reference_tail=wide.astype(np.float64),
        # no score comes near any threshold, whatever level the settings ask for
        residual_scale=np.full(count, _NEVER, np.float32),
        validation_scores=np.zeros(REFERENCE_STEPS, np.float32),
    )


def is_stand_in(checkpoint: Checkpoint) -> bool:
    """Tell a model that has learned nothing; one is left behind where a process was killed."""
    return checkpoint.spec.training.source == _STAND_IN
