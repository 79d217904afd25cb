"""The text of report.md: tables first, then how each figure is defined."""

from dataclasses import dataclass
from typing import Final

from models.evaluation.metrics.adjusted import DRAWS
from models.evaluation.metrics.alarms import GAP, SLACK
from models.evaluation.metrics.volume import WINDOW
from models.evaluation.report.levels import LevelMean
from models.evaluation.report.means import OVER_SETS, Summary, summary, unique
from models.evaluation.report.nab import NabRow
from models.evaluation.report.pictures import FOUND_FALSE, PRECISION_RECALL
from models.evaluation.report.tables import (
    COLUMNS,
    TERMINAL,
    UNKNOWN,
    aligned,
    cells,
    levels_markdown,
    markdown,
    name,
    rounded,
)
from models.evaluation.trials.traffic import BLOCK_ROWS
from models.evaluation.trials.trial import Result

DEFINITIONS: Final = f"""\
- **AUC-PR** is the average precision over the rows of the test part, without any adjustment; \
**AUC-ROC** the area under the receiver operating characteristic.
- **VUS-PR**, **VUS-ROC** are the volumes under the surfaces of range-AUC over buffers of 0 to \
{WINDOW} steps around the events, as TSB-AD defines them.
- These are of the **instant** score; **smoothed** is the same of the smoothed score, where the \
scoring keeps one.
- An **event** is a run of anomalous rows; it is **found** if a verdict in it says anomaly.
- **Delay** is the median number of steps from the begin of an event to its first anomaly, of the \
events found; the mean of a data set shows the median over its machines.
- **False alarms/day**: anomalies no more than {GAP} steps apart are one alarm; it is false if it \
touches no event widened by {SLACK} steps on each side; counted for each day of a stream.
- **Time in alarm** is the share of the rows whose verdict says anomaly.
- **PA-F1** is the point-adjusted F1 at its best threshold, **PA-precision** and **PA-recall** are \
those at the same threshold: one hit makes the whole event count, which flatters, so none is in \
bold. **PA-F1 of random** is what uniformly random scores reach on \
the same labels (mean of {DRAWS} draws).
- **µs/observation** is the time of one observation through the bank, in blocks of {BLOCK_ROWS} \
rows of one stream; an observation that comes alone takes longer.
- A **mean** is over the machines of a data set that have the figure, events are summed; \
**{OVER_SETS}** is the mean of the sets' means (of their median delays too), unknown where a set \
lacks the figure, and only for scorers that were run on every set.
- **Bold** is the best of its column among the rows that compete; {UNKNOWN} is unknown."""

LEVELS: Final = """\
Events found/events (sums over the machines); false alarms a stream-day (mean), as the \
level varies: "as run" are the verdicts themselves, z are sigmas above the mean, "asked" are the \
false alarms a day that were asked for."""

NAB: Final = """\
Standard profile, over all files that have NAB's windows, under the one threshold that is best for \
all of them together, as NAB does it: 0 is a detector that says nothing, 100 a perfect one. NAB \
charges every row that is predicted: **by alarm** a row counts only if its severity (the score \
over its own threshold as it stood) is above that of the ten rows before, as the first of every \
alarm is; **by severity** every row counts; **by score** it is the instant score as it is, which \
need not mean the same in every file. The windowed Gaussian is NAB's own, random the mean of 5 \
draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the report says.

    Attributes:
        results: At least one.
        means: As `report_means.means` gives them.
        levels: As `report_levels.level_means` gives them.
        nab: As `report_nab.nab_rows` gives them.
        versions: Of each program that was used.
        pictures: File name of each result's picture, below `pictures/`; None if none were drawn.
        notes: What is to be known beside it.
    """

    results: list[Result]
    means: list[Summary]
    levels: list[LevelMean]
    nab: list[NabRow]
    versions: dict[str, str | None]
    pictures: list[str] | None
    notes: list[str]


