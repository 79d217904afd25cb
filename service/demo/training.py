"""The demo's model: one small network for all pumps, trained on a day without faults."""

from collections.abc import Callable
from typing import Final

from models.checkpoint import Checkpoint
from models.epochs import FitOptions, Progress
from models.fit import fit
from models.spec import ScorerSpec, ThresholdSpec
from service.demo.plant import METRICS, Plant

PUMPS: Final = 6
TRAINING_SEED: Final = 1
"""Seed of the day that is trained on; a streamed plant must have another."""
RECORDED: Final = 5
"""Pumps recorded: the fifth held out for validation is one of them, without the jump from one pump
to the next, which the tail of the scores would take for something usual."""
MINUTE_S: Final = 60.0
"""What a reading of the plant stands for: a demo that took a day to a day would bore."""
STEPS_EACH: Final = 2_500
"""Steps recorded of each pump: about eight seasons."""


def train(on_batch: Callable[[Progress], None], step_s: float) -> Checkpoint:
    """Train on a recording of every pump's normal running, some 10 s.

    Args:
        on_batch: Called after each batch with what there is to show.
        step_s: Seconds between two readings once they are streamed.
    """
    recording = Plant(RECORDED, TRAINING_SEED).normal(STEPS_EACH)
    options = FitOptions(
        scorer=ScorerSpec(name="gru", sizes={"hidden": 32}),
        # one false alarm a day of the plant, which is over the sooner the faster it is streamed
        threshold=ThresholdSpec(false_alarms_per_day=MINUTE_S / step_s),
        epochs=30,
        patience=8,
        batch=32,
        stride=12,
        learning_rate=4e-3,
        source="simulated plant",
        on_batch=on_batch,
    )
    return fit(recording, [metric.name for metric in METRICS], options, step_s=step_s)
