"""What the three dashboards have in common: variables, links, notes in time, and their names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frames import GREEN, ORANGE, RED, SOURCE
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as parts

DATASOURCE: Final = "stepwatch-prometheus"
"""Uid of the provisioned data source; any other Prometheus can be chosen."""
SERVICE: Final = 'instance=~"$instance"'
MODEL: Final = f'{SERVICE}, model=~"$model"'
STREAM: Final = f'{MODEL}, stream=~"$stream"'
NAMES: Final = ("streams", "service", "model")
_UP: Final = f'up{{job="stepwatch", {SERVICE}}}'
ALIVE: Final = (
    f"min({_UP} + on (instance) (stepwatch_ready{{{SERVICE}}} or on (instance) {_UP} * 0))"
)
"""0: Prometheus can't reach it; 1: it answers, but takes no observations; 2: it does."""
ALIVE_WORDS: Final = {"0": ("down", RED), "1": ("not ready", ORANGE), "2": ("ready", GREEN)}
WORST_SERVICE: Final = (
    "The worst of the chosen instances. 'not ready': it answers but takes no observations, as "
    "while it restores streams after a start; look at /readyz and its log. 'down': Prometheus "
    "can't scrape it; see whether the process runs and the port can be reached."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A row of panels with a title above."""

    title: str
    panels: Sequence[Builder[parts.Panel]]


def uid_of(name: str) -> str:
    """Give the stable uid of a dashboard, part of its address."""
    return f"stepwatch-{name}"


def board(
    name: str, about: str, variables: Sequence[str], sections: Sequence[Section]
) -> parts.Dashboard:
    """Build a dashboard.

    Args:
        name: One of `NAMES`.
        about: What it answers.
        variables: Which of `model` and `stream` it has, beside data source and instance.
        sections: From the top down.
    """
    builder = (
        dashboard.Dashboard(f"Stepwatch: {name.capitalize()}")
        .uid(uid_of(name))
        .description(about)
        .tags(["stepwatch"])
        .time("now-1h", "now")
        .refresh("10s")
        .timezone("browser")
        .tooltip(parts.DashboardCursorSync.CROSSHAIR)
        .variables([_datasource(), *map(_variable, ("instance", *variables))])
        .links([_link(other) for other in NAMES if other != name])
        .annotations([_reloads()])
        .editable()
    )
    for section in sections:
        builder = builder.with_row(dashboard.Row(section.title))
        for panel in section.panels:
            builder = builder.with_panel(panel)
    built = builder.build()
    for number, one in enumerate(built.panels or [], 1):
        one.id_val = number
    return built


def _datasource() -> dashboard.DatasourceVariable:
    chosen = parts.VariableOption(selected=True, text="Prometheus", value=DATASOURCE)
    return (
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    ).current(chosen)


_VARIABLES: Final = {
    "instance": ("Instance", 'label_values(up{job="stepwatch"}, instance)', None),
    "model": ("Model", f"label_values(stepwatch_model_info{{{SERVICE}}}, model)", ".*"),
    "stream": ("Stream", f"label_values(stepwatch_stream_score{{{MODEL}}}, stream)", ".*"),
}
"""Label, query, and what stands for all: of instances their names, for `up` of other jobs exists
too; of the rest anything, for a thousand names in a query would be too long."""


def _variable(name: str) -> dashboard.QueryVariable:
    label, query, everything = _VARIABLES[name]
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": f"variable-{name}"})
        .datasource(SOURCE)
        .multi(True)
        .include_all(True)
        .allow_custom_value(True)
        .current(parts.VariableOption(selected=True, text=["All"], value=["$__all"]))
        .refresh(parts.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(parts.VariableSort.NATURAL_ASC)
    )
    return variable if everything is None else variable.all_value(everything)


def _link(name: str) -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink(name.capitalize())
        .type(parts.DashboardLinkType.LINK)
        .url(f"/d/{uid_of(name)}")
        .icon("dashboard")
        .tooltip(f"Stepwatch: {name.capitalize()}, same time and choice")
        .include_vars(True)
        .keep_time(True)
    )


def _reloads() -> dashboard.AnnotationQuery:
    """Mark when a model was reloaded: scores before and after may differ.

    Grafana asks for such marks once for each minute: over a minute, so that each shows once.
    """
    return (
        dashboard.AnnotationQuery()
        .name("Model reloads")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("purple")
        .expr(f"sum by (outcome) (increase(stepwatch_model_reloads_total{{{SERVICE}}}[1m])) > 0")
    )