def report_text(contents: Contents) -> str:
    """Write report.md."""
    parts = ["# Evaluation", _what_was_run(contents)]
    parts += [f"> {note}" for note in contents.notes]
    parts += ["## Means", _means_table(contents.means)]
    if contents.pictures:
        parts.append(f"![Precision against recall](pictures/{PRECISION_RECALL})")
    parts += [_of_set(contents, dataset) for dataset in _datasets(contents)]
    parts += ["## Levels", LEVELS, levels_markdown(contents.levels)]
    if contents.pictures:
        parts.append(f"![Events found against false alarms](pictures/{FOUND_FALSE})")
    if contents.nab:
        parts += ["## NAB score", NAB, _nab_table(contents.nab)]
    parts += ["## How the figures are defined", DEFINITIONS]
    return "\n\n".join(parts) + "\n"


def terminal_text(means: list[Summary]) -> str:
    """Write the means as a table for the terminal, a blank line between data sets."""
    headings = ["data set", "scorer", *(one.heading for one in TERMINAL)]
    rows = list[list[str]]()
    for before, row in zip([None, *means], means, strict=False):
        if before and before.dataset != row.dataset:
            rows.append([""] * len(headings))
        rows.append([row.dataset, row.scorer, *(column.text(row) for column in TERMINAL)])
    return aligned(headings, rows, 2)


def _datasets(contents: Contents) -> list[str]:
    return unique(one.figures.dataset for one in contents.results)


def _what_was_run(contents: Contents) -> str:
    scorers = unique(one.figures.scorer for one in contents.results)
    machines = {one.machine.name: one for one in contents.results}
    rows = [
        [
            name(key),
            name(one.machine.dataset),
            f"{len(one.machine.metrics)}",
            f"{len(one.machine.train):,}",
            f"{len(one.machine.test):,}",
            f"{one.machine.step_s:,g}",
            rounded(one.figures.days, 1),
            f"{one.figures.events}",
            f"{rounded(100 * float(one.machine.labels.mean()), 1)} %",
        ]
        for key, one in machines.items()
    ]
    headings = ["machine", "data set", "metrics", "train rows", "test rows", "step, s", "test days"]
    headings += ["events", "anomalous rows"]
    versions = ", ".join(f"{key} {value or UNKNOWN}" for key, value in contents.versions.items())
    count = "1 machine" if len(machines) == 1 else f"{len(machines)} machines"
    return (
        f"{count}; scorers: {', '.join(map(name, scorers))}; {versions}. Each scorer was trained "
        "on a machine's training part; the test part then went through the bank as one stream, in "
        f"blocks of {BLOCK_ROWS} rows.\n\n" + markdown(headings, rows, 2)
    )


def _means_table(means: list[Summary]) -> str:
    headings = ["data set", "scorer", "machines", *(one.heading for one in COLUMNS)]
    rows = []
    for dataset in unique(row.dataset for row in means):
        group = [row for row in means if row.dataset == dataset]
        rows += [
            [name(row.dataset), name(row.scorer), f"{row.machines}", *line]
            for row, line in zip(group, cells(COLUMNS, group), strict=True)
        ]
    return markdown(headings, rows, 2)


def _of_set(contents: Contents, dataset: str) -> str:
    """Write the section of one data set: a row for each machine and scorer."""
    places = [at for at, one in enumerate(contents.results) if one.figures.dataset == dataset]
    summaries = {at: summary(contents.results[at].figures) for at in places}
    rows = []
    for machine in unique(str(row.machine) for row in summaries.values()):
        group = {at: row for at, row in summaries.items() if row.machine == machine}
        printed = cells(COLUMNS, list(group.values()))
        rows += [
            [name(machine), _linked(row.scorer, at, contents.pictures), *line]
            for (at, row), line in zip(group.items(), printed, strict=True)
        ]
    headings = ["machine", "scorer", *(one.heading for one in COLUMNS)]
    hint = "A scorer's name leads to its picture.\n\n" if contents.pictures else ""
    return f"## {name(dataset)}\n\n{hint}{markdown(headings, rows, 2)}"


def _linked(scorer: str, at: int, pictures: list[str] | None) -> str:
    return f"[{name(scorer)}](pictures/{pictures[at]})" if pictures else name(scorer)


def _nab_table(nab: list[NabRow]) -> str:
    rows = [
        [
            name(one.scorer),
            f"{one.files}",
            rounded(one.by_alarm, 1),
            rounded(one.by_severity, 1),
            rounded(one.by_score, 1),
        ]
        for one in nab
    ]
    return markdown(["scorer", "files", "by alarm", "by severity", "by score"], rows, 1)
