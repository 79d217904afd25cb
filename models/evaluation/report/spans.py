"""Which events were found and which alarms were false, as runs of rows."""

from typing import NamedTuple

import numpy as np

from models.blocks import Bool, Int
from models.evaluation.metrics.alarms import GAP, SLACK
from models.evaluation.metrics.segments import END, FIRST, joined, segments, widened


class Spans(NamedTuple):
    """Runs of rows, begin and end (exclusive), `[S, 2]` each.

    Attributes:
        found: Events with an anomaly in them.
        missed: The other events.
        true: Alarms at an event, or within the slack around one.
        false: The other alarms.
    """

    found: Int
    missed: Int
    true: Int
    false: Int


def spans(labels: Bool, is_anomaly: Bool) -> Spans:
    """Tell events found from missed ones, and alarms from false alarms.

    Args:
        labels: Which rows are anomalous, `[N]`.
        is_anomaly: What the verdicts said, `[N]`.
    """
    events = segments(labels)
    alarms = joined(segments(is_anomaly), GAP)
    near = _flags(widened(events, SLACK, len(labels)), len(labels))
    is_found, is_true = _touches(events, is_anomaly), _touches(alarms, near)
    return Spans(events[is_found], events[~is_found], alarms[is_true], alarms[~is_true])


def _touches(runs: Int, flags: Bool) -> Bool:
    """Say which runs have a true row, `[S]`."""
    before = np.concatenate(([0], np.cumsum(flags)))
    has: Bool = before[runs[:, END]] > before[runs[:, FIRST]]
    return has


def _flags(runs: Int, n: int) -> Bool:
    """Mark the rows of runs that may overlap, `[N]`."""
    steps = np.zeros(n + 1, np.int64)
    np.add.at(steps, runs[:, FIRST], 1)
    np.add.at(steps, runs[:, END], -1)
    inside: Bool = np.cumsum(steps[:n]) > 0
    return inside
