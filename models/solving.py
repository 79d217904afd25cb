"""Training without epochs: weights that follow from the data at once."""

import numpy as np

from models.base import Scorer, SolvedScorer, State, Weights
from models.blocks import Float32
from models.epochs import FitError, FitOptions, Progress
from models.spec import Spec, TrainingFacts


def solved(
    kind: type[SolvedScorer], spec: Spec, x: Float32, split: int, options: FitOptions
) -> tuple[Weights, TrainingFacts]:
    """Solve for the weights; gives them and how well they predict.

    Args:
        kind: The scorer's class.
        spec: What to build.
        x: Scaled values, `[T, F]`.
        split: Rows that are trained on; the others are held out.
        options: Who to tell when it is done; the rest concerns epochs only.

    Raises:
        FitError: If the spec can't be built, or the data gives weights that are not finite.
    """
    try:
        weights = kind.solve(spec, x[:split])
        scorer = kind.build(spec, weights)
    except ValueError as error:
        raise FitError(str(error)) from error
    train_loss, state = _loss(scorer, scorer.initial_state(1), x[:split])
    validation_loss, _ = _loss(scorer, state, x[split:])
    if not np.isfinite([train_loss, validation_loss]).all():
        raise FitError(f"the loss of '{spec.scorer.name}' is not finite; look at the data")
    if options.on_batch is not None:
        done = Progress(
            epochs_done=1, epochs=1, train_loss=train_loss, validation_loss=validation_loss
        )
        options.on_batch(done)
    facts = TrainingFacts(
        seed=options.seed,
        source=options.source,
        train_loss=train_loss,
        validation_loss=validation_loss,
    )
    return weights, facts


def _loss(scorer: Scorer, state: State, x: Float32) -> tuple[float, State]:
    """Give the mean squared residual of one stream, where there was a prediction."""
    prediction, state = scorer.run(state, x[:, None])
    residual = prediction.residual[prediction.valid]
    return float(np.square(residual, dtype=np.float64).mean()), state
