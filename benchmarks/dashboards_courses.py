"""Panels that show a course: lines, stacked areas, heat maps, bands of states."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.dashboards_box import COLOURS, EDGE, FAINT, INK, Box
from benchmarks.dashboards_units import written
from models.blocks import Float64

LEGEND_IN: Final = 0.145
LEGEND_ROWS: Final = 6
LEFT_IN: Final = 0.62
TIME_IN: Final = 0.25
RIGHT_IN: Final = 0.5
MARK: Final = "#7b3fb5"
_CHARS_AN_INCH: Final = 16


def draw_course(box: Box) -> None:
    """Draw lines, one on the other where they are stacked."""
    found = [
        (box.name(letter, one["metric"]), _on_grid(box, one["values"]))
        for letter, series in enumerate(box.answers)
        for one in series
    ]
    if not found:
        return box.say_empty()
    shown = _legend_rows(found)
    has_right = any(_is_right(_override(box, name)) for name, _ in found)
    right = RIGHT_IN if has_right else 0.1
    axes = box.axes(left=LEFT_IN, below=TIME_IN + LEGEND_IN * (len(shown) + 0.6), right=right)
    base = np.zeros(len(_times(box)))
    for number, (name, values) in enumerate(found):
        base = _draw_line(axes, box, number, name, values, base)
    _scale(axes, box)
    _legend(box, shown)
    return None


def _draw_line(
    axes: Axes, box: Box, number: int, name: str, values: Float64, base: Float64
) -> Float64:
    """Draw a line; gives what the next one is stacked on."""
    override = _override(box, name)
    stacking = override.get("custom.stacking", box.defaults["custom"].get("stacking") or {})
    colour = box.line_colour(number, override)
    if _is_right(override):
        axes = axes.twinx()
        axes.set_ylim(0, 1.1 * max(float(np.nanmax(values, initial=0)), 1e-9))
        _dress(axes, box, override.get("unit", box.unit))
    line = values
    if stacking.get("mode") == "normal":
        line = np.where(np.isfinite(values), base + np.nan_to_num(values), np.nan)
        axes.fill_between(_times(box), base, line, color=colour, alpha=0.35, lw=0)
        base = base + np.nan_to_num(values)
    style = (0, (4, 3)) if "custom.lineStyle" in override else "-"
    axes.plot(_times(box), line, color=colour, lw=1.2, ls=style)
    return base


def _is_right(override: dict[str, Any]) -> bool:
    return override.get("custom.axisPlacement") == "right"


def _scale(axes: Axes, box: Box) -> None:
    """Set up the axis of values and the lines of the steps, which leave it as it is."""
    custom = box.defaults["custom"]
    if (custom.get("scaleDistribution") or {}).get("type") == "log":
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    if box.defaults.get("min") == 0 or custom.get("axisSoftMin") == 0:
        lowest, highest = axes.get_ylim()
        least = 0.0 if box.defaults.get("min") == 0 or axes.dataLim.y0 >= 0 else lowest
        axes.set_ylim(least, max(highest, custom.get("axisSoftMax", 1e-9)))
    limits = axes.get_ylim()
    for step in box.defaults["thresholds"]["steps"]:
        if custom.get("thresholdsStyle") and step["value"] is not None:
            axes.axhline(step["value"], color=COLOURS[step["color"]], lw=1, ls="--")
    axes.set_ylim(limits)
    _dress(axes, box, box.unit)


def draw_heat(box: Box) -> None:
    """Draw what fell into each bucket, brighter the more it is of the fullest."""
    counted = {one["metric"]["le"]: _on_grid(box, one["values"]) for one in box.answers[0]}
    bounds = sorted(counted, key=float)
    if not bounds:
        return box.say_empty()
    below = np.nan_to_num([counted[bound] for bound in bounds])
    inside = np.diff(below, axis=0, prepend=0.0)
    used = np.flatnonzero(inside.max(axis=1) > 0)
    first, last = (used[0], used[-1]) if len(used) else (0, len(bounds) - 1)
    kept = slice(max(first - 1, 0), last + 2)
    axes = box.axes(left=LEFT_IN, below=TIME_IN + LEGEND_IN)
    shown = np.sqrt(np.where(inside[kept] > 0, inside[kept], np.nan))  # as the panel's exponent
    edges = np.arange(len(shown) + 1)
    axes.pcolormesh(_times(box), edges[:-1] + 0.5, shown, cmap="Oranges", vmin=0, shading="nearest")
    names = [_bound(bound, box.unit) for bound in bounds[kept]]
    every = max(1, len(names) // 8)
    axes.set_yticks(edges[1::every], names[::every])
    axes.set_ylim(0, len(shown))
    _dress(axes, box, None)
    return None


def draw_states(box: Box) -> None:
    """Draw a band for each series, coloured by its state."""
    if not box.answers[0]:
        return box.say_empty()
    axes = box.axes(left=0.9, below=TIME_IN + 0.05)
    times = _times(box)
    names = []
    for place, one in enumerate(box.answers[0]):
        names.append(box.name(0, one["metric"]))
        values = _on_grid(box, one["values"])
        for state in np.unique(values[np.isfinite(values)]):
            _, colour = box.said(state) or ("", box.colour(state))
            axes.fill_between(
                times, place - 0.4, place + 0.4, where=values == state, color=colour, step="post",
                lw=0,
            )  # fmt: skip
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    _dress(axes, box, None)
    return None


def _bound(bound: str, unit: str) -> str:
    return "more" if bound == "+Inf" else f"≤ {written(float(bound), unit)}"


def _times(box: Box) -> Float64:
    span = box.span
    steps = np.arange(round((span.end - span.start) / span.step) + 1, dtype=np.float64)
    return span.start + span.step * steps


def _on_grid(box: Box, samples: list[tuple[float, str]]) -> Float64:
    """Put samples where they belong; where none is there is a gap."""
    values = np.full(len(_times(box)), np.nan)
    places = [round((time - box.span.start) / box.span.step) for time, _ in samples]
    values[places] = [float(value) for _, value in samples]
    values[~np.isfinite(values)] = np.nan
    return values


def _override(box: Box, name: str) -> dict[str, Any]:
    """Collect what is said of a series by its name."""
    found: dict[str, Any] = {}
    for one in box.panel["fieldConfig"]["overrides"]:
        kind, wanted = one["matcher"]["id"], one["matcher"]["options"]
        if (kind == "byName" and wanted == name) or (
            kind == "byRegexp" and re.search(wanted.strip("/"), name)
        ):
            found |= {each["id"]: each.get("value") for each in one["properties"]}
    return found


def _legend_rows(found: list[tuple[str, Float64]]) -> list[tuple[int, str, Float64]]:
    """Choose what the legend has room for: the largest first."""
    numbered = [(number, name, values) for number, (name, values) in enumerate(found)]
    numbered.sort(key=lambda one: -np.nanmax(one[2], initial=-np.inf))
    return numbered[:LEGEND_ROWS]


def _legend(box: Box, shown: list[tuple[int, str, Float64]]) -> None:
    """Write a table below: name, last, most."""
    axes = box.axes(below=0.04, above=box.height - 0.04 - LEGEND_IN * (len(shown) + 0.6))
    axes.set(xlim=(0, 1), ylim=(len(shown) + 0.6, 0))
    axes.axis("off")
    room = int((box.width - 1.6) * _CHARS_AN_INCH)
    for place, head in ((0.82, "Last"), (1.0, "Max")):
        axes.text(place, 0.25, head, fontsize=6, ha="right", va="center", color=FAINT)
    for row, (number, name, values) in enumerate(shown):
        at = row + 1.05
        axes.plot([0, 0.02], [at, at], color=box.line_colour(number, _override(box, name)), lw=2)
        text = name if len(name) <= room else name[: room - 1] + "…"
        axes.text(0.03, at, text, fontsize=6.5, va="center", color=INK)
        for place, one in ((0.82, values[-1]), (1.0, np.nanmax(values, initial=-np.inf))):
            told = written(float(one), _unit(box, name), box.decimals)
            axes.text(place, at, told, fontsize=6.5, va="center", ha="right", color=INK)


def _unit(box: Box, name: str) -> str:
    found: str = _override(box, name).get("unit", box.unit)
    return found


def _dress(axes: Axes, box: Box, unit: str | None) -> None:
    """Give axes their times, thin lines and small letters, and the values of a line their unit."""
    span = box.span
    axes.set_xlim(span.start, span.end)
    for mark in box.marks:
        axes.axvline(mark, color=MARK, lw=1, ls=":")
    ticks = np.linspace(span.start, span.end, 5)[1:-1]
    names = [datetime.fromtimestamp(tick, UTC).strftime("%H:%M:%S") for tick in ticks]
    axes.set_xticks(ticks, names)
    if unit is not None:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, unit)))
    axes.tick_params(labelsize=6.5, colors=FAINT, length=2, width=0.5)
    axes.grid(color=EDGE, lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
