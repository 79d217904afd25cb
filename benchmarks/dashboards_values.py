"""Panels that show values of now: numbers, bars, tables."""

from typing import Any, Final

import numpy as np

from benchmarks.dashboards_box import EDGE, FAINT, INK, Box
from benchmarks.dashboards_units import written

ROW_IN: Final = 0.21
NAME_IN: Final = 1.2


def draw_number(box: Box) -> None:
    """Draw the last value on its colour, the course behind it."""
    samples = [float(value) for _, value in box.answers[0][0]["values"]] if box.answers[0] else []
    if not samples:
        return box.say_empty()
    text, colour = box.said(samples[-1]) or (
        written(samples[-1], box.unit, box.decimals),
        box.colour(samples[-1]),
    )
    axes = box.axes(left=0.02, below=0.02, above=0.24)
    axes.set_facecolor(colour)
    axes.set(xticks=[], yticks=[], xlim=(0, max(len(samples) - 1, 1)))
    axes.spines[:].set_visible(False)
    if box.panel["options"]["graphMode"] == "area":
        drawn = np.array(samples)
        drawn[~np.isfinite(drawn)] = 0
        axes.fill_between(np.arange(len(drawn)), drawn, color="white", alpha=0.3, lw=0)
        axes.set_ylim(min(0, drawn.min()), 2.5 * max(drawn.max(), 1e-9))
    axes.text(
        0.5, 0.55, text, transform=axes.transAxes, ha="center", va="center", fontsize=17,
        color="white", weight="bold",
    )  # fmt: skip
    return None


def draw_bars(box: Box) -> None:
    """Draw a bar for each series, in the order they come."""
    found = [
        (box.name(0, one["metric"]), float(one["value"][1]))
        for one in box.answers[0]
    ]  # fmt: skip
    if not found:
        return box.say_empty()
    axes = box.axes(left=NAME_IN)
    places = np.arange(len(found))
    values = [value for _, value in found]
    axes.barh(places, [max(values)] * len(found), color="#eef1f5", height=0.75)
    axes.barh(places, values, color=[box.colour(value) for value in values], height=0.75)
    for place, (name, value) in enumerate(found):
        text = written(value, box.unit, box.decimals)
        axes.text(-0.01 * max(values), place, name, ha="right", va="center", fontsize=8, color=INK)
        axes.text(0.995 * max(values), place, text, ha="right", va="center", fontsize=8, color=INK)
    axes.set(ylim=(max(len(found), 4) - 0.4, -0.6), xlim=(0, max(values)))
    axes.axis("off")
    return None


def draw_table(box: Box) -> None:
    """Draw the rows that fit, sorted as the panel says."""
    arranged = box.panel["transformations"][-1]["options"]
    fields = sorted(arranged["indexByName"], key=arranged["indexByName"].get)
    rows = _joined(box, fields)
    if not rows:
        return box.say_empty()
    titles = arranged["renameByName"]
    (sorting,) = box.panel["options"]["sortBy"]
    by = next(field for field in fields if titles[field] == sorting["displayName"])
    rows.sort(key=lambda row: row.get(by, ""), reverse=bool(sorting["desc"]))
    axes = box.axes()
    axes.axis("off")
    fit = int((box.height - 0.36) / ROW_IN) - 1
    axes.set(xlim=(0, 1), ylim=(fit + 1, 0))
    places = _places(fields, rows)
    overrides = {one["matcher"]["options"]: one["properties"] for one in _overrides(box)}
    for at, field in zip(places, fields, strict=True):
        axes.text(at, 0.5, titles[field], va="center", fontsize=8, weight="bold", color=FAINT)
        properties = {one["id"]: one["value"] for one in overrides.get(titles[field], [])}
        for number, row in enumerate(rows[:fit], 1):
            text, colour = _cell(box, row.get(field), properties)
            axes.text(at, number + 0.5, text, va="center", fontsize=8, color=colour)
    axes.axhline(1, color=EDGE, lw=0.8)
    return None


def _places(fields: list[str], rows: list[dict[str, str | float]]) -> list[float]:
    """Find where columns begin: each as wide as its longest text asks for, 0 to 1."""
    texts = [[str(row.get(field, "")) for row in rows if field[:5] != "Value"] for field in fields]
    widths = np.array([max(8, *map(len, column), 8) for column in texts], dtype=np.float64)
    places: list[float] = ((np.cumsum(widths) - widths) / widths.sum()).tolist()
    return places


def _overrides(box: Box) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = box.panel["fieldConfig"]["overrides"]
    return [one for one in found if one["matcher"]["id"] == "byName"]


def _joined(box: Box, fields: list[str]) -> list[dict[str, str | float]]:
    """Put the answers side by side: rows with the same labels are one."""
    rows: dict[tuple[str, ...], dict[str, str | float]] = {}
    for target, series in zip(box.panel["targets"], box.answers, strict=True):
        field = "Value" if len(box.answers) == 1 else f"Value #{target['refId']}"
        for one in series:
            labels = {name: text for name, text in one["metric"].items() if name in fields}
            row = rows.setdefault(tuple(labels.get(name, "") for name in fields), dict(labels))
            row[field] = float(one["value"][1])
    return list(rows.values())


def _cell(box: Box, cell: str | float | None, properties: dict[str, Any]) -> tuple[str, str]:
    if isinstance(cell, str):
        return cell, INK
    if cell is None:
        return "-", FAINT
    colour = box.colour(cell) if "custom.cellOptions" in properties else INK
    return written(cell, properties.get("unit", box.unit), box.decimals), colour
