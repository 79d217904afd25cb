"""The epochs of a training: windows, batches, early stopping, the best weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from models import registry
from models.base import Weights, is_trainable
from models.blocks import Float32
from models.spec import (
    REFERENCE_STEPS,
    ScorerSpec,
    ScoringSpec,
    Spec,
    ThresholdSpec,
    TrainingFacts,
)

_EVALUATION_BATCH: Final = 256


class FitError(Exception):
    """The data or the options can't be trained with; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How to train.

    Attributes:
        stride: Steps between the starts of two training windows.
        noise: Sigma of the normal noise that inputs are trained with, in shares of a metric's
            range: a network that leans on each last digit of what came before follows an anomaly
            more closely than one that must smooth (Bishop, "Training with Noise is Equivalent to
            Tikhonov Regularization", 1995).
        patience: Epochs without a better validation loss before training stops.
        on_batch: Called after each batch with what there is to show.
        on_epoch: Called after each epoch, where there are any, with its losses.
    """

    scorer: ScorerSpec = field(default_factory=ScorerSpec)
    scoring: ScoringSpec = field(default_factory=ScoringSpec)
    threshold: ThresholdSpec = field(default_factory=ThresholdSpec)
    epochs: int = 60
    patience: int = 6
    batch: int = 32
    stride: int = 10
    learning_rate: float = 3e-3
    noise: float = 0.05
    seed: int = 0
    source: str = ""
    on_batch: "Callable[[Progress], None] | None" = None
    on_epoch: "Callable[[EpochLoss], None] | None" = None


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


@dataclass(frozen=True, slots=True)
class EpochLoss:
    """Mean squared errors of one epoch, counted from 1, in scaled units.

    Attributes:
        train: Over the epoch, while the weights change, of inputs with noise.
        validation: After it, of inputs as they are.
    """

    epoch: int
    train: float
    validation: float


class Training:
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
            kind = registry.scorer_class(spec.scorer.name)
            if not is_trainable(kind):
                raise ValueError(f"the scorer '{spec.scorer.name}' is not trained in epochs")
            self._kind = kind
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
            if self._options.on_epoch is not None:
                self._options.on_epoch(EpochLoss(epoch, train_loss, validation_loss))
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
            inputs = self._disturbed(chosen[:, :-1])
            loss = nn.functional.mse_loss(self._network(inputs), chosen[:, 1:])
            self._optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self._network.parameters(), 1.0)
            self._optimizer.step()
            total += loss.item() * len(chosen)
            done += len(chosen)
            yield done / len(order), total / done

    def _disturbed(self, inputs: Tensor) -> Tensor:
        if not self._options.noise:
            return inputs
        return inputs + self._options.noise * torch.randn(inputs.shape, generator=self._generator)

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
