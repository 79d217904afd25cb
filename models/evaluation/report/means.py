"""The rows of the report: one for a machine and scorer, and their means over a data set."""

import math
from collections.abc import Callable, Iterable
from statistics import fmean, median
from typing import Any, Final

from msgspec import Struct

from models.evaluation.trials.figures import Figures, Ranking

OVER_SETS: Final = "all sets"
"""Stands for the data set in the mean of the sets' means."""


class Summary(Struct, frozen=True, kw_only=True):
    """Figures of a scorer on one machine, or the means over several; None where unknown.

    Attributes:
        dataset: The data set, or `OVER_SETS`.
        machine: The machine; None in a mean.
        machines: How many machines it is of.
        auc_pr, vus_pr, auc_roc, vus_roc: Of the instant score.
        smoothed_auc_pr, smoothed_vus_pr, smoothed_auc_roc, smoothed_vus_roc: Of the smoothed score.
        events, events_found: Sums in a mean.
        delay_steps: Median over the machines of a set; mean of those medians over sets.
        pa_f1, pa_precision, pa_recall: Point-adjusted, at the threshold with the best F1.
        random_f1: What random scores reach for it.
    """

    dataset: str
    scorer: str
    machine: str | None
    machines: int
    auc_pr: float | None
    vus_pr: float | None
    auc_roc: float | None
    vus_roc: float | None
    smoothed_auc_pr: float | None
    smoothed_vus_pr: float | None
    smoothed_auc_roc: float | None
    smoothed_vus_roc: float | None
    events: int
    events_found: int
    delay_steps: float | None
    false_alarms_per_day: float | None
    alarm_share: float | None
    pa_f1: float | None
    pa_precision: float | None
    pa_recall: float | None
    random_f1: float | None
    train_s: float | None
    us_per_observation: float | None


RANKINGS: Final = ("auc_pr", "vus_pr", "auc_roc", "vus_roc")
AVERAGED: Final = (
    *RANKINGS,
    *(f"smoothed_{name}" for name in RANKINGS),
    "false_alarms_per_day",
    "alarm_share",
    "pa_f1",
    "pa_precision",
    "pa_recall",
    "random_f1",
    "train_s",
    "us_per_observation",
)
SUMMED: Final = ("machines", "events", "events_found")


def summary(figures: Figures) -> Summary:
    """Lay the figures of one run side by side."""
    return Summary(
        dataset=figures.dataset,
        scorer=figures.scorer,
        machine=figures.machine,
        machines=1,
        events=figures.events,
        events_found=figures.events_found,
        delay_steps=known(figures.delay_steps),
        false_alarms_per_day=known(figures.false_alarms_per_day),
        alarm_share=known(figures.alarm_share),
        pa_f1=known(figures.adjusted.f1),
        pa_precision=known(figures.adjusted.precision),
        pa_recall=known(figures.adjusted.recall),
        random_f1=known(figures.adjusted.random_f1),
        train_s=known(figures.train_s),
        us_per_observation=known(figures.us_per_observation),
        **_ranking(figures.instant, ""),
        **_ranking(figures.smoothed, "smoothed_"),
    )


def means(figures: list[Figures]) -> list[Summary]:
    """Take the means over each data set, and over the sets where there is more than one.

    Args:
        figures: At least one for each data set and scorer that is to be in the report.

    Returns:
        A row for each data set and scorer, in the order in which they first come; then, if there
        are several sets, one over the sets for each scorer that was run on all of them.
    """
    runs = [summary(one) for one in figures]
    datasets = unique(one.dataset for one in runs)
    scorers = unique(one.scorer for one in runs)
    rows = [
        _mean(group, name, median)
        for name in datasets
        for scorer in scorers
        if (group := [one for one in runs if (one.dataset, one.scorer) == (name, scorer)])
    ]
    if len(datasets) == 1:
        return rows
    by_scorer = [[row for row in rows if row.scorer == scorer] for scorer in scorers]
    # a mean that lacks a set can't stand beside one that does not
    whole = [group for group in by_scorer if len(group) == len(datasets)]
    return rows + [_mean(group, OVER_SETS, fmean) for group in whole]


def unique(names: Iterable[str]) -> list[str]:
    """List each name once, in the order in which they first come."""
    return list(dict.fromkeys(names))


def known(value: float | None) -> float | None:
    """Give None for what is no finite number."""
    return None if value is None or not math.isfinite(value) else float(value)


def _mean(group: list[Summary], dataset: str, middle: Callable[[list[float]], float]) -> Summary:
    """Take the means; `middle` is for the delay."""
    figures: dict[str, Any] = {name: _over(group, name, fmean) for name in AVERAGED}
    figures |= {name: sum(getattr(one, name) for one in group) for name in SUMMED}
    return Summary(
        dataset=dataset,
        scorer=group[0].scorer,
        machine=None,
        delay_steps=_over(group, "delay_steps", middle),
        **figures,
    )


def _over(group: list[Summary], name: str, middle: Callable[[list[float]], float]) -> float | None:
    """Take the mean over the machines that know the figure, or over sets that all know it."""
    values = [value for one in group if (value := getattr(one, name)) is not None]
    is_over_sets = group[0].machine is None
    if not values or (is_over_sets and len(values) < len(group)):
        return None
    return float(middle(values))


def _ranking(ranking: Ranking | None, prefix: str) -> dict[str, float | None]:
    return {
        prefix + name: None if ranking is None else known(getattr(ranking, name))
        for name in RANKINGS
    }
