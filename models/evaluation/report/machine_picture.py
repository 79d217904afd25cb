"""The picture of one machine and scorer: metrics, score against threshold, events and alarms.

Needs matplotlib: imported only by `models.evaluation.report.pictures`, once that is known to be
there.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.blocks import Float64
from models.evaluation.metrics.alarms import DAY_S
from models.evaluation.metrics.segments import segments
from models.evaluation.report.means import summary
from models.evaluation.report.spans import Spans, spans
from models.evaluation.report.tables import rounded
from models.evaluation.trials.trial import Result
from models.pictures.lines import extremes, literal, typical
from models.pictures.panels import (
    BLUE,
    GREEN,
    LIGHT,
    ORANGE,
    PURPLE,
    SHADE,
    Line,
    draw_lanes,
    draw_scores,
    draw_spans,
    legend,
)
from models.pictures.timeline import Timeline

PLACES: Final = {
    "height_ratios": (3.2, 3.2, 0.62, 0.62),
    "left": 0.105,
    "right": 0.885,
    "top": 0.95,
    "bottom": 0.065,
    "hspace": 0.12,
}
"""Of the panels: the same in all pictures, so that one can be held against another."""
LEAST_DAYS: Final = 4
"""A shorter recording is drawn in hours."""


def drawn(result: Result) -> Figure:
    """Draw one machine and scorer, 1600 pixels wide at 100 dots per inch."""
    picture = Figure(figsize=(16, 9), dpi=100)
    panels = picture.subplots(4, 1, sharex=True, gridspec_kw=PLACES)
    at, unit = _times(result)
    found = spans(result.machine.labels, result.run.is_anomaly)
    _draw_metrics(panels[0], result, at)
    timeline = Timeline(at, unit, is_dates=False)
    _draw_scores(panels[1], result, timeline)
    _draw_events(panels[2], found, timeline)
    _draw_alarms(panels[3], found, timeline)
    panels[3].set_xlabel(f"{unit} since the begin of the test part")
    panels[0].set_xlim(at[0], at[-1])
    picture.suptitle(_title(result), fontsize=13, y=0.985)
    return picture


def _times(result: Result) -> tuple[Float64, str]:
    """Place the rows, and the end of the last, on an axis in hours or days, `[N + 1]`."""
    machine = result.machine
    seconds = (machine.times - machine.times[0]) / 1e6
    seconds = np.append(seconds, seconds[-1] + machine.step_s)
    is_long = seconds[-1] >= LEAST_DAYS * DAY_S
    return seconds / (DAY_S if is_long else 3_600.0), "days" if is_long else "hours"


def _title(result: Result) -> str:
    row = summary(result.figures)
    return (
        f"{literal(str(row.machine))}, {literal(row.scorer)}: "
        f"AUC-PR {rounded(row.auc_pr, 3)}, VUS-PR {rounded(row.vus_pr, 3)}, "
        f"{row.events_found} of {row.events} events found, "
        f"{rounded(row.false_alarms_per_day, 2)} false alarms a day"
    )


def _draw_metrics(axes: Axes, result: Result, at: Float64) -> None:
    """Draw one metric as a line, several as a heat-map; both in units of the training range."""
    machine = result.machine
    least, greatest = machine.train.min(axis=0), machine.train.max(axis=0)
    # a metric that was constant shows nothing but that it left its value
    width = np.where(greatest > least, greatest - least, 1.0)
    scaled = (machine.test - least) / width
    if scaled.shape[1] == 1:
        _draw_metric(axes, scaled[:, 0], at, machine.metrics[0])
        return
    usual = (np.median(machine.train, axis=0) - least) / width
    first, kept = typical(np.clip(scaled, 0.0, 1.0), usual)
    edges = at[np.append(first, len(at) - 1)]
    lanes = np.arange(kept.shape[1] + 1) - 0.5
    mesh = axes.pcolormesh(edges, lanes, kept.T, cmap="cividis", vmin=0, vmax=1, rasterized=True)
    axes.invert_yaxis()
    _name_metrics(axes, machine.metrics)
    bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.012, 0.0, 0.012, 1.0)), ticks=(0, 1))
    bar.ax.set_yticklabels(["least in training,\nor less", "greatest, or more"], fontsize=9)


def _draw_metric(axes: Axes, values: Float64, at: Float64, name: str) -> None:
    rows = extremes(values)
    axes.axhspan(0, 1, color="#eeeeee", zorder=0, label="training range")
    axes.plot(at[rows], values[rows], color=BLUE, linewidth=0.8)
    axes.set_ylabel(f"{literal(name, 40)}\n(training range = 0 to 1)", fontsize=9)
    legend(axes)


def _name_metrics(axes: Axes, names: list[str]) -> None:
    """Name every metric, or as many as can be read."""
    every = -(-len(names) // 20)
    shown = list(range(0, len(names), every))
    axes.set_yticks(shown, [literal(names[row], 16) for row in shown], fontsize=8)
    axes.set_ylabel(f"{len(names)} metrics")


def _draw_scores(axes: Axes, result: Result, timeline: Timeline) -> None:
    run = result.run
    lines = [Line(run.score, "score", BLUE, 0.7)]
    if run.smoothed is not None:
        lines.append(Line(run.smoothed, "smoothed score", LIGHT, 1.0))
    lines.append(Line(run.threshold, "threshold", ORANGE, 1.3))
    draw_scores(axes, timeline, lines)
    draw_spans(axes, segments(result.machine.labels), timeline, SHADE, "labelled event")
    legend(axes)


def _draw_events(axes: Axes, found: Spans, timeline: Timeline) -> None:
    n = len(found.found) + len(found.missed)
    draw_lanes(
        axes,
        timeline,
        (
            (found.found, GREEN, f"events found: {len(found.found)} of {n}"),
            (found.missed, ORANGE, f"events missed: {len(found.missed)}"),
        ),
    )


def _draw_alarms(axes: Axes, found: Spans, timeline: Timeline) -> None:
    draw_lanes(
        axes,
        timeline,
        (
            (found.true, GREEN, f"alarms at events: {len(found.true)}"),
            (found.false, PURPLE, f"false alarms: {len(found.false)}"),
        ),
    )
