"""The place of a panel on a contact sheet, and the colours that Grafana's names stand for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.dashboards_queries import Series, Span

INK: Final = "#1f2933"
FAINT: Final = "#6b7280"
EDGE: Final = "#d5dae1"
COLOURS: Final = {
    "green": "#3d9a50",
    "yellow": "#d9a514",
    "orange": "#e0752d",
    "red": "#c4314b",
    "blue": "#3a6fb0",
    "text": FAINT,
}
PALETTE: Final = (
    "#3a6fb0", "#e0752d", "#3d9a50", "#8e5bb5", "#c4314b", "#1f9e9e", "#d9a514", "#7a6a58",
    "#d66ba0", "#5b7083",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Box:
    """Where a panel goes, in inches from the lower left of the sheet.

    Attributes:
        figure: The sheet.
        panel: As the dashboard has it.
        answers: To each of its queries, in their order.
        span: The time that is shown.
        marks: Times of what is marked in every course.
    """

    figure: Figure
    panel: dict[str, Any]
    answers: Sequence[Series]
    span: Span
    marks: Sequence[float]
    left: float
    bottom: float
    width: float
    height: float

    def axes(
        self, left: float = 0.1, below: float = 0.08, above: float = 0.28, right: float = 0.1
    ) -> Axes:
        """Make axes inside, with so many inches around."""
        wide, high = self.figure.get_size_inches()
        place = (
            (self.left + left) / wide,
            (self.bottom + below) / high,
            (self.width - left - right) / wide,
            (self.height - below - above) / high,
        )
        return self.figure.add_axes(place)

    @property
    def defaults(self) -> dict[str, Any]:
        """Unit, steps and the like."""
        found: dict[str, Any] = self.panel["fieldConfig"]["defaults"]
        return found

    @property
    def unit(self) -> str:
        """Of the values."""
        found: str = self.defaults["unit"]
        return found

    @property
    def decimals(self) -> int | None:
        """Digits after the point, if they are given."""
        return self.defaults.get("decimals")

    def colour(self, value: float) -> str:
        """Find the colour of a value by the steps."""
        steps = self.defaults["thresholds"]["steps"]
        reached = [step for step in steps if step["value"] is None or value >= step["value"]]
        return COLOURS[reached[-1]["color"]]

    def said(self, value: float) -> tuple[str, str] | None:
        """Find the word and colour that stand for a value, if one does."""
        for mapping in self.defaults.get("mappings") or ():
            if found := mapping["options"].get(f"{value:g}"):
                return found["text"], COLOURS[found["color"]]
        return None

    def name(self, letter: int, labels: dict[str, str]) -> str:
        """Name a series by the legend of its query."""
        legend: str = self.panel["targets"][letter]["legendFormat"]
        for label, value in labels.items():
            legend = legend.replace(f"{{{{{label}}}}}", value)
        return legend

    def line_colour(self, number: int, override: Mapping[str, Any]) -> str:
        """Find the colour of a line: the one that is given for it, or the next of the palette."""
        given = override.get("color")
        return COLOURS[given["fixedColor"]] if given else PALETTE[number % len(PALETTE)]

    def say_empty(self) -> None:
        """Say what is said where there is nothing."""
        axes = self.axes()
        axes.axis("off")
        text = self.defaults.get("noValue", "no data")
        axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=9, color=FAINT)
