"""Training: from a recording to a checkpoint."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
import torch

from models import registry
from models.base import Weights, is_solved
from models.blocks import MAX_ABSOLUTE, Float32, Float64
from models.checkpoint import Checkpoint
from models.epochs import FitError, FitOptions, Training
from models.scaler import MinMaxScaler
from models.scoring import least_sigma, residual_scale, scoring
from models.solving import solved
from models.spec import REFERENCE_STEPS, ScalerSpec, Spec, TrainingFacts
from models.tail_fit import rolling_sigmas, tail_of

VALIDATION_SHARE: Final = 0.2
MIN_ROWS: Final = 5 * (REFERENCE_STEPS + 1)
"""Fewest rows whose validation part holds one window: 60 inputs and the step after the last."""
MAX_VALIDATION_SCORES: Final = 20_000


def fit(
    values: Float64, metrics: list[str], options: FitOptions, *, step_s: float | None = None
) -> Checkpoint:
    """Train a scorer on the normal behaviour of one recording, repeatable by seed.

    The last fifth of the rows is kept for validation: it decides when to stop and gives residual
    scale and validation scores. The scaler's bounds come from the part that is trained on.

    Args:
        values: Raw values in order of time, `[T, F]`, finite.
        metrics: Names of the F columns.
        options: How to train.
        step_s: Usual seconds between two rows, if known.

    Raises:
        FitError: If the data or the options can't be used, or the loss leaves the finite numbers.
    """
    began = time.monotonic()
    _check_values(values, metrics)
    _check_options(options)
    split = validation_begin(len(values))
    bounds = _bounds(values[:split])
    spec = Spec(
        metrics=metrics,
        scaler=bounds,
        scorer=options.scorer,
        scoring=options.scoring,
        threshold=options.threshold,
        step_s=step_s,
    )
    x = MinMaxScaler.from_spec(bounds).scale(values)
    with _one_thread():
        weights, facts = _trained(spec, x, split, options)
    residual = validated(spec, weights, x[split - REFERENCE_STEPS :])
    facts = msgspec.structs.replace(
        facts,
        rows=len(values),
        seconds=round(time.monotonic() - began, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    spec = msgspec.structs.replace(spec, training=facts)
    return rescored(spec, weights, values[-REFERENCE_STEPS:], residual)


def rescored(spec: Spec, weights: Weights, tail: Float64, residual: Float32) -> Checkpoint:
    """Make a checkpoint of trained weights: scale, scores and their tail follow from the residual.

    Args:
        spec: All but the tail of the threshold.
        weights: Of the scorer.
        tail: The last normal observations, raw, `[60, F]`.
        residual: Of the validation part, `[N, K]`.

    Raises:
        FitError: If there is no scoring of that name.
    """
    scale = residual_scale(residual)
    try:
        scores = scoring(spec.scoring).score(residual, scale[None]).astype(np.float32)
    except ValueError as error:
        raise FitError(str(error)) from error
    floor = max(spec.threshold.sigma_floor, least_sigma(spec.scoring))
    threshold = msgspec.structs.replace(spec.threshold, sigma_floor=floor)
    found = tail_of(rolling_sigmas(scores, threshold))
    threshold = msgspec.structs.replace(threshold, tail=found)
    return Checkpoint(
        spec=msgspec.structs.replace(spec, threshold=threshold),
        weights=weights,
        reference_tail=tail.astype(np.float64),
        residual_scale=scale,
        validation_scores=scores[-MAX_VALIDATION_SCORES:],
    )


def validation_begin(n: int) -> int:
    """Give the first row of the validation part of `n` rows."""
    return n - int(n * VALIDATION_SHARE)


def validation_residual(checkpoint: Checkpoint, values: Float64) -> Float32:
    """Run a checkpoint over the validation part of what it was trained on, as `fit` did.

    Args:
        checkpoint: Just trained.
        values: All rows, raw, `[T, F]`.

    Returns:
        The residual of the validation part, scaled units, `[N, K]`.
    """
    spec = checkpoint.spec
    begin = validation_begin(len(values)) - REFERENCE_STEPS
    x = MinMaxScaler.from_spec(spec.scaler).scale(values[begin:])
    with _one_thread():
        return validated(spec, checkpoint.weights, x)


def _trained(
    spec: Spec, x: Float32, split: int, options: FitOptions
) -> tuple[Weights, TrainingFacts]:
    """Find the weights: at once where they can be solved for, else in epochs."""
    try:
        kind = registry.scorer_class(spec.scorer.name)
    except ValueError as error:
        raise FitError(str(error)) from error
    if is_solved(kind):
        return solved(kind, spec, x, split, options)
    return Training(spec, x, split, options).run()


def _bounds(values: Float64) -> ScalerSpec:
    return ScalerSpec(minimum=values.min(axis=0).tolist(), maximum=values.max(axis=0).tolist())


def _check_values(values: Float64, metrics: list[str]) -> None:
    if values.ndim != 2 or values.shape[1] != len(metrics) or not metrics:  # noqa: PLR2004 - [T, F]
        raise FitError(f"values {values.shape} do not fit {len(metrics)} metrics: [T, F] needed")
    if len(set(metrics)) < len(metrics):
        raise FitError("every metric needs a name of its own")
    if len(values) < MIN_ROWS:
        raise FitError(f"{len(values)} rows are too few to train on; at least {MIN_ROWS} needed")
    bad = np.argwhere(~(np.abs(values) <= MAX_ABSOLUTE))
    if len(bad):
        row, column = bad[0]
        raise FitError(
            f"row {row}, metric '{metrics[column]}': {values[row, column]} can't be trained on; "
            f"finite numbers up to {MAX_ABSOLUTE:g} needed"
        )


def _check_options(options: FitOptions) -> None:
    for name in ("epochs", "patience", "batch", "stride"):
        if getattr(options, name) < 1:
            raise FitError(f"{name} must be 1 or more; it is {getattr(options, name)}")
    if not 0 < options.learning_rate < np.inf:
        raise FitError(f"the learning rate must be above 0; it is {options.learning_rate}")
    if not 0 <= options.noise < np.inf:
        raise FitError(f"the noise must be 0 or more; it is {options.noise}")


def validated(spec: Spec, weights: Weights, x: Float32) -> Float32:
    """Run over the validation part as live traffic would: washed out, then step by step.

    Args:
        spec: What to build.
        weights: Of the scorer.
        x: The validation part and the 60 steps before it, scaled, `[60 + N, F]`.

    Returns:
        The residual of the validation part, `[N, K]`.
    """
    scorer = registry.build(spec, weights)
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    residual: Float32 = prediction.residual[REFERENCE_STEPS:, 0]
    return residual


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: networks this small lose more by sharing than they win.

    On a busy machine two threads wait for one another more than tenfold longer, and the order of
    their sums would make the weights depend on their number.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
