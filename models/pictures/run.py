"""What a picture of a run shows: a recording and what its verdicts said, as columns."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Bool, Float64, Int
from models.pictures.timeline import Timeline

NONE: Final = -1
"""Stands in a column of metrics or alerts for "there is none"."""
LINES_AT_MOST: Final = 8
"""More metrics are drawn as a heat map, without what was expected of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One stream from its first observation to its last.

    Attributes:
        title: What was judged, and by what.
        facts: What else a reader has to know, in a line.
        metrics: Names of the F columns.
        values: Raw, `[N, F]`.
        timeline: Where the rows stand.
        minimum: Least value of each metric in the training data, `[F]`.
        maximum: Greatest.
        expected: What was predicted for the values, raw, `[N, F]`; NaN where unknown; None: it was
            not kept.
        score: `[N]`; NaN where there is none, as in the next two.
        smoothed: Smoothed scores, `[N]`; None: there are none.
        threshold: `[N]`.
        is_anomaly: `[N]`.
        is_waiting: Rows in washout or warm-up, which are not judged, `[N]`.
        leader: Metric with the largest share of each anomaly's score, `[N]`; `NONE` elsewhere.
        share: Mean share of each metric in the scores of anomalies, `[F]`; 0 without any.
        alert: Number of the alert that is open, `[N]`; `NONE` where none is.
        is_shifted: Rows on another level, from the first of them on, `[N]`.
    """

    title: str
    facts: str
    metrics: list[str]
    values: Float64
    timeline: Timeline
    minimum: Float64
    maximum: Float64
    expected: Float64 | None
    score: Float64
    smoothed: Float64 | None
    threshold: Float64
    is_anomaly: Bool
    is_waiting: Bool
    leader: Int
    share: Float64
    alert: Int
    is_shifted: Bool

    @property
    def n_alerts(self) -> int:
        """Count the alerts; one that opens again within its cooldown is the same."""
        return len(np.unique(self.alert[self.alert != NONE]))


def runs(flags: Bool) -> Int:
    """Find runs of true rows: first and end (exclusive), `[R, 2]`."""
    padded = np.concatenate(([False], flags, [False]))
    edges: Int = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)
    return edges


def alert_runs(alert: Int) -> Int:
    """Find the runs of rows in which one alert is open, `[R, 2]`."""
    first = np.flatnonzero(np.diff(alert, prepend=NONE))
    ends = np.append(first[1:], len(alert))
    is_open = alert[first] != NONE
    found: Int = np.stack([first[is_open], ends[is_open]], axis=1)
    return found


def worst(rows: Int, height: Float64, at: Float64, columns: int) -> Int:
    """Thin out marks: of those that would fall on one another the highest is kept.

    Args:
        rows: Which rows are marked, ascending, `[M]`.
        height: Of all rows, `[N]`; NaN counts as lowest.
        at: Places of all rows on the axis, ascending, `[N]`.
        columns: Into how many pieces the axis is cut.

    Returns:
        At most one row a piece, ascending.
    """
    if not len(rows):
        return rows
    width = (at[-1] - at[0]) or 1.0
    piece = np.minimum((at[rows] - at[0]) / width * columns, columns - 1).astype(np.int64)
    order = np.lexsort((np.nan_to_num(height[rows], nan=-np.inf), piece))
    is_last = np.append(np.diff(piece[order]) > 0, True)
    return np.sort(rows[order[is_last]])
