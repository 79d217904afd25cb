from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.pictures.lines import COLUMNS
from models.pictures.run import NONE
from tests.unit.pictures.made_runs import T0, WAITING, made_run

pytest.importorskip("matplotlib")

from models.pictures.heat_map import NAMED_AT_MOST
from models.pictures.panels import MARKS
from models.pictures.replay_picture import drawn
from tests.unit.pictures.extents import all_axes, outside, overlapping

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

DAY_US = 86_400_000_000
AT_MOST = 2 * COLUMNS + 10
"""Points of a line: two a pixel, and breaks."""


def _line(axes: "Axes", label: str) -> "Line2D":
    (found,) = [line for line in axes.get_lines() if str(line.get_label()).startswith(label)]
    return found


def _x(line: "Line2D") -> list[float]:
    found: list[float] = np.asarray(line.get_xdata(), np.float64).tolist()
    return found


def _y(line: "Line2D") -> list[float]:
    found: list[float] = np.asarray(line.get_ydata(), np.float64).tolist()
    return found


def _legend(axes: "Axes") -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("rows", [100, 100_000])
@pytest.mark.parametrize("n_metrics", [1, 8, 40])
def test_every_size_is_legible(rows: int, n_metrics: int) -> None:
    """No text leaves the picture or lies on another, and no line has more points than pixels."""
    picture = drawn(made_run(rows, n_metrics, (50, 51, 52, 90)))
    assert outside(picture) == []
    assert overlapping(picture) == []
    assert picture.get_figwidth() * picture.dpi == 1600
    for axes in all_axes(picture):
        assert all(len(_x(line)) <= AT_MOST for line in axes.get_lines())


@pytest.mark.parametrize("n_metrics", [1, 8, 40])
def test_many_anomalies_are_thinned_out(n_metrics: int) -> None:
    """With every third row an anomaly, marks stay as many as can be told apart, the worst first."""
    run = made_run(30_000, n_metrics, range(60, 30_000, 3))
    run.score[15_000] = 50.0
    picture = drawn(run)
    score = picture.axes[-2]
    marks = _line(score, "anomaly")
    assert len(_x(marks)) <= MARKS
    assert run.timeline.at[15_000] in _x(marks)
    for axes in picture.axes[:-2]:
        marked = [line for line in axes.get_lines() if line.get_marker() == "o"]
        assert all(len(_x(line)) <= MARKS * n_metrics for line in marked)


def test_marks_stand_where_a_metric_led() -> None:
    """Each panel marks the anomalies its metric led, at the value that came."""
    run = made_run(500, 3, (100, 101, 102, 300))
    panels = drawn(run).axes
    assert len(panels) == 3 + 2
    for metric, axes in enumerate(panels[:3]):
        rows = np.flatnonzero(run.leader == metric)
        marks = _line(axes, "anomaly")
        assert _x(marks) == run.timeline.at[rows].tolist()
        assert _y(marks) == run.values[rows, metric].tolist()
        assert axes.get_title(loc="left") == run.metrics[metric]


def test_lines_pass_what_came_and_what_was_expected() -> None:
    """A short run is drawn row for row in raw units, with what was expected of it."""
    run = made_run(200, 1, (150,))
    axes = drawn(run).axes[0]
    assert run.expected is not None
    np.testing.assert_array_equal(_y(_line(axes, "observed")), run.values[:, 0])
    np.testing.assert_array_equal(_y(_line(axes, "expected")), run.expected[:, 0])
    (stick,) = axes.collections[-1].get_paths()
    assert np.asarray(stick.vertices)[:, 1].tolist() == [run.values[150, 0], run.expected[150, 0]]


def test_heat_map_marks_and_names_who_led() -> None:
    """Dots stand in the lane of the metric that led, whose name stands out; shares lie beside."""
    run = made_run(2000, 40, (100, 101, 102, 300))
    picture = drawn(run)
    axes = picture.axes[0]
    marks = _line(axes, "metric that led")
    rows = (100, 101, 102, 300)
    led = [(float(run.timeline.at[row]), float(run.leader[row])) for row in rows]
    assert sorted(zip(_x(marks), _y(marks), strict=True)) == led
    bold = [tick.get_text() for tick in axes.get_yticklabels() if tick.get_fontweight() == "bold"]
    assert bold == [run.metrics[metric] for metric in sorted({row % 40 for row in rows})]
    (beside,) = [one for one in all_axes(picture) if "anomalies" in one.get_title(loc="left")]
    widths = [float(bar.get_extents().width) for bar in beside.patches]
    assert np.array(widths) / max(widths) == pytest.approx(run.share / run.share.max())


def test_of_hundreds_of_metrics_those_that_led_are_named() -> None:
    """Names that find no place are left out, never those of metrics that led anomalies."""
    run = made_run(500, 300, (100, 151, 299))
    picture = drawn(run)
    names = [tick.get_text() for tick in picture.axes[0].get_yticklabels()]
    assert {run.metrics[metric] for metric in (100, 151, 299)} <= set(names)
    assert 30 <= len(names) <= NAMED_AT_MOST + 1
    assert overlapping(picture) == []


