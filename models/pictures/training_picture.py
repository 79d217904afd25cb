"""The picture of a training: loss by epoch, residual by metric, scores of the validation part.

Needs matplotlib: see `models.pictures`.
"""

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from models.blocks import Bool, Float64, Int
from models.pictures.lines import literal
from models.pictures.panels import (
    BLUE,
    FAINT,
    GREY,
    ORANGE,
    PALE,
    WIDTH_IN,
    Line,
    draw_scores,
    dress,
    legend,
)
from models.pictures.training import TrainingRun, dominating
from models.recording import default_names

SHOWN_AT_MOST: Final = 40
"""Of more metrics those with the smallest residuals are left out, and it is said how many."""
_LEAST_IN, _NAME_IN, _SCORE_IN = 3.6, 0.19, 3.3
_TOP_IN, _BOTTOM_IN, _BETWEEN_IN = 1.05, 0.65, 0.95
_LOSS, _RESIDUAL, _SHARE = (0.95, 4.4), (7.35, 6.05), (13.8, 1.9)
_SCORE, _SPREAD = (0.95, 11.0), (12.45, 1.2)
"""Left edge and width of each panel, in inches."""
_BINS: Final = 60
_ROOM: Final = 1.25
"""Of the axis of residuals, beyond what holds 99 % of each."""
_NAME: Final = 22
_FAR: Final = 10.0
"""Losses that differ by more need a logarithmic axis."""


def drawn(run: TrainingRun) -> Figure:
    """Draw a training, 1600 pixels wide at 100 dots an inch."""
    order = _order(run)
    above_in = max(_LEAST_IN, _NAME_IN * len(order))
    height = _TOP_IN + above_in + _BETWEEN_IN + _SCORE_IN + _BOTTOM_IN
    picture = Figure(figsize=(WIDTH_IN, height), dpi=100)

    def panel(
        place: tuple[float, float], bottom: float, tall: float, beside: Axes | None = None
    ) -> Axes:
        left, width = (one / WIDTH_IN for one in place)
        return picture.add_axes((left, bottom / height, width, tall / height), sharey=beside)

    bottom = _BOTTOM_IN + _SCORE_IN + _BETWEEN_IN
    _draw_losses(panel(_LOSS, bottom, above_in), run)
    residuals = panel(_RESIDUAL, bottom, above_in)
    _draw_residuals(residuals, run, order)
    if len(order) > 1:
        _draw_shares(panel(_SHARE, bottom, above_in, residuals), run, order)
    scores = panel(_SCORE, _BOTTOM_IN, _SCORE_IN)
    _draw_scores(scores, panel(_SPREAD, _BOTTOM_IN, _SCORE_IN, scores), run)
    picture.suptitle(literal(run.title, 130), fontsize=13, y=1 - 0.14 / height, va="top")
    picture.text(0.5, 1 - 0.4 / height, literal(run.facts, 180), fontsize=10, ha="center", va="top")
    return picture


def _order(run: TrainingRun) -> Int:
    """Sort residuals, the widest first, and keep those that are shown."""
    reach = np.quantile(np.abs(run.residual), 0.99, axis=0)
    order: Int = np.argsort(-reach, kind="stable")[:SHOWN_AT_MOST]
    return order


def _draw_losses(axes: Axes, run: TrainingRun) -> None:
    axes.set_title("loss by epoch", loc="left", fontsize=10)
    if not run.losses:
        axes.set_axis_off()
        told = (
            "There are no epochs: this scorer's weights\nare solved for at once.\n\n"
            f"training loss {run.train_loss:.3g}\nvalidation loss {run.validation_loss:.3g}"
        )
        axes.text(0.0, 0.9, told, fontsize=11, va="top", transform=axes.transAxes)
        return
    epochs = [one.epoch for one in run.losses]
    train = np.array([one.train for one in run.losses])
    validation = np.array([one.validation for one in run.losses])
    axes.plot(epochs, train, ".-", color=FAINT, label="training (inputs with noise)")
    axes.plot(epochs, validation, ".-", color=BLUE, label="validation")
    told = f"best: epoch {run.best_epoch}, {run.validation_loss:.3g}"
    axes.plot(run.best_epoch, run.validation_loss, "o", color=ORANGE, markersize=8, label=told)
    both = np.concatenate([train, validation])
    if both.min() > 0 and both.max() > _FAR * both.min():
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean squared error (scaled units)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=PALE)
    axes.legend(loc="upper right", fontsize=9, frameon=False)


