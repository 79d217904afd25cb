"""Draws a dashboard of `docker/grafana` as a contact sheet, laid out as Grafana would.

There need be no Grafana: a Prometheus answers the panels' queries, and each kind of panel is drawn
well enough to judge what a reader would see. Needs matplotlib.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmarks.dashboards_box import EDGE, FAINT, INK, Box
from benchmarks.dashboards_courses import draw_course, draw_heat, draw_states
from benchmarks.dashboards_queries import (
    Board,
    Series,
    Span,
    chosen,
    course,
    now,
    panels_of,
    replaced,
)
from benchmarks.dashboards_values import draw_bars, draw_number, draw_table

COLUMN_IN: Final = 0.58
ROW_IN: Final = 0.3
COLUMNS: Final = 24
GAP_IN: Final = 0.05
HEAD_IN: Final = 0.45
DPI: Final = 90
_DRAWERS: Final[dict[str, Callable[[Box], None]]] = {
    "stat": draw_number,
    "timeseries": draw_course,
    "bargauge": draw_bars,
    "heatmap": draw_heat,
    "table": draw_table,
    "state-timeline": draw_states,
}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a dashboard shows.

    Attributes:
        panels: By the panel's id, the answers to its queries.
        marks: Times of what is marked, seconds UTC.
        span: The time that is shown.
    """

    panels: Mapping[int, list[Series]]
    marks: list[float]
    span: Span


async def answers_to(
    client: httpx.AsyncClient, board: Board, span: Span, scrape_s: float
) -> Answers:
    """Ask what a dashboard asks, all variables set to all.

    Args:
        client: Of a Prometheus.
        board: The dashboard.
        span: What to show.
        scrape_s: How often Prometheus scrapes.
    """
    values = await chosen(client, board) | span.variables(scrape_s)
    panels = {
        panel["id"]: [await _answered(client, target, values, span) for target in panel["targets"]]
        for panel in panels_of(board)
    }
    marks = [
        float(series["values"][0][0])
        for mark in board["annotations"]["list"]
        for series in await course(client, replaced(mark["expr"], values), span)
    ]
    return Answers(panels, marks, span)


async def _answered(
    client: httpx.AsyncClient, target: dict[str, Any], values: dict[str, str], span: Span
) -> Series:
    expr = replaced(target["expr"], values)
    if target.get("instant"):
        return await now(client, expr, span.end)
    return await course(client, expr, span)


def drawn(board: Board, answers: Answers) -> Figure:
    """Draw the panels where they belong.

    Args:
        board: The dashboard.
        answers: To what it asks.
    """
    rows = max(_bottom(panel) for panel in board["panels"])
    wide, high = COLUMNS * COLUMN_IN + 2 * GAP_IN, rows * ROW_IN + HEAD_IN + GAP_IN
    figure = Figure(figsize=(wide, high), dpi=DPI, facecolor="#f4f5f7")
    figure.text(0.1 / wide, 1 - 0.2 / high, board["title"], fontsize=13, weight="bold", color=INK,
                va="center")  # fmt: skip
    for panel in board["panels"]:
        place = panel["gridPos"]
        left, bottom = place["x"] * COLUMN_IN + GAP_IN, (rows - _bottom(panel)) * ROW_IN + GAP_IN
        if panel["type"] == "row":
            y = (bottom + ROW_IN / 2) / high
            figure.text(0.1 / wide, y, panel["title"], fontsize=10, weight="bold", color=FAINT,
                        va="center")  # fmt: skip
            continue
        size = place["w"] * COLUMN_IN - GAP_IN, place["h"] * ROW_IN - GAP_IN
        found = answers.panels[panel["id"]], answers.span, answers.marks
        _draw(Box(figure, panel, *found, left, bottom, *size))
    return figure


def _bottom(panel: dict[str, Any]) -> int:
    place: dict[str, int] = panel["gridPos"]
    return place["y"] + place["h"]


def _draw(box: Box) -> None:
    """Draw the frame, the title and what is in it."""
    wide, high = box.figure.get_size_inches()
    place = (box.left / wide, box.bottom / high), box.width / wide, box.height / high
    box.figure.add_artist(Rectangle(*place, facecolor="white", edgecolor=EDGE, lw=0.8, zorder=0))
    title = box.panel["title"].replace("$model", "all")
    at = (box.left + 0.08) / wide, (box.bottom + box.height - 0.13) / high
    box.figure.text(*at, title, fontsize=8.5, weight="bold", color=INK, va="center")
    _DRAWERS[box.panel["type"]](box)
