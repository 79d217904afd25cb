"""Training: scaling, windows, epochs with early stopping, and the checkpoint at the end."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from models import registry
from models.base import Weights
from models.blocks import Float32, Float64
from models.checkpoint import Checkpoint
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.spec import REFERENCE_STEPS, ScalerSpec, ScorerSpec, Spec, TrainingFacts

VALIDATION_SHARE: Final = 0.2
MIN_ROWS: Final = 5 * REFERENCE_STEPS
"""Fewest rows that leave a validation part of one window's length."""
MAX_VALIDATION_SCORES: Final = 20_000
_EVALUATION_BATCH: Final = 256


class FitError(Exception):
    """The data or the options can't be trained with; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How to train.

    Attributes:
        stride: Steps between the starts of two training windows.
        patience: Epochs without a better validation loss before training stops.
        on_batch: Called after each batch with what there is to show.
    """

    scorer: ScorerSpec = field(default_factory=ScorerSpec)
    epochs: int = 60
    patience: int = 6
    batch: int = 32
    stride: int = 10
    learning_rate: float = 3e-3
    seed: int = 0
    source: str = ""
    on_batch: "Callable[[Progress], None] | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where training stands: epochs done (a fraction), the last losses."""

    epochs_done: float
    epochs: int
    train_loss: float
    validation_loss: float


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
        FitError: If there are too few rows or the loss leaves the finite numbers.
    """
    if len(values) < MIN_ROWS:
        raise FitError(f"{len(values)} rows are too few to train on; at least {MIN_ROWS} needed")
    began = time.monotonic()
    split = len(values) - int(len(values) * VALIDATION_SHARE)
    bounds = ScalerSpec(
        minimum=values[:split].min(axis=0).tolist(), maximum=values[:split].max(axis=0).tolist()
    )
    spec = Spec(metrics=metrics, scaler=bounds, scorer=options.scorer, step_s=step_s)
    x = MinMaxScaler.from_spec(bounds).scale(values)
    weights, facts = _train(spec, x, split, options)
    residual, scores = _validate(spec, weights, x, split)
    facts = msgspec.structs.replace(
        facts,
        rows=len(values),
        seconds=round(time.monotonic() - began, 3),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return Checkpoint(
        spec=msgspec.structs.replace(spec, training=facts),
        weights=weights,
        reference_tail=values[-REFERENCE_STEPS:],
        residual_scale=residual.std(axis=0),
        validation_scores=scores[-MAX_VALIDATION_SCORES:],
    )


def _train(
    spec: Spec, x: Float32, split: int, options: FitOptions
) -> tuple[Weights, TrainingFacts]:
    """Run the epochs and give back the weights of the best one."""
    kind = registry.scorer_class(spec.scorer.name)
    generator = torch.Generator().manual_seed(options.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        network = kind.network(spec)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    training = torch.from_numpy(x[:split])
    held_out = _windows(torch.from_numpy(x[split:]), REFERENCE_STEPS, offset=0)
    best_epoch, best_loss, best = 0, np.inf, kind.weights_of(network)
    facts = TrainingFacts(seed=options.seed, source=options.source)
    for epoch in range(options.epochs):
        offset = int(torch.randint(options.stride, (), generator=generator))
        windows = _windows(training, options.stride, offset)
        train_loss = 0.0
        for done, loss in _epoch(network, optimizer, windows, options.batch, generator):
            train_loss = loss
            if options.on_batch is not None:
                options.on_batch(
                    Progress(
                        epochs_done=epoch + done,
                        epochs=options.epochs,
                        train_loss=loss,
                        validation_loss=float(best_loss),
                    )
                )
        validation_loss = _evaluate(network, held_out)
        if not np.isfinite(validation_loss):
            raise FitError(f"the loss is no longer finite in epoch {epoch + 1}; lower the rate")
        if validation_loss < best_loss:
            best_epoch, best_loss = epoch + 1, validation_loss
            best = {name: weight.copy() for name, weight in kind.weights_of(network).items()}
            facts = msgspec.structs.replace(
                facts, best_epoch=best_epoch, train_loss=train_loss, validation_loss=best_loss
            )
        facts = msgspec.structs.replace(facts, epochs=epoch + 1)
        if epoch + 1 - best_epoch >= options.patience:
            break
    return best, facts


def _windows(x: Tensor, stride: int, offset: int) -> Tensor:
    """Cut `[T, F]` into windows of 60 inputs and their 60 next steps, `[N, 61, F]`."""
    return x[offset:].unfold(0, REFERENCE_STEPS + 1, stride).transpose(1, 2)


def _epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    windows: Tensor,
    batch: int,
    generator: torch.Generator,
) -> Iterator[tuple[float, float]]:
    """Train on every window once; yields the share done and the mean loss so far."""
    order = torch.randperm(len(windows), generator=generator)
    total = 0.0
    for start in range(0, len(order), batch):
        chosen = windows[order[start : start + batch]]
        loss = nn.functional.mse_loss(network(chosen[:, :-1]), chosen[:, 1:])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += loss.item() * len(chosen)
        done = start + len(chosen)
        yield done / len(order), total / done


@torch.inference_mode()
def _evaluate(network: nn.Module, windows: Tensor) -> float:
    """Mean loss over windows."""
    total = 0.0
    for start in range(0, len(windows), _EVALUATION_BATCH):
        part = windows[start : start + _EVALUATION_BATCH]
        total += nn.functional.mse_loss(network(part[:, :-1]), part[:, 1:]).item() * len(part)
    return total / len(windows)


def _validate(spec: Spec, weights: Weights, x: Float32, split: int) -> tuple[Float32, Float32]:
    """Score the validation part as live traffic would be: washed out, then step by step."""
    scorer = registry.build(spec, weights)
    _, state = scorer.run(scorer.initial_state(1), x[split - REFERENCE_STEPS : split, None])
    prediction, _ = scorer.run(state, x[split:, None])
    residual: Float32 = prediction.residual[:, 0]
    scale = residual.std(axis=0)[None]
    scores = scoring(spec.scoring.rule).score(residual, scale)
    return residual, scores.astype(np.float32)
