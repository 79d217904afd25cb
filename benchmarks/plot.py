"""Draws what was measured: gains over the service written by hand, and what a row costs.

    python -m benchmarks.speed --json SPEED.json
    python -m benchmarks.micro --json MICRO.json
    python -m benchmarks.plot SPEED.json OUT.png [--micro MICRO.json]

Needs the group `bench`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

COLOURS: Final = {"aim": "#1a7f4b", "must": "#2f6fb3", "no": "#b3541e"}
"""Of a gain, by what it reached."""
REACHED: Final = {"aim": "reaches the aim", "must": "reaches the must", "no": "below the must"}
TICKS: Final = {"must": "#6b7280", "aim": "black"}
LINES: Final = ("#2f6fb3", "#b3541e", "#6b4fa0")
GREY: Final = "#6b7280"
ADVANCE: Final = "Advance"
"""Begins the section of micro's figures that is drawn."""
_PLAIN: Final = FuncFormatter(lambda value, _: f"{value:,.10g}")


def drawn(speed: dict[str, Any], micro: list[dict[str, Any]]) -> Figure:
    """Draw one panel, or two where there are figures of `advance`."""
    panels = 2 if micro else 1
    picture = Figure(figsize=(4 + 5 * panels, 5), dpi=150, layout="constrained")
    places = picture.subplots(1, panels, squeeze=False, width_ratios=(1.5, 1)[:panels])[0]
    _draw_gains(places[0], speed["targets"])
    if micro:
        _draw_advance(places[1], micro)
    machine = speed["machine"]
    picture.supxlabel(
        f"{machine['cores']} cores ({machine['pinned']}); median and range of "
        f"{machine['rounds']} rounds; {speed['at'][:10]}",
        fontsize=8,
        color=GREY,
    )
    return picture


def _draw_gains(axes: Axes, targets: list[dict[str, Any]]) -> None:
    """Draw a line for each path: the gain, its range over the rounds, and what is wanted."""
    for at, one in enumerate(targets):
        _draw_gain(axes, at, one)
    axes.set_yticks(range(len(targets)), [one["path"] for one in targets], fontsize=9)
    axes.tick_params("y", length=0)
    axes.set_ylim(len(targets) - 0.5, -0.5)
    _log(axes, "x")
    axes.axvline(1, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel("times better than a service written by hand (log scale)")
    axes.set_title("Gain in observations a second, or in the latency named", loc="left", pad=30)
    axes.grid(axis="x", color="#eeeeee", zorder=0)
    _explain(axes, {one["met"] for one in targets})


def _draw_gain(axes: Axes, at: int, one: dict[str, Any]) -> None:
    colour, between = COLOURS[one["met"]], [at, at]
    wanted, range_ = [one["must"], one["aim"]], [min(one["gains"]), max(one["gains"])]
    axes.plot(wanted, between, color="#e5e7eb", linewidth=11, solid_capstyle="butt", zorder=1)
    for value, tick in zip(wanted, TICKS.values(), strict=True):
        axes.plot([value] * 2, [at - 0.3, at + 0.3], color=tick, linewidth=2, zorder=2)
    axes.plot(range_, between, color=colour, linewidth=2, zorder=3)
    axes.plot([one["gain"]], [at], "o", color=colour, markersize=7, zorder=4)
    text = f"{one['gain']:.0f}x" if one["gain"] >= 10 else f"{one['gain']:.1f}x"  # noqa: PLR2004
    # beside the panel: on it the number would stand on what is wanted
    place = axes.get_yaxis_transform()
    axes.text(1.015, at, text, transform=place, va="center", fontsize=10, color=colour)


def _explain(axes: Axes, met: set[str]) -> None:
    for name in COLOURS:
        if name in met:
            axes.plot([], [], "o-", color=COLOURS[name], label=REACHED[name])
    for name, colour in TICKS.items():
        axes.plot([], [], "|", color=colour, markersize=10, markeredgewidth=2, label=name)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=5, fontsize=9, frameon=False)


def _draw_advance(axes: Axes, micro: list[dict[str, Any]]) -> None:
    """Draw what a row costs by the rows of a block, and the least it can."""
    lines: dict[str, list[dict[str, Any]]] = {}
    for one in micro:
        if one["section"].startswith(ADVANCE):
            lines.setdefault(one["what"], []).append(one)
    # a name with one figure is the block that has more rows than there are few streams
    lines = {name: many for name, many in lines.items() if len(many) > 1}
    for colour, (name, many) in zip(LINES, lines.items(), strict=False):
        axes.plot(_column(many, "rows"), _column(many, "us"), "o-", color=colour, label=name)
        for one in many:
            _draw_target(axes, one, colour)
    longest = lines[max(lines, key=lambda name: len(lines[name]))]
    floor = _column(longest, "floor_us")
    axes.plot(_column(longest, "rows"), floor, "--", color=GREY, label="floor")
    axes.plot([], [], "_", color="black", markersize=16, markeredgewidth=2, label="at most")
    _log(axes, "x")
    _log(axes, "y")
    axes.set_xticks(_column(longest, "rows"))
    axes.set_xticks([], minor=True)
    axes.set_xlabel("observations in a block (log scale)")
    axes.set_ylabel("µs an observation (log scale)")
    axes.set_title("StreamBank.advance among resident streams", loc="left", pad=30)
    axes.grid(color="#eeeeee")
    axes.legend(fontsize=9, frameon=False)


def _draw_target(axes: Axes, one: dict[str, Any], colour: str) -> None:
    if one["target"] is not None:
        unit = one["floor_us"] if one["target"]["of"] == "times" else 1.0
        most = one["target"]["most"] * unit
        axes.plot([one["rows"]], [most], "_", color=colour, markersize=16, markeredgewidth=2)


def _column(figures: list[dict[str, Any]], name: str) -> list[float]:
    return [one[name] for one in figures]


def _log(axes: Axes, axis: str) -> None:
    """Make an axis logarithmic, its numbers as people write them."""
    axes.set(**{f"{axis}scale": "log"})
    one = getattr(axes, f"{axis}axis")
    one.set_major_formatter(_PLAIN)
    one.set_minor_formatter(NullFormatter())


def main(speed: Path, out: Path, micro: Path | None) -> int:
    """Read, draw and write."""
    figures = json.loads(micro.read_text()) if micro is not None else []
    drawn(json.loads(speed.read_text()), figures).savefig(out, facecolor="white")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("speed", type=Path, help="what benchmarks.speed --json wrote")
    parser.add_argument("out", type=Path, help="the picture, .png")
    parser.add_argument("--micro", type=Path, help="what benchmarks.micro --json wrote")
    given = parser.parse_args()
    sys.exit(main(given.speed, given.out, given.micro))
