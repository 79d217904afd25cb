"""A checkpoint to measure with: of the size that the targets name, its weights from a seed.

What a step costs does not depend on the weights. Validation scores and residual scale are those
of the rows that are sent, so that what is sent holds about as many anomalies as a quiet plant.
"""

from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.load_rows import METRICS, values_of
from models import registry
from models.checkpoint import Checkpoint
from models.gru import GRUScorer
from models.scoring import scoring
from models.spec import (
    REFERENCE_STEPS,
    ScalerSpec,
    ScorerSpec,
    ScoringSpec,
    Spec,
    ThresholdSpec,
)

HIDDEN: Final = 64
VALIDATION: Final = 1000


def write_model(directory: Path) -> Path:
    """Write it; gives where it is."""
    spec = Spec(
        metrics=[f"metric-{number:02d}" for number in range(METRICS)],
        scaler=ScalerSpec(minimum=[0.0] * METRICS, maximum=[1.0] * METRICS),
        scorer=ScorerSpec(name="gru", sizes={"hidden": HIDDEN}),
        # what the service written by hand does, too
        scoring=ScoringSpec(rule="mse"),
        threshold=ThresholdSpec(false_alarms_per_day=None),
        step_s=10.0,
    )
    torch.manual_seed(0)
    weights = GRUScorer.weights_of(GRUScorer.network(spec))
    scorer = registry.build(spec, weights)
    rows = values_of().transpose(1, 0, 2).reshape(-1, METRICS)[: REFERENCE_STEPS + VALIDATION]
    x = rows.astype(np.float32)[:, None]
    prediction, _ = scorer.run(scorer.initial_state(1), x)
    residual = prediction.residual[REFERENCE_STEPS:, 0]
    scale = residual.std(axis=0)
    scores = scoring(spec.scoring).score(residual, scale[None])
    Checkpoint(
        spec=spec,
        weights=weights,
        reference_tail=rows[:REFERENCE_STEPS],
        residual_scale=scale,
        validation_scores=scores.astype(np.float32),
    ).save(directory)
    return directory
