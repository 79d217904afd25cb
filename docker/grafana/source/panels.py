"""Panels of each kind: what all of a kind have in common is said here once."""

from typing import Final

from frames import Frame, P, Query, asked, framed
from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    heatmap,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as parts
from grafana_foundation_sdk.models import heatmap as heat_looks
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

_BUCKETS: Final = "{{le}}"


def _coloured(panel: P, mode: parts.FieldColorModeId) -> P:
    return panel.color_scheme(dashboard.FieldColor().mode(mode))


def _legend() -> common.VizLegendOptions:
    """Give a table below with the last value, empty where there is none, and the largest."""
    return (
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.TABLE)
        .placement(looks.LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["last", "max"])
        .sort_by("Max")
        .sort_desc(True)
    )


def _all_series() -> common.VizTooltipOptions:
    return (
        common.VizTooltipOptions()
        .mode(looks.TooltipDisplayMode.MULTI)
        .sort(looks.SortOrder.DESCENDING)
    )


def number(frame: Frame, expr: str) -> stat.Panel:
    """Show the last value large, its course behind it."""
    panel = asked(
        framed(stat.Panel(), frame),
        [Query(expr, frame.title)],
    )
    return (
        _coloured(panel, parts.FieldColorModeId.THRESHOLDS)
        .color_mode(looks.BigValueColorMode.BACKGROUND)
        .graph_mode(looks.BigValueGraphMode.NONE if frame.words else looks.BigValueGraphMode.AREA)
        .text_mode(looks.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["last"]).values(False))
    )


def lines(frame: Frame, *queries: Query, is_logarithmic: bool = False) -> timeseries.Panel:
    """Show series over time; where one has no value its line has a gap."""
    panel = asked(
        framed(timeseries.Panel(), frame),
        queries,
    )
    panel = (
        _coloured(panel, parts.FieldColorModeId.PALETTE_CLASSIC_BY_NAME)
        .legend(_legend())
        .tooltip(_all_series())
        .draw_style(looks.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(0)
        .show_points(looks.VisibilityMode.NEVER)
        .span_nulls(False)
    )
    if is_logarithmic:
        decades = common.ScaleDistributionConfig().type(looks.ScaleDistribution.LOG).log(10)
        return panel.scale_distribution(decades)
    return panel.axis_soft_min(0)


def areas(frame: Frame, *queries: Query) -> timeseries.Panel:
    """Show parts of a whole over time, one on the other."""
    stacked = common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A")
    return lines(frame, *queries).stacking(stacked).fill_opacity(30).min(0)


def against(panel: timeseries.Panel) -> timeseries.Panel:
    """Draw the steps of the frame as lines."""
    style = common.GraphThresholdsStyleConfig().mode(looks.GraphThresholdsStyleMode.DASHED)
    return panel.thresholds_style(style)


def shares(frame: Frame, *queries: Query) -> timeseries.Panel:
    """Show parts of a limit over time, up to the whole of it, the steps of the frame as lines."""
    return against(lines(frame, *queries)).min(0).axis_soft_max(1)


def bars(frame: Frame, query: Query) -> bargauge.Panel:
    """Show the last value of each series as a bar, in the order they come."""
    panel = asked(
        framed(bargauge.Panel(), frame),
        [query],
        is_instant=True,
    )
    return (
        _coloured(panel, parts.FieldColorModeId.THRESHOLDS)
        .min(0)
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .value_mode(looks.BarGaugeValueMode.TEXT)
        .name_placement(looks.BarGaugeNamePlacement.LEFT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )


def heat(frame: Frame, expr: str) -> heatmap.Panel:
    """Show how many fell into each bucket of a histogram, over time."""
    panel = asked(
        framed(heatmap.Panel(), frame),
        [Query(expr, _BUCKETS)],
        layout=PromQueryFormat.HEATMAP,
    )
    colours = (
        heatmap.HeatmapColorOptions()
        .mode(heat_looks.HeatmapColorMode.SCHEME)
        .scheme("Oranges")
        .scale(heat_looks.HeatmapColorScale.EXPONENTIAL)
        .exponent(0.5)
        .steps(64)
        .fill("dark-orange")
    )
    return (
        panel.calculate(False)
        .color(colours)
        .y_axis(heatmap.YAxisConfig().unit(frame.unit).axis_placement(looks.AxisPlacement.LEFT))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .cell_gap(1)
        .mode(looks.TooltipDisplayMode.SINGLE)
        .show_legend()
    )


def states(frame: Frame, query: Query) -> statetimeline.Panel:
    """Show what each was when, as coloured bands."""
    panel = asked(
        framed(statetimeline.Panel(), frame),
        [query],
    )
    return (
        _coloured(panel, parts.FieldColorModeId.THRESHOLDS)
        .merge_values(True)
        .show_value(looks.VisibilityMode.AUTO)
        .row_height(0.8)
        .legend(common.VizLegendOptions().show_legend(False))
    )
