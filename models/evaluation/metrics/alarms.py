"""Alarms as an operator sees them: how many were false, which events were found, and how late."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Bool, Float64, Int
from models.evaluation.metrics.segments import END, FIRST, joined, segments, widened

GAP: Final = 10
"""Steps: anomalies no further apart are one alarm."""
SLACK: Final = 30
"""Steps before and after a true segment in which an alarm is not false."""
DAY_S: Final = 86_400.0
"""Seconds of a day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What the verdicts on one stream were worth.

    Attributes:
        events: True segments.
        events_found: Those with an anomaly in one of their own rows.
        delay_steps: Median steps from the first row of an event to its first anomaly, of those
            found; None where none was.
        false_alarms: Alarms that touch no true segment, slack included.
        false_alarms_per_day: The same for one day of the stream.
        alarm_share: Share of the rows that are anomalies, 0 to 1.
        days: Length of the stream.
    """

    events: int
    events_found: int
    delay_steps: float | None
    false_alarms: int
    false_alarms_per_day: float
    alarm_share: float
    days: float


def alarms_of(is_anomaly: Bool, labels: Bool, step_s: float) -> Alarms:
    """Judge the anomalies of one stream as alarms.

    An alarm is a run of anomalies, runs no more than `GAP` steps apart joined; it is false if
    none of its rows is in a true segment widened by `SLACK` steps on each side.

    Args:
        is_anomaly: What the verdicts said, `[N]`, N >= 1.
        labels: Which rows are anomalous, `[N]`; all false is allowed.
        step_s: Seconds between two rows, > 0.

    Returns:
        The alarms; a day is a day of the whole stream, true segments included.

    Raises:
        ValueError: Shapes differ, there is no row, or the step is not above 0.
    """
    if is_anomaly.shape != labels.shape or not labels.size:
        raise ValueError(
            f"is_anomaly {is_anomaly.shape} and labels {labels.shape} must have the same length, "
            "at least 1"
        )
    if not 0 < step_s < np.inf:
        raise ValueError(f"step_s must be a number of seconds above 0, not {step_s}")
    events = segments(labels)
    delays = _delays(is_anomaly, events)
    false_alarms = _false_alarms(is_anomaly, events)
    days = step_s * labels.size / DAY_S
    return Alarms(
        events=len(events),
        events_found=delays.size,
        delay_steps=float(np.median(delays)) if delays.size else None,
        false_alarms=false_alarms,
        false_alarms_per_day=false_alarms / days,
        alarm_share=float(np.mean(is_anomaly)),
        days=days,
    )


def _delays(is_anomaly: Bool, events: Int) -> Float64:
    """List the steps to the first anomaly of the events that have one, `[events found]`."""
    anomalies = np.append(np.flatnonzero(is_anomaly), is_anomaly.size)
    first = anomalies[np.searchsorted(anomalies, events[:, FIRST])]
    is_found = first < events[:, END]
    return (first - events[:, FIRST])[is_found].astype(np.float64)


def _false_alarms(is_anomaly: Bool, events: Int) -> int:
    """Count the alarms that lie wholly outside the widened events."""
    alarms = joined(segments(is_anomaly), GAP)
    around = widened(events, SLACK, is_anomaly.size)
    # Ends and beginnings rise both, so the first event that ends after an alarm begins decides.
    i = np.searchsorted(around[:, END], alarms[:, FIRST], side="right")
    begins = np.append(around[:, FIRST], is_anomaly.size)
    return int(np.count_nonzero(begins[i] >= alarms[:, END]))
