"""Tables for reading: figures rounded, unknown as "-", the best of a group in bold."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from models.evaluation.report.levels import LevelMean
from models.evaluation.report.means import Summary

UNKNOWN: Final = "-"
_MEANT: Final = re.compile(r"([\\|*_`<\[\]])")
"""What Markdown would not print as it is."""
Better = Literal["highest", "lowest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of figures.

    Attributes:
        heading: As it is printed.
        value: What is compared; None is unknown.
        text: How a row is printed; `value` to three places if None.
        best: Which value is printed in bold; None if none is better.
    """

    heading: str
    value: Callable[[Summary], float | None]
    text: Callable[[Summary], str]
    best: Better | None


def rounded(value: float | None, places: int) -> str:
    """Print a number with so many places; unknown is "-"."""
    return UNKNOWN if value is None else f"{value:,.{places}f}"


def plain(value: float | None) -> str:
    """Print a number as short as it can be, one place at most."""
    return UNKNOWN if value is None else f"{round(value, 1):,g}"


def _column(heading: str, name: str, places: int, best: Better | None) -> Column:
    return Column(
        heading=heading,
        value=lambda row: getattr(row, name),
        text=lambda row: rounded(getattr(row, name), places),
        best=best,
    )


EVENTS: Final = Column(
    heading="events found",
    value=lambda row: row.events_found,
    text=lambda row: f"{row.events_found} of {row.events}",
    best="highest",
)
DELAY: Final = Column(
    heading="delay, steps",
    value=lambda row: row.delay_steps,
    text=lambda row: plain(row.delay_steps),
    best="lowest",
)
ALARM_SHARE: Final = Column(
    heading="time in alarm",
    value=lambda row: row.alarm_share,
    text=lambda row: (
        UNKNOWN if row.alarm_share is None else f"{rounded(100 * row.alarm_share, 2)} %"
    ),
    best=None,
)
RANKING: Final = (
    _column("AUC-PR", "auc_pr", 3, "highest"),
    _column("VUS-PR", "vus_pr", 3, "highest"),
    _column("AUC-ROC", "auc_roc", 3, "highest"),
    _column("VUS-ROC", "vus_roc", 3, "highest"),
    _column("smoothed AUC-PR", "smoothed_auc_pr", 3, "highest"),
    _column("smoothed VUS-PR", "smoothed_vus_pr", 3, "highest"),
    _column("smoothed AUC-ROC", "smoothed_auc_roc", 3, "highest"),
    _column("smoothed VUS-ROC", "smoothed_vus_roc", 3, "highest"),
)
RATE: Final = _column("false alarms/day", "false_alarms_per_day", 2, "lowest")
COST: Final = _column("µs/observation", "us_per_observation", 1, "lowest")
COLUMNS: Final = (
    *RANKING,
    EVENTS,
    DELAY,
    RATE,
    ALARM_SHARE,
    # the best of a figure that flatters is no praise
    _column("PA-F1 (flatters)", "pa_f1", 3, None),
    _column("PA-precision (flatters)", "pa_precision", 3, None),
    _column("PA-recall (flatters)", "pa_recall", 3, None),
    _column("PA-F1 of random", "random_f1", 3, None),
    _column("train, s", "train_s", 1, "lowest"),
    COST,
)
"""All figures of the report."""
TERMINAL: Final = (RANKING[0], RANKING[1], RANKING[4], RANKING[5], EVENTS, DELAY, RATE, COST)
"""Those that fit a terminal."""


def cells(columns: Sequence[Column], group: Sequence[Summary]) -> list[list[str]]:
    """Print rows that compete with each other, the best of each column in bold.

    What prints alike is equally good; where there is nothing to compare, nothing is bold.
    """
    return [list(row) for row in zip(*(_printed(one, group) for one in columns), strict=True)]


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], n_names: int) -> str:
    """Lay out a table in Markdown.

    Args:
        headings: One for each column.
        rows: Cells that are Markdown already.
        n_names: So many columns, from the left, are names; the others are numbers, to the right.
    """
    rule = [":--"] * n_names + ["--:"] * (len(headings) - n_names)
    return "\n".join("| " + " | ".join(row) + " |" for row in (headings, rule, *rows))


def aligned(headings: Sequence[str], rows: Sequence[Sequence[str]], n_names: int) -> str:
    """Lay out a table for the terminal, columns as wide as their widest cell.

    A heading of several words stands on two lines.
    """
    words = [heading.rpartition(" ") for heading in headings]
    lines = [[one[0] for one in words], [one[2] for one in words], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at < n_names else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def name(text: str) -> str:
    """Print a name in Markdown as it is, whatever characters are in it."""
    return _MEANT.sub(r"\\\1", " ".join(text.split()))


def levels_markdown(levels: Sequence[LevelMean]) -> str:
    """Lay out levels: a row for each data set and scorer, a column for each level."""
    rows: dict[tuple[str, str], dict[str, LevelMean]] = {}
    for one in levels:
        row = rows.setdefault((one.dataset, one.scorer), {})
        row[_level_heading(one)] = one
    headings = list(dict.fromkeys(heading for row in rows.values() for heading in row))
    lines = [
        [name(dataset), name(scorer), *(_level_cell(row.get(heading)) for heading in headings)]
        for (dataset, scorer), row in rows.items()
    ]
    return markdown(["data set", "scorer", *headings], lines, 2)


def _level_heading(level: LevelMean) -> str:
    """Name a column of levels."""
    if level.is_run:
        return "as run"
    return f"z = {level.z:g}" if level.asked is None else f"asked {level.asked:g}/day"


def _level_cell(level: LevelMean | None) -> str:
    """Print events found of events, and false alarms a day."""
    if level is None:
        return UNKNOWN
    rate = rounded(level.false_alarms_per_day, 2)
    return f"{level.events_found}/{level.events}; {rate}"


def _printed(column: Column, group: Sequence[Summary]) -> list[str]:
    texts = [column.text(row) for row in group]
    values = [column.value(row) for row in group]
    known = [value for value in values if value is not None]
    if column.best is None or len(known) < 2 or len(set(texts)) == 1:  # noqa: PLR2004 - two compete
        return texts
    best = texts[values.index(max(known) if column.best == "highest" else min(known))]
    return [f"**{text}**" if text == best else text for text in texts]
