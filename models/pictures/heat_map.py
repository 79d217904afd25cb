"""Many metrics of a run as a heat map, and how much each had to do with the anomalies.

Needs matplotlib: see `models.pictures`.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.ticker import MaxNLocator, PercentFormatter

from models.blocks import Bool, Float64, Int
from models.pictures.lines import literal, typical
from models.pictures.panels import GREY, MARKS, ORANGE
from models.pictures.run import NONE, Run, worst

NAMED_AT_MOST: Final = 60
"""Of more metrics than that not all names find a place."""
_NAME: Final = 20
_AT_ONCE: Final = 8
_LEAST_LED: Final = 0.01
"""Share of the anomalies that a metric must lead for its name to stand out."""


def draw_heat_map(axes: Axes, run: Run) -> None:
    """Draw all metrics in shares of their training range, with marks where one led an anomaly."""
    first, kept = _shortened(run)
    edges = run.timeline.edges[np.append(first, len(run.values))]
    lanes = np.arange(kept.shape[1] + 1) - 0.5
    mesh = axes.pcolormesh(edges, lanes, kept.T, cmap="cividis", vmin=0, vmax=1, rasterized=True)
    axes.set_ylim(lanes[-1], lanes[0])
    _mark_leaders(axes, run)
    _name_metrics(axes, run)
    _explain_colours(axes, mesh)


def _shortened(run: Run) -> tuple[Int, Float64]:
    """Scale and shorten a few metrics at a time: all at once would take the table's room again."""
    # a metric that was constant shows nothing but that it left its value
    span = np.where(run.maximum > run.minimum, run.maximum - run.minimum, 1.0)
    first, parts = np.empty(0, np.int64), list[Float64]()
    for begin in range(0, len(span), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        scaled = np.clip((run.values[:, part] - run.minimum[part]) / span[part], 0.0, 1.0)
        first, kept = typical(scaled, np.nanmedian(scaled, axis=0))
        parts.append(kept)
    return first, np.concatenate(parts, axis=1)


def _explain_colours(axes: Axes, mesh: QuadMesh) -> None:
    """Put the scale above the map, at its right end."""
    inch = _inch(axes)
    low, high = 0.07 * inch, 0.21 * inch
    place = axes.inset_axes((0.74, 1 + low, 0.06, high - low))
    axes.figure.colorbar(mesh, cax=place, orientation="horizontal", ticks=[])
    middle = 1 + (low + high) / 2
    for x, side, text in (
        (0.735, "right", "least in training, or less"),
        (0.805, "left", "greatest in training, or more"),
    ):
        axes.text(x, middle, text, fontsize=9, ha=side, va="center", transform=axes.transAxes)


def _inch(axes: Axes) -> float:
    """Give an inch in heights of the panel."""
    return float(axes.figure.dpi / axes.bbox.height)


def _mark_leaders(axes: Axes, run: Run) -> None:
    at = run.timeline.at
    places, heights = list[Float64](), list[Float64]()
    for metric in np.unique(run.leader[run.leader != NONE]).tolist():
        rows = worst(np.flatnonzero(run.leader == metric), run.score, at, MARKS)
        places.append(at[rows])
        heights.append(np.full(len(rows), float(metric)))
    if places:
        axes.plot(
            np.concatenate(places), np.concatenate(heights), "o", color=ORANGE, markersize=4.5,
            markeredgecolor="white", markeredgewidth=0.6, label="metric that led an anomaly",
        )  # fmt: skip
        above = 1 + 0.03 * _inch(axes)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0.0, above), frameon=False, fontsize=9,
            borderaxespad=0.0, borderpad=0.0, handletextpad=0.1,
        )  # fmt: skip


def draw_shares(axes: Axes, run: Run) -> None:
    """Draw beside the heat map how much each metric contributed to the anomalies' scores."""
    colours = np.where(leads(run), ORANGE, GREY)
    axes.barh(np.arange(len(run.share)), run.share, color=colours.tolist(), height=0.75)
    axes.set_xlim(0, max(float(run.share.max()) * 1.05, 0.01))
    axes.xaxis.set_major_locator(MaxNLocator(2))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params("y", left=False, labelleft=False)
    axes.tick_params("x", labelsize=8)
    axes.set_title("part in the scores\nof anomalies", fontsize=9, loc="left", pad=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def leads(run: Run) -> Bool:
    """Say which metrics led more than a few of the anomalies, `[F]`."""
    led = np.bincount(run.leader[run.leader != NONE], minlength=len(run.metrics))
    found: Bool = led > _LEAST_LED * led.sum()
    return found


def _name_metrics(axes: Axes, run: Run) -> None:
    """Name every metric, or as many as can be read, those that led anomalies before the others."""
    has_led = leads(run)
    shown = named(run.share, has_led)
    axes.set_yticks(shown, [literal(run.metrics[row], _NAME) for row in shown], fontsize=8)
    for tick, row in zip(axes.get_yticklabels(), shown.tolist(), strict=True):
        if has_led[row]:
            tick.set_color(ORANGE)
            tick.set_fontweight("bold")


def named(share: Float64, has_led: Bool) -> Int:
    """Choose the lanes that are named so that no name touches another.

    Args:
        share: By which lanes are ranked, `[F]`.
        has_led: Lanes that come first, `[F]`.

    Returns:
        Lanes, ascending.
    """
    n = len(share)
    apart = -(-n // NAMED_AT_MOST)
    is_free, chosen = np.ones(n, np.bool_), list[int]()
    every = np.arange(n) % apart > 0
    for lane in np.lexsort((np.arange(n), every, -share * has_led, ~has_led)).tolist():
        if is_free[lane]:
            chosen.append(lane)
            is_free[max(lane - apart + 1, 0) : lane + apart] = False
    return np.sort(np.array(chosen, np.int64))
