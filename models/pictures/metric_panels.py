"""Metrics of a run as lines in their own units, with what was expected and where anomalies were.

Needs matplotlib: see `models.pictures`.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from models.pictures.lines import literal
from models.pictures.panels import (
    BLUE,
    FEW_MARKS,
    LIGHT,
    ORANGE,
    PALE,
    Line,
    draw_alerts,
    draw_line,
    draw_marks,
    draw_waiting,
)
from models.pictures.run import Run

WHOLE: Final = 3000
"""In a line of more rows the one that was expected would not be told from the one that came."""


def draw_metric(axes: Axes, run: Run, metric: int) -> None:
    """Draw one metric in raw units: what came, what was expected, where it led an anomaly."""
    values = run.values[:, metric]
    least, greatest = run.minimum[metric], run.maximum[metric]
    axes.axhspan(least, greatest, color=PALE, linewidth=0, zorder=0, label="training range")
    draw_waiting(axes, run)
    draw_alerts(axes, run)
    if run.expected is not None and len(values) <= WHOLE:
        draw_line(axes, run.timeline, Line(run.expected[:, metric], "expected", LIGHT, 2.2))
    draw_line(axes, run.timeline, Line(values, "observed", BLUE, 0.8))
    led = np.flatnonzero(run.leader == metric)
    told = "anomaly" if len(run.metrics) == 1 else "anomaly,\nled by this metric"
    marked = draw_marks(axes, run, led, values, told)
    if run.expected is not None and 0 < len(marked) <= FEW_MARKS:
        axes.vlines(
            run.timeline.at[marked], values[marked], run.expected[marked, metric], color=ORANGE,
            linewidth=1.0, zorder=2.5, label="distance to expected",
        )  # fmt: skip
    axes.set_title(literal(run.metrics[metric], 100), loc="left", fontsize=9.5, pad=3)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params("y", labelsize=8)
    # the factor of large values would stand on the name
    axes.yaxis.get_offset_text().set_horizontalalignment("right")
    axes.yaxis.get_offset_text().set_fontsize(8)
