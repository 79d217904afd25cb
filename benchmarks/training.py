"""How long does an epoch of training take, beside a loop as one writes it with PyTorch?

    python -m benchmarks.training FILE.npz [--rounds N] [--json FILE]

Both train the same network with the same batches of the same windows on the part of the rows that
`models.fit` trains on, look at the held-out part after each epoch, and use one thread. They take
turns; an epoch is timed from the end of the one before.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress as Bar
from rich.table import Table
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.json_file import write_json
from benchmarks.timing import ratio
from models.blocks import Float64
from models.epochs import FitOptions, Progress
from models.fit import VALIDATION_SHARE, fit
from models.reading import read
from models.spec import REFERENCE_STEPS

ROUNDS: Final = 4
EPOCHS: Final = 3
"""Of a turn; the first is not timed, as its begin is not told."""
HIDDEN: Final = FitOptions().scorer.sizes["hidden"]
console = Console()


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Windows of 60 inputs and their next steps."""

    def __init__(self, x: Tensor, stride: int) -> None:
        self._x = x
        self._starts = range(0, len(x) - REFERENCE_STEPS, stride)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        window = self._x[self._starts[index] : self._starts[index] + REFERENCE_STEPS + 1]
        return window[:-1], window[1:]


class Network(nn.Module):
    """The same network, written down once more."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.gru = nn.GRU(features, hidden, batch_first=True)
        self.head = nn.Linear(hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """Predict every next step."""
        states, _ = self.gru(x)
        prediction: Tensor = self.head(states)
        return prediction


@dataclass(frozen=True, slots=True)
class Turn:
    """What was found in one turn.

    Attributes:
        seconds: Of its epochs.
        loss: Validation loss at its end.
    """

    seconds: list[float]
    loss: float


def ours(values: Float64, metrics: list[str], options: FitOptions) -> Turn:
    """Let `fit` train."""
    ends = []

    def note(progress: Progress) -> None:
        if progress.epochs_done == int(progress.epochs_done):
            ends.append(perf_counter())

    options = FitOptions(epochs=options.epochs, patience=options.epochs, on_batch=note)
    checkpoint = fit(values, metrics, options)
    return Turn(np.diff(ends).tolist(), checkpoint.spec.training.validation_loss)


def plain(values: Float64, options: FitOptions) -> Turn:
    """Train as one does with PyTorch."""
    split = len(values) - int(len(values) * VALIDATION_SHARE)
    low, high = values[:split].min(axis=0), values[:split].max(axis=0)
    x = torch.from_numpy((values - low) / np.where(high > low, high - low, 1)).float()
    training = DataLoader(Windows(x[:split], options.stride), options.batch, shuffle=True)
    held_out = DataLoader(Windows(x[split:], REFERENCE_STEPS), 256)
    torch.manual_seed(0)
    network = Network(x.shape[1], HIDDEN)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    ends, loss = [], np.inf
    for _ in range(options.epochs):
        _train(network, optimizer, training)
        ends.append(perf_counter())
        loss = min(loss, _evaluate(network, held_out))
    return Turn(np.diff(ends).tolist(), float(loss))


def _train(
    network: Network,
    optimizer: torch.optim.Optimizer,
    windows: DataLoader[tuple[Tensor, Tensor]],
) -> None:
    criterion, total = nn.MSELoss(), 0.0
    for inputs, wanted in windows:
        optimizer.zero_grad()
        loss = criterion(network(inputs), wanted)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        total += loss.item()


@torch.no_grad()
def _evaluate(network: Network, windows: DataLoader[tuple[Tensor, Tensor]]) -> float:
    losses = [
        (nn.functional.mse_loss(network(inputs), wanted).item(), len(inputs))
        for inputs, wanted in windows
    ]
    return sum(loss * size for loss, size in losses) / sum(size for _, size in losses)


def table_of(found: dict[str, list[Turn]]) -> Table:
    """Show seconds of an epoch side by side."""
    table = Table("", "s an epoch, median", "of the epochs", "validation loss", "gain")
    seconds = {
        name: [one for turn in turns for one in turn.seconds] for name, turns in found.items()
    }
    for name, turns in found.items():
        many = seconds[name]
        table.add_row(
            name,
            f"{median(many):.3f}",
            f"{min(many):.3f}-{max(many):.3f}",
            f"{turns[-1].loss:.6f}",
            f"{ratio(seconds['plain PyTorch'], many):.2f}",
        )
    return table


def main(file: Path, rounds: int, out: Path | None) -> int:
    """Measure, print and write."""
    torch.set_num_threads(1)
    recording = read(file, part="train")
    values, options = recording.values, FitOptions(epochs=EPOCHS)
    found: dict[str, list[Turn]] = {"models.fit": [], "plain PyTorch": []}
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(f"{EPOCHS} epochs a turn", total=2 * rounds)
        for _ in range(rounds):
            found["models.fit"].append(ours(values, recording.metrics, options))
            bar.advance(task)
            found["plain PyTorch"].append(plain(values, options))
            bar.advance(task)
    console.print(table_of(found))
    console.print(
        f"{file.name}: {len(values):,} rows, {len(recording.metrics)} metrics, one thread"
    )
    write_json(out, {name: [turn.seconds for turn in turns] for name, turns in found.items()})
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="npz with an array 'train'")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=Path, help="where results are written")
    given = parser.parse_args()
    sys.exit(main(given.file, given.rounds, given.json))