def test_lanes_and_title_count() -> None:
    """What came of the scores is counted by its name, and stands where it was."""
    run = made_run(500, 2)
    picture = drawn(run)
    lanes = picture.axes[-1]
    assert [tick.get_text() for tick in lanes.get_yticklabels()] == [
        "anomalies: 4",
        "alerts: 1",
        "level shifts: 1",
        f"not judged: {WAITING}",
    ]
    (alert,) = lanes.collections[1].get_paths()
    across = np.asarray(alert.vertices, np.float64)[:, 0] * DAY_US - T0
    assert across.min() / 60e6 == pytest.approx(100, abs=0.01)
    assert across.max() / 60e6 == pytest.approx(110, abs=0.01)
    assert picture.get_suptitle() == run.title


def test_what_is_not_judged_is_shaded_and_said() -> None:
    """The begin of a stream is grey in every panel of lines, and the legend says why."""
    run = made_run(500, 2)
    for axes in (drawn(run).axes[0], drawn(run).axes[-2]):
        assert "washout or warm-up:\nnot judged" in _legend(axes)
        assert "alert open" in _legend(axes)
    judged = replace(run, is_waiting=np.zeros(500, np.bool_), alert=np.full(500, NONE))
    assert not {"washout or warm-up:\nnot judged", "alert open"} & set(
        _legend(drawn(judged).axes[-2])
    )


def test_score_axis_follows_its_range() -> None:
    """Scores that stay together have a linear axis from 0, far ones a logarithmic axis."""
    run = made_run(500, 2)
    axes = drawn(run).axes[-2]
    assert (axes.get_yscale(), axes.get_ylim()[0]) == ("linear", 0)
    run.score[300] = 1e4
    assert drawn(run).axes[-2].get_yscale() == "log"


def test_dates_stand_on_the_axis() -> None:
    """A run with times shows them; the label says from when to when, and of which zone."""
    axes = drawn(made_run(3000, 1)).axes[-1]
    assert axes.get_xlabel() == "UTC, 2024-01-01 00:00:00 to 2024-01-03 01:59:00"
    axes.figure.canvas.draw()
    assert "02 Jan" in [tick.get_text() for tick in axes.get_xticklabels()]
    assert drawn(made_run(3000, 1, is_dated=False)).axes[-1].get_xlabel() == "hours since the begin"


@pytest.mark.parametrize("rows", [1, 2])
def test_the_shortest_runs_are_drawn(rows: int) -> None:
    """One row is a picture too, none of it judged, with nothing known and no metric moving."""
    run = made_run(200, 1, ())
    few = replace(
        run,
        values=run.values[:rows],
        timeline=run.timeline.__class__(np.arange(rows + 1.0), "days", is_dates=False),
        expected=np.full((rows, 1), np.nan),
        score=np.full(rows, np.nan),
        smoothed=None,
        threshold=np.full(rows, np.nan),
        is_anomaly=np.zeros(rows, np.bool_),
        is_waiting=np.ones(rows, np.bool_),
        leader=np.full(rows, NONE),
        share=np.zeros(1),
        alert=np.full(rows, NONE),
        is_shifted=np.zeros(rows, np.bool_),
        minimum=np.zeros(1),
        maximum=np.zeros(1),
    )
    assert outside(drawn(few)) == []


def test_names_are_printed_as_they_are() -> None:
    """Dollars, underscores and very long names do no harm, in lines and in the heat map."""
    for n_metrics in (2, 9):
        run = made_run(200, n_metrics, ())
        names = ["$a$_b", "x" * 300, *run.metrics[2:]]
        picture = drawn(replace(run, metrics=names, title="$" + "t" * 400))
        assert outside(picture) == []


@pytest.mark.parametrize("factor", [1e-9, 1e9, 1e200])
def test_values_of_any_size_are_legible(factor: float) -> None:
    """What large and small values are multiplied by does not stand on a name."""
    run = made_run(500, 3)
    assert run.expected is not None
    scaled = replace(
        run, values=run.values * factor, expected=run.expected * factor,
        minimum=run.minimum * factor, maximum=run.maximum * factor,
    )  # fmt: skip
    assert overlapping(drawn(scaled)) == []
    raised = replace(
        run, values=run.values + 1e9, expected=run.expected + 1e9,
        minimum=run.minimum + 1e9, maximum=run.maximum + 1e9,
    )  # fmt: skip
    assert overlapping(drawn(raised)) == []
    assert outside(drawn(raised)) == []


def test_only_few_distances_are_drawn() -> None:
    """From a few marks a stick leads to what was expected; hundreds would hide the line."""
    few, many = made_run(3000, 1, (100, 200)), made_run(3000, 1, range(100, 3000, 5))
    told = [_legend(drawn(run).axes[0]) for run in (few, many)]
    assert ["distance to expected" in one for one in told] == [True, False]


def test_a_line_is_broken_at_a_gap() -> None:
    """Where nothing came for days there is no line."""
    run = made_run(500, 1)
    edges = run.timeline.edges.copy()
    edges[250:] += 3.0
    axes = drawn(replace(run, timeline=replace(run.timeline, edges=edges))).axes[0]
    observed = _line(axes, "observed")
    assert np.isnan(_y(observed)).sum() == 1
    assert np.isnan(_y(observed)[250])
