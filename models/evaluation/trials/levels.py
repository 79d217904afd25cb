"""The same stream under other levels: what alarms at each of them are worth."""

from typing import Final

from models.checkpoint import Checkpoint
from models.evaluation.metrics.alarms import alarms_of
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.figures import Level
from models.evaluation.trials.traffic import judged_under
from models.options import StreamOptions

GRID: Final = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 24.0)
"""Sigmas above the mean."""
ASKED: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""False alarms per day that are asked for; z is found then."""


def levels(checkpoint: Checkpoint, machine: Machine) -> list[Level]:
    """Let streams of every level take the machine's test part side by side.

    Returns:
        A level for each z of `GRID`, then one for each of `ASKED`, in their order.
    """
    options = [StreamOptions(start="reference", z=z) for z in GRID]
    options += [StreamOptions(start="reference", false_alarms_per_day=one) for one in ASKED]
    is_anomaly = judged_under(checkpoint, machine, options)
    found = list[Level]()
    for one, column in zip(options, is_anomaly.T, strict=True):
        alarms = alarms_of(column, machine.labels, machine.step_s)
        found.append(
            Level(
                z=one.z,
                asked=one.false_alarms_per_day,
                false_alarms_per_day=alarms.false_alarms_per_day,
                events_found=alarms.events_found,
            )
        )
    return found