def _draw_residuals(axes: Axes, run: TrainingRun, order: Int) -> None:
    shown = run.residual[:, order].astype(np.float64)
    low, first, middle, third, high = np.quantile(shown, (0.005, 0.25, 0.5, 0.75, 0.995), axis=0)
    lanes = np.arange(len(order))
    colours = _colours(run)[order].tolist()
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.hlines(lanes, low, high, color=colours, linewidth=1.2, label="99 % of the residuals")
    axes.barh(lanes, third - first, left=first, color=colours, height=0.6, label="half of them")
    axes.plot(middle, lanes, "|", color="black", markersize=5, label="median")
    _draw_ends(axes, shown, max(float(-low.min()), float(high.max())))
    _name(axes, run, order)
    axes.set_xlabel("observed minus expected, in shares of the training range")
    left_out = run.residual.shape[1] - len(order)
    more = f", the {len(order)} widest; {left_out} more are narrower" if left_out else ""
    axes.set_title(f"residual by metric{more}", loc="left", fontsize=10, pad=21)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=5, fontsize=8, frameon=False,
        borderaxespad=0.1, columnspacing=1.2,
    )  # fmt: skip


def _draw_ends(axes: Axes, shown: Float64, reach: float) -> None:
    """Draw the farthest residuals; a few that are very far must not press all others together."""
    reach = reach * _ROOM or 1.0
    axes.set_xlim(-reach, reach)
    ends = np.concatenate([shown.min(axis=0), shown.max(axis=0)])
    lanes = np.tile(np.arange(shown.shape[1]), 2)
    is_near = np.abs(ends) <= reach

    def mark(places: Float64, rows: Bool, marker: str, label: str | None) -> None:
        axes.plot(
            places[rows], lanes[rows], marker, color=GREY, markersize=3.5, clip_on=False,
            label=label,
        )  # fmt: skip

    mark(ends, is_near, ".", "least, greatest")
    label: str | None = "beyond the axis"
    for side, marker in ((1, ">"), (-1, "<")):
        is_far = ~is_near & (side * ends > 0)
        if is_far.any():
            mark(np.full(len(ends), side * reach), is_far, marker, label)
            label = None


def _draw_shares(axes: Axes, run: TrainingRun, order: Int) -> None:
    share = run.loss_share[order]
    axes.barh(np.arange(len(order)), share, color=_colours(run)[order].tolist(), height=0.7)
    axes.set_xlim(0, max(float(share.max()) * 1.05, 0.01))
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.tick_params("y", left=False, labelleft=False)
    axes.set_title("part in the squared error\n(orange: together half)", loc="left", fontsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _colours(run: TrainingRun) -> "np.ndarray[tuple[int], np.dtype[np.str_]]":
    return np.where(_dominating(run), ORANGE, BLUE)


def _dominating(run: TrainingRun) -> Bool:
    """Mark what makes half of the error; a metric that is alone does not stand out."""
    found: Bool = dominating(run.loss_share) & (run.residual.shape[1] > 1)
    return found


def _limits(n: int) -> tuple[float, float]:
    """Leave lanes no taller where there are few."""
    room = max(_LEAST_IN / (3 * _NAME_IN) - n, 0) / 2
    return n - 0.5 + room, -0.5 - room


def _name(axes: Axes, run: TrainingRun, order: Int) -> None:
    k = run.residual.shape[1]
    names = run.metrics if len(run.metrics) == k else default_names(k)
    axes.set_yticks(range(len(order)), [literal(names[at], _NAME) for at in order], fontsize=8)
    is_one = _dominating(run)[order]
    for tick, is_dominating in zip(axes.get_yticklabels(), is_one.tolist(), strict=True):
        if is_dominating:
            tick.set_color(ORANGE)
            tick.set_fontweight("bold")
    axes.set_ylim(_limits(len(order)))


def _draw_scores(axes: Axes, spread: Axes, run: TrainingRun) -> None:
    least = draw_scores(axes, run.timeline, [Line(run.score, "score", BLUE, 0.7)])
    dress(axes, run.timeline)
    axes.set_title("scores of the validation part", loc="left", fontsize=10)
    shown = run.score if least is None else np.maximum(run.score, least)
    bins = _bins(shown, least)
    counts, *_ = spread.hist(shown, bins.tolist(), orientation="horizontal", color=FAINT, log=True)
    # a decade at least: otherwise ticks between decades would be named, one over another
    spread.set_xlim(0.7, max(float(np.max(counts)) * 1.4, 14.0))
    spread.xaxis.set_minor_formatter(NullFormatter())
    if np.isfinite(run.threshold):
        above = np.count_nonzero(run.score > run.threshold)
        told = (
            f"{run.threshold:.3g}, the threshold\nof a new stream\n({run.level}):\n"
            f"{above:,} of {len(run.score):,} above"
        )
        axes.axhline(run.threshold, color=ORANGE, linewidth=1.5)
        spread.axhline(run.threshold, color=ORANGE, linewidth=1.5, label=told)
        top = max(float(run.score.max()), run.threshold)
        axes.set_ylim(top=top * (1.08 if least is None else 1.4))
    else:
        spread.plot([], [], " ", label="a new stream has no\nthreshold yet: too few\nscores")
    spread.tick_params("y", which="both", labelleft=False, left=False)
    spread.set_xlabel("how many (log scale)", fontsize=9)
    legend(spread)


def _bins(score: Float64, least: float | None) -> Float64:
    top = float(score.max()) or 1.0
    if least is None:
        return np.linspace(0.0, top, _BINS)
    return np.geomspace(least, top, _BINS)
