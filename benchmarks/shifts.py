"""What a long anomaly leaves behind: a threshold that only clips beside one with episodes.

    python -m benchmarks.shifts [--out docs/shifts.png] [--seed N]

Simulated scores, window 1000, z 8: a burst, a long anomaly, a level that stays and one that drifts,
each followed by a second burst. Ends with status 1 where the second burst is missed with episodes.
The picture needs the group `bench`.
"""

import argparse
import sys
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from rich import box
from rich.console import Console
from rich.table import Column, Table

from benchmarks.shifts_cases import BEFORE, SECOND_STEPS, WINDOW, Case, Run, Z, cases, followed

NAMES: Final = {False: "clipping alone", True: "with episodes"}
COLOURS: Final = {False: "#b3541e", True: "#2f6fb3"}
GREY: Final = "#9ca3af"
SHADE: Final = "#dbe7f5"
LATER: Final = (1, 100, 500)
"""Steps after the end at which the threshold is looked at."""
SHOWN_BEFORE: Final = 150
SHOWN_AFTER: Final = 700
LATE: Final = 0.6
WIDTH: Final = 120
console = Console(width=WIDTH)
Found = list[tuple[Case, dict[bool, Run]]]


def table_of(found: Found) -> Table:
    """Show what came of each case, both ways."""
    names = ("case", "", "followed\nafter", "told\nafter", "told\nof")
    columns = [Column(name, no_wrap=True) for name in names]
    table = Table(*columns, box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for later in LATER:
        table.add_column(f"threshold\nend + {later}", justify="right", no_wrap=True)
    table.add_column("second\nburst")
    for case, runs in found:
        for has_episodes, run in runs.items():
            second = "found" if finds_second(case, run) else "missed"
            row = (*_steps(case, run), *_ratios(case, run), second)
            table.add_row("" if has_episodes else case.name, NAMES[has_episodes], *row)
    return table


def finds_second(case: Case, run: Run) -> bool:
    """Tell whether any score of the second burst is an anomaly."""
    begin = BEFORE + case.second
    return bool(run.is_anomaly[begin : begin + SECOND_STEPS].any())


def _steps(case: Case, run: Run) -> tuple[str, str, str]:
    """Tell the steps until the threshold has followed and until a shift is told, and how long."""
    during = slice(BEFORE, BEFORE + case.end)
    is_above = run.threshold[during] > case.level[during]
    followed_at = [] if is_above[0] else np.flatnonzero(is_above).tolist()
    told = np.flatnonzero(run.is_shifted[BEFORE:])
    after = f"{followed_at[0]}" if followed_at else "-"
    return after, f"{told[0] + 1}" if len(told) else "-", f"{len(told)}"


def _ratios(case: Case, run: Run) -> list[str]:
    """Tell the threshold after the end, in times of what it was before."""
    end = BEFORE + case.end
    return [f"x {run.threshold[end + later - 1] / run.threshold[BEFORE]:.2f}" for later in LATER]


def drawn(found: Found) -> Figure:
    """Draw a panel for each case."""
    picture = Figure(figsize=(14, 8.4), dpi=120, layout="constrained")
    places = picture.subplots(2, 2).ravel()
    for axes, (case, runs) in zip(places, found, strict=True):
        _draw(axes, case, runs)
    handles, labels = places[0].get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
    picture.supxlabel(
        f"steps since it began (simulated scores, window {WINDOW}, z {Z:g}, policy clip)"
    )
    picture.supylabel("score (log scale)")
    return picture


def _draw(axes: Axes, case: Case, runs: dict[bool, Run]) -> None:
    shown = slice(BEFORE - SHOWN_BEFORE, BEFORE + case.end + SHOWN_AFTER)
    steps = case.steps[shown]
    axes.plot(steps, case.score[shown], color=GREY, linewidth=0.7, label="score")
    for has_episodes, run in runs.items():
        axes.plot(
            steps,
            run.threshold[shown],
            "-" if has_episodes else "--",
            color=COLOURS[has_episodes],
            linewidth=1.8,
            label=f"threshold, {NAMES[has_episodes]}",
        )
    axes.fill_between(
        steps,
        0,
        1,
        where=runs[True].is_shifted[shown],
        transform=axes.get_xaxis_transform(),
        color=SHADE,
        linewidth=0,
        zorder=0,
        label="a level shift is told",
    )
    _mark_second(axes, case, runs)
    axes.set_yscale("log")
    axes.set_ylim(0.2, 2000)
    axes.set_xlim(steps[0], steps[-1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(case.name, loc="left")
    axes.grid(color="#eeeeee", zorder=-1)


def _mark_second(axes: Axes, case: Case, runs: dict[bool, Run]) -> None:
    """Say beside the second burst who finds it."""
    begin = case.second
    highest = case.score[BEFORE + begin : BEFORE + begin + SECOND_STEPS].max()
    lines = [
        f"{NAMES[way]}: {'found' if finds_second(case, run) else 'missed'}"
        for way, run in runs.items()
    ]
    # beside the burst, above all lines
    is_late = begin > LATE * (case.end + SHOWN_AFTER)
    axes.annotate(
        "\n".join(["second burst", *lines]),
        (begin + SECOND_STEPS / 2, highest),
        xytext=(-18 if is_late else 18, 0.83),
        textcoords=("offset points", "axes fraction"),
        ha="right" if is_late else "left",
        fontsize=9,
        arrowprops={"arrowstyle": "-", "color": "black", "linewidth": 0.8},
    )


def main(out: Path | None, seed: int) -> int:
    """Simulate, print and draw."""
    found = [
        (case, {way: followed(case, has_episodes=way) for way in NAMES}) for case in cases(seed)
    ]
    console.print(table_of(found))
    if out is not None:
        drawn(found).savefig(out, facecolor="white")
    return 0 if all(finds_second(case, runs[True]) for case, runs in found) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="the picture, .png")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    sys.exit(main(given.out, given.seed))
