"""Panels under one another on one axis of time, and how scores and spans are drawn in them.

Needs matplotlib: see `models.pictures`.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from models.blocks import Float64, Int
from models.pictures.lines import extremes
from models.pictures.run import Run, alert_runs, runs, worst
from models.pictures.timeline import Timeline

BLUE: Final = "#0072B2"
LIGHT: Final = "#56B4E9"
FAINT: Final = "#94c4e4"
ORANGE: Final = "#D55E00"
GREEN: Final = "#009E73"
PURPLE: Final = "#AA3377"
GREY: Final = "#8a8f98"
SHADE: Final = "#dcdfe4"
PALE: Final = "#eeeeee"
ALERT: Final = "#f6d5c3"
WIDTH_IN: Final = 16.0
LEFT_IN, RIGHT_IN, TOP_IN, BOTTOM_IN = 1.75, 2.05, 0.85, 0.65
WIDE_RANGE: Final = 30.0
"""How much greater the largest score may be than the usual before the axis must be logarithmic."""
LOW: Final = 0.05
"""Share of the scores that a logarithmic axis leaves below its begin: nobody looks for them."""
DECADES: Final = 1e-6
"""A logarithmic axis shows no less than this part of its largest value."""
MARKS: Final = 240
"""Marks side by side in a panel, at most: so many can be told apart."""
FEW_MARKS: Final = 100
"""More are drawn smaller."""
_DATES: Final = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
"""Of ticks a year, month, day, hour, minute or second apart."""
_FIRST_DATES: Final = ["", "%b %Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
"""Of the first tick of a larger one of these."""
LEAST_WIDTH: Final = 1 / 800
"""Of a bar, in shares of the axis: one row of many would be narrower than a pixel."""


class Line(NamedTuple):
    """A line of a panel.

    Attributes:
        values: `[N]`, NaN where there is none.
        label: What the legend says.
        colour: Its colour.
        width: In points.
    """

    values: Float64
    label: str
    colour: str
    width: float


def stacked(heights: Sequence[float], gap: float) -> tuple[Figure, list[Axes]]:
    """Make a figure, 1600 pixels wide at 100 dots an inch, of panels on one axis of time.

    Args:
        heights: Of the panels from the top, in inches.
        gap: Between two of them.
    """
    height = TOP_IN + BOTTOM_IN + sum(heights) + gap * (len(heights) - 1)
    picture = Figure(figsize=(WIDTH_IN, height), dpi=100)
    left, width = LEFT_IN / WIDTH_IN, (WIDTH_IN - LEFT_IN - RIGHT_IN) / WIDTH_IN
    panels, top = list[Axes](), height - TOP_IN
    for one in heights:
        place = (left, (top - one) / height, width, one / height)
        shared = panels[0] if panels else None
        panels.append(picture.add_axes(place, sharex=shared))
        top -= one + gap
    for panel in panels[:-1]:
        panel.tick_params("x", labelbottom=False)
    return picture, panels


def dress(axes: Axes, timeline: Timeline) -> None:
    """Give the lowest panel the axis of time."""
    edges = timeline.edges
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel(timeline.label)
    if timeline.is_dates:
        locator = AutoDateLocator(minticks=5, maxticks=12)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(
            ConciseDateFormatter(
                locator, formats=_DATES, zero_formats=_FIRST_DATES, show_offset=False
            )
        )


def draw_line(axes: Axes, timeline: Timeline, line: Line, zorder: float = 2.0) -> None:
    """Draw a line through as many rows as there are pixels, broken at wide gaps."""
    rows = extremes(line.values)
    at, shown = timeline.at[rows], line.values[rows]
    begins = np.searchsorted(rows, timeline.after_gaps())
    at, shown = np.insert(at, begins, np.nan), np.insert(shown, begins, np.nan)
    # a value between two unknown ones would have no length
    style = "." if len(rows) == 1 else ""
    axes.plot(
        at, shown, style + "-", label=line.label, color=line.colour, linewidth=line.width,
        zorder=zorder,
    )  # fmt: skip


def bottom(score: Float64) -> float | None:
    """Find where a logarithmic axis would begin; None if a linear one will do."""
    positive = score[np.isfinite(score) & (score > 0)]
    if not len(positive) or positive.max() <= WIDE_RANGE * np.median(positive):
        return None
    return float(max(np.quantile(positive, LOW), positive.max() * DECADES))


def draw_scores(axes: Axes, timeline: Timeline, lines: Sequence[Line]) -> float | None:
    """Draw scores and what they are held against; the first line says what axis it must be.

    Returns:
        Where the logarithmic axis begins; None: it is linear.
    """
    least = bottom(lines[0].values)
    for line in lines:
        # the logarithm of 0 would break the line
        shown = line.values if least is None else np.maximum(line.values, least)
        draw_line(axes, timeline, line._replace(values=shown))
    if least is None:
        axes.set_ylim(bottom=0)
    else:
        axes.set_yscale("log")
    axes.set_ylabel("score" if least is None else "score (log scale)")
    axes.grid(axis="y", color=PALE, zorder=0)
    return least


def bars(runs: Int, edges: Float64) -> list[tuple[float, float]]:
    """Give begin and width of runs of rows, `[R, 2]`, none narrower than a pixel."""
    # up to the next row, a run would reach over a gap that follows it
    ends = edges[runs[:, 1] - 1] + (edges[-1] - edges[-2])
    begins = edges[runs[:, 0]]
    widths = np.maximum(ends - begins, (edges[-1] - edges[0]) * LEAST_WIDTH)
    return list(zip(begins.tolist(), widths.tolist(), strict=True))


def draw_spans(axes: Axes, runs: Int, timeline: Timeline, colour: str, label: str) -> None:
    """Shade runs of rows over the whole height, behind all else; nothing if there are none."""
    if len(runs):
        axes.broken_barh(
            bars(runs, timeline.edges), (0, 1), transform=axes.get_xaxis_transform(), color=colour,
            linewidth=0, zorder=0.5, label=label,
        )  # fmt: skip


def draw_alerts(axes: Axes, run: Run) -> None:
    """Shade where an alert is open."""
    draw_spans(axes, alert_runs(run.alert), run.timeline, ALERT, "alert open")


def draw_waiting(axes: Axes, run: Run) -> None:
    """Shade where the stream is not judged yet."""
    waiting = runs(run.is_waiting)
    draw_spans(axes, waiting, run.timeline, SHADE, "washout or warm-up:\nnot judged")


def draw_marks(axes: Axes, run: Run, rows: Int, height: Float64, label: str) -> Int:
    """Mark rows at their height, `[N]`; of marks on one another that of the highest score stays.

    Returns:
        The rows that are marked.
    """
    kept = worst(rows, run.score, run.timeline.at, MARKS)
    if len(kept):
        axes.plot(
            run.timeline.at[kept], height[kept], "o", color=ORANGE, label=label, zorder=3,
            markersize=5.0 if len(kept) <= FEW_MARKS else 3.2,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    return kept


def draw_lanes(
    axes: Axes, timeline: Timeline, lanes: Sequence[tuple[Int, str, str]], size: float = 9
) -> None:
    """Draw a named lane of bars for each kind of runs: runs, colour, name; the first on top."""
    for lane, (found, colour, _) in enumerate(lanes):
        places = bars(found, timeline.edges)
        axes.broken_barh(places, (lane - 0.4, 0.8), color=colour, linewidth=0)
        if lane:
            axes.axhline(lane - 0.5, color="#dddddd", linewidth=0.8)
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.set_yticks(range(len(lanes)), [label for _, _, label in lanes], fontsize=size)
    for tick, (_, colour, _) in zip(axes.get_yticklabels(), lanes, strict=True):
        tick.set_color(colour)
    axes.tick_params("y", length=0)


def legend(axes: Axes, of: Axes | None = None) -> None:
    """Explain what is drawn, here or in another panel, at the right of the panel."""
    handles, labels = (of or axes).get_legend_handles_labels()
    told = axes.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=9
    )
    for line in told.get_lines():
        if line.get_linestyle() != "None":
            line.set_linewidth(max(line.get_linewidth(), 2.5))
