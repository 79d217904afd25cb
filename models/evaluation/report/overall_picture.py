"""The pictures over all machines: precision against recall, events found against false alarms.

Needs matplotlib: imported only by `models.evaluation.report.pictures`, once that is known to be
there.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from models.blocks import Bool, Float64
from models.evaluation.metrics.curves import precision_recall
from models.evaluation.report.levels import LevelMean, level_means
from models.evaluation.report.means import unique
from models.evaluation.trials.trial import Result
from models.pictures.lines import literal

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
"""Of the scorers, told apart by the colour-blind too (Okabe and Ito 2008)."""
STYLES: Final = (("-", "--"), ("-.", ":"))
"""Of the instant and the smoothed score; the second pair once the colours are used up."""
MARKERS: Final = "osD^vPX<>"
RECALL: Final = np.linspace(0.001, 1.0, 1000)
FEW: Final = 0.1
"""False alarms a day below which the axis is linear, so that none at all has a place."""
IN_A_ROW: Final = 3

_Draw = Callable[[Axes, str], None]


def precision_against_recall(results: list[Result]) -> Figure:
    """Draw a panel a data set: each scorer's precision, mean over its machines at each recall."""

    def draw(axes: Axes, dataset: str) -> None:
        for at, scorer in enumerate(scorers):
            group = [one for one in results if _key(one) == (dataset, scorer)]
            _draw_curves(axes, group, at, literal(scorer))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)

    scorers = unique(one.figures.scorer for one in results)
    title = "Precision against recall, row by row: mean over the machines at each recall"
    picture = _panels(unique(one.figures.dataset for one in results), title, draw)
    picture.supxlabel("recall (share of the anomalous rows)")
    picture.supylabel("precision")
    return picture


def found_against_false(results: list[Result]) -> Figure:
    """Draw a panel a data set: share of events found against false alarms a day, by level."""

    def draw(axes: Axes, dataset: str) -> None:
        for at, scorer in enumerate(scorers):
            rows = [one for one in levels if (one.dataset, one.scorer) == (dataset, scorer)]
            _draw_levels(axes, rows, at, literal(scorer))
        most = max((one.false_alarms_per_day or 0.0 for one in levels), default=0.0)
        axes.set_xscale("symlog", linthresh=FEW)
        axes.set_xlim(-FEW / 20, max(1.0, most) * 1.5)
        axes.xaxis.set_major_locator(FixedLocator([0.0, *(FEW * 10.0**at for at in range(9))]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_ylim(-0.02, 1.02)

    levels = level_means([one.figures for one in results])
    scorers = unique(one.figures.scorer for one in results)
    title = (
        "Events found against false alarms, as z varies; "
        "hollow, dotted: as the rate asked for varies; star: the level as run"
    )
    picture = _panels(unique(one.figures.dataset for one in results), title, draw)
    picture.supxlabel(f"false alarms a stream-day, mean over the machines (log scale from {FEW:g})")
    picture.supylabel("share of the events found")
    return picture


def precision_at(labels: Bool, score: Float64, recall: Float64) -> Float64:
    """Read the precision at each recall off the steps of the curve, so that its mean is AUC-PR.

    Args:
        labels: `[N]`, some true and some false.
        score: `[N]`.
        recall: In (0, 1], `[R]`.
    """
    precision, reached = precision_recall(labels, score)
    return precision[np.searchsorted(reached, recall, side="left")]


def _key(one: Result) -> tuple[str, str]:
    return one.figures.dataset, one.figures.scorer


def _panels(datasets: list[str], title: str, draw: _Draw) -> Figure:
    """Draw a panel for each data set, with one legend at the right of all."""
    columns = min(len(datasets), IN_A_ROW)
    rows = -(-len(datasets) // columns)
    picture = Figure(figsize=(16, 1.0 + 5.2 * rows), dpi=100, layout="constrained")
    places = picture.subplots(rows, columns, squeeze=False).ravel()
    labelled = dict[str, Artist]()
    for axes, dataset in zip(places, datasets, strict=False):
        draw(axes, dataset)
        axes.set_title(literal(dataset))
        axes.grid(color="#eeeeee", zorder=0)
        handles, labels = axes.get_legend_handles_labels()
        # a line says more than a star alone, and every set but one without levels has lines
        labelled = dict(zip(labels, handles, strict=True)) | labelled
    for axes in places[len(datasets) :]:
        axes.set_axis_off()
    picture.legend(labelled.values(), labelled.keys(), loc="outside right center", frameon=False)
    picture.suptitle(title, fontsize=13)
    return picture


def _draw_curves(axes: Axes, group: list[Result], at: int, scorer: str) -> None:
    """Draw the instant score's curve, and the smoothed score's dashed where there is one."""
    colour = COLOURS[at % len(COLOURS)]
    ranked = [one for one in group if one.machine.labels.any() and not one.machine.labels.all()]
    instant = [(one.machine.labels, one.run.score) for one in ranked]
    smoothed = [
        (one.machine.labels, one.run.smoothed) for one in ranked if one.run.smoothed is not None
    ]
    solid, dashed = STYLES[at // len(COLOURS) % len(STYLES)]
    named = ((instant, scorer, solid), (smoothed, f"{scorer}, smoothed", dashed))
    for pairs, label, style in named:
        if pairs:
            curve = np.mean([precision_at(*pair, RECALL) for pair in pairs], axis=0)
            axes.plot(RECALL, curve, style, color=colour, linewidth=1.6, label=label)


def _draw_levels(axes: Axes, rows: list[LevelMean], at: int, scorer: str) -> None:
    """Draw a line through the levels by z, and a dotted one through the rates asked for."""
    known = [one for one in rows if one.events and one.false_alarms_per_day is not None]
    line = sorted((one for one in known if one.z is not None), key=lambda one: one.z or 0.0)
    found = [one for one in known if one.z is None and not one.is_run]
    as_run = [one for one in known if one.is_run]
    colour, marker = COLOURS[at % len(COLOURS)], MARKERS[at % len(MARKERS)]
    star: dict[str, Any] = {"markersize": 17, "markeredgecolor": "white", "zorder": 5}
    if line:
        axes.plot(
            *_places(line), marker=marker, color=colour, linewidth=1.2, markersize=5, label=scorer
        )
    found.sort(key=lambda one: one.asked or 0.0)
    hollow: dict[str, Any] = {"fillstyle": "none", "markersize": 9, "linestyle": ":"}
    axes.plot(*_places(found), marker=marker, color=colour, linewidth=0.8, **hollow)
    label = None if line else scorer
    axes.plot(*_places(as_run), "*", color=colour, clip_on=False, label=label, **star)


def _places(levels: list[LevelMean]) -> tuple[list[float], list[float]]:
    """Place levels by false alarms a day and the share of events found."""
    rates = [one.false_alarms_per_day or 0.0 for one in levels]
    return rates, [one.events_found / one.events for one in levels]
