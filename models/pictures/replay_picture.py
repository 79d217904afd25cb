"""The picture of a replay: metrics above the score against its threshold, above what came of it.

Needs matplotlib: see `models.pictures`.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.blocks import Int
from models.pictures.heat_map import NAMED_AT_MOST, draw_heat_map, draw_shares
from models.pictures.lines import literal
from models.pictures.metric_panels import draw_metric
from models.pictures.panels import (
    BLUE,
    FAINT,
    GREY,
    LEFT_IN,
    ORANGE,
    PURPLE,
    RIGHT_IN,
    WIDTH_IN,
    Line,
    draw_alerts,
    draw_lanes,
    draw_marks,
    draw_scores,
    draw_waiting,
    dress,
    legend,
    stacked,
)
from models.pictures.run import LINES_AT_MOST, Run, alert_runs, runs

_ONE_IN, _FEW_IN, _NAME_IN, _SCORE_IN, _LANE_IN = 3.8, 1.25, 0.19, 3.3, 0.26
_GAP_IN: Final = 0.3


def drawn(run: Run) -> Figure:
    """Draw a run, 1600 pixels wide at 100 dots an inch, as tall as its metrics need."""
    lanes = _lanes(run)
    heights = [*_metric_heights(len(run.metrics)), _SCORE_IN, _LANE_IN * len(lanes)]
    picture, (*metrics, score, below) = stacked(heights, _GAP_IN)
    if len(run.metrics) <= LINES_AT_MOST:
        for at, axes in enumerate(metrics):
            draw_metric(axes, run, at)
        legend(metrics[0], max(metrics, key=lambda axes: len(axes.get_legend_handles_labels()[1])))
    else:
        draw_heat_map(metrics[0], run)
        draw_shares(_beside(metrics[0]), run)
    _draw_score(score, run)
    draw_lanes(below, run.timeline, lanes)
    dress(below, run.timeline)
    height = picture.get_figheight()
    picture.suptitle(literal(run.title, 130), fontsize=13, y=1 - 0.14 / height, va="top")
    picture.text(0.5, 1 - 0.4 / height, literal(run.facts, 180), fontsize=10, ha="center", va="top")
    return picture


def _metric_heights(n_metrics: int) -> list[float]:
    """Say how tall the panels of the metrics are, in inches; a name takes its place."""
    if n_metrics == 1:
        return [_ONE_IN]
    if n_metrics <= LINES_AT_MOST:
        return [_FEW_IN] * n_metrics
    return [max(_ONE_IN, _NAME_IN * min(n_metrics, NAMED_AT_MOST))]


def _beside(axes: Axes) -> Axes:
    """Make a narrow panel at the right of another, in the margin."""
    inch = 1 / (WIDTH_IN - LEFT_IN - RIGHT_IN)
    beside: Axes = axes.inset_axes((1 + 0.1 * inch, 0, (RIGHT_IN - 0.3) * inch, 1))
    beside.set_ylim(axes.get_ylim())
    return beside


def _draw_score(axes: Axes, run: Run) -> None:
    lines = [Line(run.score, "score", FAINT, 0.9)]
    if run.smoothed is not None:
        lines.append(Line(run.smoothed, "smoothed score", BLUE, 0.8))
    lines.append(Line(run.threshold, "threshold", ORANGE, 1.3))
    draw_scores(axes, run.timeline, lines)
    draw_marks(axes, run, np.flatnonzero(run.is_anomaly), run.score, "anomaly")
    draw_alerts(axes, run)
    draw_waiting(axes, run)
    axes.set_title("score of each observation", loc="left", fontsize=9.5, pad=3)
    legend(axes)


def _lanes(run: Run) -> list[tuple[Int, str, str]]:
    """Say what came of the scores, each kind as runs of rows with its colour and name."""
    shifts = runs(run.is_shifted)
    waiting = runs(run.is_waiting)
    found = [
        (runs(run.is_anomaly), ORANGE, f"anomalies: {np.count_nonzero(run.is_anomaly):,}"),
        (alert_runs(run.alert), "#b03000", f"alerts: {run.n_alerts:,}"),
        (shifts, PURPLE, f"level shifts: {len(shifts):,}"),
    ]
    if len(waiting):
        found.append((waiting, GREY, f"not judged: {np.count_nonzero(run.is_waiting):,}"))
    return found
