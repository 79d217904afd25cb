"""What may differ from stream to stream."""

from dataclasses import dataclass
from typing import Literal

from models.spec import Policy

Start = Literal["own", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What may differ from stream to stream; None takes the checkpoint's default.

    Attributes:
        z: Sigmas between mean and threshold.
        false_alarms_per_day: Sets the level instead of z; where both are given it counts.
        start: `own`: washed out on the reference tail, then on its own first observations.
            `reference`: goes on from the training data, live at once if primed.
        prime: Whether the threshold window starts with the validation scores.
    """

    z: float | None = None
    false_alarms_per_day: float | None = None
    sigma_floor: float | None = None
    policy: Policy | None = None
    start: Start = "own"
    prime: bool = True
