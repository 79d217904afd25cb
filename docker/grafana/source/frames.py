"""What every panel has, of whatever kind: title, description, unit, colours, queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as parts
from grafana_foundation_sdk.models.prometheus import PromQueryFormat, QueryEditorMode

SOURCE: Final = parts.DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"
Steps = Sequence[tuple[float | None, str]]
PLAIN: Final[Steps] = ((None, BLUE),)
NONE_IS_GOOD: Final[Steps] = ((None, GREEN), (1, RED))
SEVERITY: Final[Steps] = ((None, GREEN), (0.8, YELLOW), (1, RED))
UP_OR_DOWN: Final = {"0": ("down", RED), "1": ("up", GREEN)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What every panel has.

    Attributes:
        title: Above it.
        about: What it shows, and what to do when it looks bad.
        width: Of 24 columns.
        height: In rows of the grid.
        unit: Of Grafana's list.
        steps: From which value on which colour counts.
        decimals: Digits after the point; None: Grafana decides.
        words: What is shown in place of a value, and in which colour.
        empty: What is shown where a query answers with nothing.
    """

    title: str
    about: str
    width: int
    height: int = 8
    unit: str = "short"
    steps: Steps = PLAIN
    decimals: int | None = None
    words: dict[str, tuple[str, str]] | None = None
    empty: str = "no data"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, and what its series are called."""

    expr: str
    legend: str = ""


class _PanelBuilder(Protocol):
    """What the builders of all kinds of panels share."""

    def title(self, title: str, /) -> Self: ...
    def description(self, description: str, /) -> Self: ...
    def span(self, w: int, /) -> Self: ...
    def height(self, h: int, /) -> Self: ...
    def datasource(self, datasource: parts.DataSourceRef, /) -> Self: ...
    def unit(self, unit: str, /) -> Self: ...
    def decimals(self, decimals: float, /) -> Self: ...
    def no_value(self, no_value: str, /) -> Self: ...
    def mappings(self, mappings: list[parts.ValueMapping], /) -> Self: ...
    def thresholds(self, thresholds: Builder[parts.ThresholdsConfig], /) -> Self: ...
    def color_scheme(self, color: Builder[parts.FieldColor], /) -> Self: ...
    def with_target(self, target: Builder[Dataquery], /) -> Self: ...


P = TypeVar("P", bound=_PanelBuilder)


def framed(panel: P, frame: Frame) -> P:
    """Give a panel what every panel has."""
    steps = [parts.Threshold(value=value, color=colour) for value, colour in frame.steps]
    panel = (
        panel.title(frame.title)
        .description(frame.about)
        .span(frame.width)
        .height(frame.height)
        .datasource(SOURCE)
        .unit(frame.unit)
        .no_value(frame.empty)
        .thresholds(dashboard.ThresholdsConfig().steps(steps))
    )
    if frame.decimals is not None:
        panel = panel.decimals(frame.decimals)
    if frame.words is None:
        return panel
    said = {
        value: parts.ValueMappingResult(text=text, color=colour)
        for value, (text, colour) in frame.words.items()
    }
    return panel.mappings([parts.ValueMap(options=said)])


def asked(
    panel: P,
    queries: Sequence[Query],
    *,
    is_instant: bool = False,
    layout: PromQueryFormat = PromQueryFormat.TIME_SERIES,
) -> P:
    """Give a panel its queries: over time, for series, unless it is said otherwise."""
    for letter, query in zip("ABCDEFGH"[: len(queries)], queries, strict=True):
        target = (
            prometheus.Dataquery()
            .datasource(SOURCE)
            .editor_mode(QueryEditorMode.CODE)
            .expr(query.expr)
            .legend_format(query.legend or "__auto")
            .format(layout)
            .ref_id(letter)
        )
        panel = panel.with_target(target.instant() if is_instant else target.range())
    return panel
