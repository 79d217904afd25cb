"""What alarms are worth at each level, over the machines of a data set."""

from collections import defaultdict
from statistics import fmean

from msgspec import Struct

from models.evaluation.report.means import known, unique
from models.evaluation.trials.figures import Figures

_Key = tuple[float | None, float | None]
"""Of a level: z, and the false alarms a day that were asked for."""
_Counts = tuple[int, int, float]
"""Of a machine: events, events found, false alarms a day."""


class LevelMean(Struct, frozen=True, kw_only=True):
    """One level of a scorer on a data set.

    Attributes:
        z: Sigmas above the mean; None where it was not set but found.
        asked: False alarms a day that were asked for; None where z was set.
        is_run: Whether these are the verdicts themselves, under the level that was evaluated.
        machines: How many machines it is of.
        events, events_found: Sums over the machines.
        false_alarms_per_day: Mean over the machines; None where unknown.
    """

    dataset: str
    scorer: str
    z: float | None
    asked: float | None
    is_run: bool
    machines: int
    events: int
    events_found: int
    false_alarms_per_day: float | None


def level_means(figures: list[Figures]) -> list[LevelMean]:
    """Join the levels of the machines of a set.

    Returns:
        For each data set and scorer the verdicts as they were, then the other levels in the order
        in which they were tried.
    """
    rows = []
    for dataset in unique(one.dataset for one in figures):
        of_set = [one for one in figures if one.dataset == dataset]
        for scorer in unique(one.scorer for one in of_set):
            rows += _levels([one for one in of_set if one.scorer == scorer])
    return rows


def _levels(group: list[Figures]) -> list[LevelMean]:
    as_run = [(one.events, one.events_found, one.false_alarms_per_day) for one in group]
    tried = defaultdict[_Key, list[_Counts]](list)
    for one in group:
        for level in one.levels:
            tried[level.z, level.asked].append(
                (one.events, level.events_found, level.false_alarms_per_day)
            )
    rows = [_level(group[0], (None, None), as_run, is_run=True)]
    return rows + [_level(group[0], key, found, is_run=False) for key, found in tried.items()]


def _level(first: Figures, key: _Key, found: list[_Counts], *, is_run: bool) -> LevelMean:
    rates = [rate for one in found if (rate := known(one[2])) is not None]
    return LevelMean(
        dataset=first.dataset,
        scorer=first.scorer,
        z=key[0],
        asked=key[1],
        is_run=is_run,
        machines=len(found),
        events=sum(one[0] for one in found),
        events_found=sum(one[1] for one in found),
        false_alarms_per_day=fmean(rates) if rates else None,
    )
