"""What do scoring, smoothing and the level in false alarms per day cost over plain `mse`?

    python -m benchmarks.scoring

`advance` of the same rows by banks that differ in nothing else, in turn, on one thread. Targets are
told, not enforced.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

import msgspec
import torch
from rich.console import Console

from benchmarks.micro_figures import Figure, Target, tables_of
from benchmarks.micro_steps import FEW, Advancing, Resident, usual_values
from benchmarks.speed_model import write_model
from benchmarks.timing import in_turn_us
from models import registry
from models.checkpoint import Checkpoint
from models.fit import rescored
from models.scaler import MinMaxScaler
from models.spec import REFERENCE_STEPS, ScoringSpec, ThresholdSpec

SIZES: Final = (1, 8, 64, 256, 1024)
Z: Final = ThresholdSpec(false_alarms_per_day=None)
PLAIN: Final = (ScoringSpec(rule="mse", smoothing=None), Z)
OTHERS: Final = {
    "mse, smoothed": (ScoringSpec(rule="mse"), Z),
    "top": (ScoringSpec(smoothing=None), Z),
    "top, smoothed": (ScoringSpec(), Z),
    "top, smoothed, false alarms per day: the default": (ScoringSpec(), ThresholdSpec()),
}
TARGET: Final = Target("times", 1.3)
VALIDATION: Final = 3000


def changed(model: Checkpoint, scoring: ScoringSpec, threshold: ThresholdSpec) -> Checkpoint:
    """Give the same network another scoring and level."""
    spec = msgspec.structs.replace(model.spec, scoring=scoring, threshold=threshold)
    rows = usual_values()[: REFERENCE_STEPS + VALIDATION]
    x = MinMaxScaler.from_spec(spec.scaler).scale(rows)
    scorer = registry.build(spec, model.weights)
    residual = scorer.run(scorer.initial_state(1), x[:, None])[0].residual[REFERENCE_STEPS:, 0]
    return rescored(spec, model.weights, rows[:REFERENCE_STEPS], residual)


def measured(model: Checkpoint) -> list[Figure]:
    """Measure every size with every scoring."""
    specs = (PLAIN, *OTHERS.values())
    residents = [Resident(changed(model, *one), FEW) for one in specs]
    found = []
    for size in SIZES:
        calls = [Advancing(one, size).advance for one in residents]
        plain, *others = in_turn_us(calls)
        for name, took in zip(OTHERS, others, strict=True):
            where = ("Advance, times that with plain mse and z", name, size)
            found.append(Figure.of(where, took, plain, TARGET))
    return found


def main() -> int:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        model = Checkpoint.load(write_model(Path(home) / "bench"))
    console = Console(width=max(Console().width, 120))
    with torch.inference_mode():
        console.print(*tables_of(measured(model)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
