"""Small machines and the files they are read from."""

from typing import Any

import numpy as np

from models.blocks import Bool
from models.evaluation.recordings.machine import Machine
from tests.fakes import normal_values

TRAIN, TEST = 400, 200
EVENT = slice(100, 110)


def labels() -> Bool:
    """One event of ten rows."""
    marks = np.zeros(TEST, np.bool_)
    marks[EVENT] = True
    return marks


def machine(**changes: Any) -> Machine:
    """A machine of two metrics that leaves its usual range during the event."""
    test = normal_values(TEST, 2, seed=1)
    test[EVENT] += 3.0
    given: dict[str, Any] = {
        "name": "pump-1",
        "dataset": "pump",
        "metrics": ["flow", "heat"],
        "train": normal_values(TRAIN, 2),
        "test": test,
        "labels": labels(),
        "times": np.arange(TEST) * 60_000_000,
        "step_s": 60.0,
    }
    return Machine(**given | changes)
