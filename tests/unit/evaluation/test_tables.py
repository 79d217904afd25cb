"""Means, levels and how they are printed."""

import math

import pytest

from models.evaluation.report.levels import level_means
from models.evaluation.report.means import OVER_SETS, Summary, means, summary
from models.evaluation.report.tables import (
    COLUMNS,
    TERMINAL,
    aligned,
    cells,
    levels_markdown,
    markdown,
)
from models.evaluation.report.tables import name as printed_name
from models.evaluation.trials.figures import Figures, Level
from models.evaluation.trials.levels import ASKED
from tests.unit.evaluation.made_results import made_figures, ranking


def _printed(group: list[Summary], heading: str) -> list[str]:
    column = [one.heading for one in COLUMNS].index(heading)
    return [row[column] for row in cells(COLUMNS, group)]


def _two_machines() -> list[Figures]:
    return [
        made_figures("a", instant=ranking(0.2), events=3, events_found=1, delay_steps=1.0),
        made_figures("b", instant=ranking(0.4), events=5, events_found=5, delay_steps=4.0),
        made_figures("c", instant=ranking(0.9), events=2, events_found=0, delay_steps=None),
    ]


def test_means_of_a_set() -> None:
    """Figures are averaged, events summed, and the delay is the median of those known."""
    (row,) = means([*_two_machines(), made_figures("d", delay_steps=5.0, instant=ranking(0.1))])
    assert row.auc_pr == pytest.approx(0.4)
    assert (row.events_found, row.events, row.machines) == (9, 14, 4)
    assert row.delay_steps == 4.0


def test_means_over_sets() -> None:
    """Each set counts the same, however many machines it has."""
    figures = [*_two_machines(), made_figures("x", dataset="asd", instant=ranking(0.1))]
    *_, row = means(figures)
    assert row.dataset == OVER_SETS
    assert row.auc_pr == pytest.approx((0.5 + 0.1) / 2)
    assert row.delay_steps == pytest.approx((2.5 + 1.0) / 2)
    assert (row.events_found, row.events, row.machines) == (9, 14, 4)


def test_no_mean_over_sets_where_one_lacks() -> None:
    """A scorer that lacks a set has no mean over them; a figure that one lacks is unknown."""
    figures = [
        made_figures("a"),
        made_figures("b", dataset="asd", smoothed=None),
        made_figures("a", "pca"),
    ]
    over = [row for row in means(figures) if row.dataset == OVER_SETS]
    assert [row.scorer for row in over] == ["gru"]
    assert over[0].smoothed_auc_pr is None
    assert over[0].auc_pr == pytest.approx(0.5)


def test_unknown() -> None:
    """NaN and None are unknown, and do not enter the mean."""
    figures = [made_figures("a", instant=ranking(math.nan)), made_figures("b")]
    assert means(figures)[0].auc_pr == pytest.approx(0.5)
    only = [summary(made_figures(instant=ranking(math.nan), delay_steps=None, smoothed=None))]
    for heading in ("AUC-PR", "VUS-ROC", "smoothed VUS-PR", "delay, steps"):
        assert _printed(only, heading) == ["-"]


def test_best_is_bold() -> None:
    """The best is the highest or the lowest, and what prints alike is equally good."""
    group = [
        summary(made_figures(instant=ranking(0.70001), false_alarms_per_day=2.0, train_s=5)),
        summary(made_figures(instant=ranking(0.70002), false_alarms_per_day=0.1, train_s=1)),
        summary(made_figures(instant=ranking(0.3), false_alarms_per_day=0.2, train_s=9)),
    ]
    assert _printed(group, "AUC-PR") == ["**0.700**", "**0.700**", "0.300"]
    assert _printed(group, "false alarms/day") == ["2.00", "**0.10**", "0.20"]
    assert _printed(group, "train, s") == ["5.0", "**1.0**", "9.0"]


def test_nothing_to_compare_is_not_bold() -> None:
    """One row, equal rows and figures that flatter have no best."""
    group = [summary(made_figures()), summary(made_figures(smoothed=None))]
    assert not any("**" in cell for row in cells(COLUMNS, group) for cell in row)
    assert not any("**" in cell for cell in cells(COLUMNS, group[:1])[0])
    higher = made_figures().adjusted.__class__(precision=1.0, recall=1.0, f1=1.0, random_f1=0.1)
    group.append(summary(made_figures(adjusted=higher)))
    assert _printed(group, "PA-F1 (flatters)") == ["0.850", "0.850", "1.000"]
    assert _printed(group, "PA-precision (flatters)") == ["0.900", "0.900", "1.000"]
    assert _printed(group, "PA-recall (flatters)") == ["0.800", "0.800", "1.000"]


def test_cells() -> None:
    """Figures are rounded for reading, with their units."""
    group = [summary(made_figures(alarm_share=0.01234, delay_steps=1.5, us_per_observation=1234))]
    assert _printed(group, "time in alarm") == ["1.23 %"]
    assert _printed(group, "delay, steps") == ["1.5"]
    assert _printed(group, "µs/observation") == ["1,234.0"]
    assert _printed(group, "events found") == ["3 of 4"]


def test_levels() -> None:
    """Levels are joined by z: events summed, false alarms averaged, the verdicts first."""
    other = [Level(z=5.0, asked=None, false_alarms_per_day=4.0, events_found=0)]
    rows = level_means([made_figures("a"), made_figures("b", levels=other, events=1)])
    assert [(one.z, one.is_run) for one in rows] == [(None, True), (5.0, False), (8.0, False)]
    assert rows[0].events_found == 6
    assert (rows[1].events_found, rows[1].events, rows[1].machines) == (4, 5, 2)
    assert rows[1].false_alarms_per_day == pytest.approx(3.0)
    assert rows[2].machines == 1


def test_levels_that_were_asked_for() -> None:
    """They are known by what was asked for; a scorer without them has "-"."""
    found = [Level(z=None, asked=one, false_alarms_per_day=one, events_found=1) for one in ASKED]
    figures = [made_figures(name, levels=[*made_figures().levels, *found]) for name in "ab"]
    rows = level_means(figures)
    assert [one.asked for one in rows] == [None, None, None, *ASKED]
    assert all(one.machines == 2 for one in rows)
    heading = levels_markdown(rows).splitlines()[0]
    assert "| as run | z = 5 | z = 8 | asked 0.25/day | asked 0.5/day |" in heading
    with_none = level_means([*figures, made_figures("a", "pca", levels=[])])
    assert levels_markdown(with_none).splitlines()[3] == "| smd | pca | 3/4; 0.50 |" + " - |" * 7


def test_markdown() -> None:
    """A table has a rule below its headings: names to the left, numbers to the right."""
    assert markdown(["a", "b"], [["x", "1"]], 1) == "| a | b |\n| :-- | --: |\n| x | 1 |"


def test_names_are_printed_as_they_are() -> None:
    """A bar would end the cell, a star make what follows italic."""
    assert printed_name("a|b*c_d\n`e") == r"a\|b\*c\_d \`e"


def test_aligned() -> None:
    """Columns are as wide as their widest cell, and headings stand on two lines."""
    text = aligned(["set", "events found"], [["smd", "12 of 30"], ["a longer name", "-"]], 1)
    assert text.splitlines() == [
        "                 events",
        "set               found",
        "smd            12 of 30",
        "a longer name         -",
    ]


def test_terminal_columns_are_of_the_report() -> None:
    """What the terminal shows is in the report too."""
    assert set(TERMINAL) <= set(COLUMNS)
