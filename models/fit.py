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
from models.blocks import MAX_ABSOLUTE, Float32, Float64
from models.checkpoint import Checkpoint
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.spec import REFERENCE_STEPS, ScalerSpec, ScorerSpec, Spec, TrainingFacts

VALIDATION_SHARE: Final = 0.2
MIN_ROWS: Final = 5 * (REFERENCE_STEPS + 1)
"""Fewest rows whose validation part holds one window: 60 inputs and the step after the last."""
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
    """Where training stands.

    Attributes:
        epochs_done: A fraction while an epoch runs.
        train_loss: Mean over the running epoch.
        validation_loss: The best so far; infinite until the first epoch is over.
    """

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
        FitError: If the data or the options can't be used, or the loss leaves the finite numbers.
    """
    began = time.monotonic()
    _check_values(values, metrics)
    _check_options(options)
    split = len(values) - int(len(values) * VALIDATION_SHARE)
    bounds = ScalerSpec(
        minimum=values[:split].min(axis=0).tolist(), maximum=values[:split].max(axis=0).tolist()
    )
    spec = Spec(metrics=metrics, scaler=bounds, scorer=options.scorer, step_s=step_s)
    x = MinMaxScaler.from_spec(bounds).scale(values)
    weights, facts = _Training(spec, x, split, options).run()
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
        reference_tail=values[-REFERENCE_STEPS:].astype(np.float64),
        residual_scale=residual.std(axis=0),
        validation_scores=scores[-MAX_VALIDATION_SCORES:],
    )


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


class _Training:
    """One run: the network on its way, and the weights of the best epoch so far.

    Args:
        spec: What to build.
        x: Scaled values, `[T, F]`.
        split: Rows that are trained on; the others are held out.
        options: How to train.
    """

    def __init__(self, spec: Spec, x: Float32, split: int, options: FitOptions) -> None:
        self._options = options
        try:
            self._kind = registry.scorer_class(spec.scorer.name)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(options.seed)
                self._network = self._kind.network(spec)
        except ValueError as error:
            raise FitError(str(error)) from error
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=options.learning_rate)
        self._generator = torch.Generator().manual_seed(options.seed)
        self._training = torch.from_numpy(x[:split])
        self._held_out = _windows(torch.from_numpy(x[split:]), REFERENCE_STEPS, offset=0)
        self._best = self._kind.weights_of(self._network)
        self._facts = TrainingFacts(
            seed=options.seed, source=options.source, validation_loss=np.inf
        )

    def run(self) -> tuple[Weights, TrainingFacts]:
        """Run the epochs; gives the weights of the best one and how they came about."""
        for epoch in range(1, self._options.epochs + 1):
            train_loss = self._train(epoch)
            validation_loss = _evaluate(self._network, self._held_out)
            if not np.isfinite(validation_loss):
                raise FitError(f"the loss is no longer finite in epoch {epoch}; lower the rate")
            if validation_loss < self._facts.validation_loss:
                self._keep(epoch, train_loss, validation_loss)
            self._facts = msgspec.structs.replace(self._facts, epochs=epoch)
            if epoch - self._facts.best_epoch >= self._options.patience:
                break
        return self._best, self._facts

    def _train(self, epoch: int) -> float:
        """Run one epoch and tell of each batch; gives the mean loss."""
        options, mean_loss = self._options, np.inf
        # a stride longer than the recording must not push the one window over its end
        offsets = min(options.stride, len(self._training) - REFERENCE_STEPS)
        offset = int(torch.randint(offsets, (), generator=self._generator))
        for done, mean_loss in self._batches(_windows(self._training, options.stride, offset)):
            if options.on_batch is not None:
                options.on_batch(
                    Progress(
                        epochs_done=epoch - 1 + done,
                        epochs=options.epochs,
                        train_loss=mean_loss,
                        validation_loss=self._facts.validation_loss,
                    )
                )
        return mean_loss

    def _batches(self, windows: Tensor) -> Iterator[tuple[float, float]]:
        """Train on every window once; yields the share done and the mean loss so far."""
        order = torch.randperm(len(windows), generator=self._generator)
        total, done = 0.0, 0
        for chosen in (windows[rows] for rows in torch.split(order, self._options.batch)):
            loss = nn.functional.mse_loss(self._network(chosen[:, :-1]), chosen[:, 1:])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
            self._optimizer.step()
            total += loss.item() * len(chosen)
            done += len(chosen)
            yield done / len(order), total / done

    def _keep(self, epoch: int, train_loss: float, validation_loss: float) -> None:
        # copied, because the optimizer writes on into the network's own memory
        weights = self._kind.weights_of(self._network)
        self._best = {name: weight.copy() for name, weight in weights.items()}
        self._facts = msgspec.structs.replace(
            self._facts, best_epoch=epoch, train_loss=train_loss, validation_loss=validation_loss
        )


def _windows(x: Tensor, stride: int, offset: int) -> Tensor:
    """Cut `[T, F]` into windows of 60 inputs and their 60 next steps, `[N, 61, F]`."""
    return x[offset:].unfold(0, REFERENCE_STEPS + 1, stride).transpose(1, 2)


@torch.inference_mode()
def _evaluate(network: nn.Module, windows: Tensor) -> float:
    """Mean loss over windows."""
    total = 0.0
    for part in torch.split(windows, _EVALUATION_BATCH):
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
