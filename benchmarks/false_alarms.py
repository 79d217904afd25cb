"""Does a stream raise as many false alarms a day as are asked for?

    python -m benchmarks.false_alarms [DATA...] [--step SET=SECONDS]... [--scorer NAME]
                                      [--asked N]... [--json FILE]

Streams without anomalies: simulated ones (noise with a memory around a wave of a day, normal and
heavy-tailed, and a pump of the demo), of which each goes on for days after a training part that all
have in common; of labelled data (an npz file or a directory, as `stepwatch evaluate` reads them)
the last 40 % of each training part after training on the first 60 %, and the test part, in which
only alarms that touch no true segment are counted. All levels judge the same observations.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Column, Table

from benchmarks.json_file import write_json
from benchmarks.normal_streams import Size, Streams, of_machine, simulated
from models.bank import StreamBank
from models.blocks import NO_SEQ, Anomaly, Bool, Float64, Int, ObservationBlock
from models.epochs import FitOptions
from models.evaluation.metrics.alarms import alarms_of
from models.evaluation.recordings.datasets import find, load
from models.evaluation.recordings.layout import Reading
from models.evaluation.trials.levels import ASKED
from models.fit import fit
from models.options import StreamOptions
from models.recording import MICROSECONDS
from models.spec import ScorerSpec

WIDTH: Final = 120
_BAR_ROWS: Final = 200
console = Console(width=WIDTH)


@dataclass(frozen=True, slots=True)
class Rates:
    """What a set of streams got.

    Attributes:
        name: Of the set.
        group: What the mean is taken over.
        n_streams: How many there are.
        days: Length of each.
        asked: False alarms per stream-day, by level, `[L]`.
        got: The same, mean of the streams, `[L]`.
        clusters: In the validation scores; 0: too few to tell a tail.
    """

    name: str
    group: str
    n_streams: int
    days: float
    asked: tuple[float, ...]
    got: tuple[float, ...]
    clusters: int


def rates_of(
    streams: Streams, scorer: str, asked: tuple[float, ...], bar: Progress | None = None
) -> Rates:
    """Train, let all streams go on under each level, and count."""
    default = FitOptions()
    kind = default.scorer if scorer == default.scorer.name else ScorerSpec(name=scorer, sizes={})
    metrics = [f"m{index}" for index in range(streams.train.shape[1])]
    checkpoint = fit(streams.train, metrics, FitOptions(scorer=kind), step_s=streams.step_s)
    is_anomaly = judged(StreamBank(checkpoint), streams, asked, bar)
    got = [
        np.mean([alarms_of(column, streams.labels, streams.step_s).false_alarms_per_day
                 for column in level.T])
        for level in is_anomaly
    ]  # fmt: skip
    tail = checkpoint.spec.threshold.tail
    return Rates(
        name=streams.name,
        group=streams.group,
        n_streams=streams.test.shape[1],
        days=streams.days,
        asked=asked,
        got=tuple(float(rate) for rate in got),
        clusters=tail.clusters if tail else 0,
    )


def judged(
    bank: StreamBank, streams: Streams, asked: tuple[float, ...], bar: Progress | None
) -> Bool:
    """Let S streams under each of L levels take their observations; gives `[L, N, S]`."""
    rows, count, _ = streams.test.shape
    slots = np.arange(len(asked) * count)
    for at, rate in enumerate(asked):
        options = StreamOptions(start="reference", false_alarms_per_day=rate)
        bank.start(slots[at * count : (at + 1) * count], options)
    found = np.zeros((rows, len(slots)), np.bool_)
    task = bar.add_task(f"{streams.group}: {streams.name}", total=rows) if bar else None
    for row, values in enumerate(streams.test):
        time = round((row + 1) * streams.step_s * MICROSECONDS)
        verdicts = bank.advance(_block(slots, time, np.tile(values, (len(asked), 1))))
        found[row] = verdicts.is_anomaly == Anomaly.YES
        if bar and task is not None and row % _BAR_ROWS == 0:
            bar.update(task, completed=row)
    if bar and task is not None:
        bar.remove_task(task)
    return found.reshape(rows, len(asked), count).swapaxes(0, 1)


def _block(slots: Int, time: int, values: Float64) -> ObservationBlock:
    return ObservationBlock(
        slots=slots,
        times=np.full(len(slots), time),
        seqs=np.full(len(slots), NO_SEQ),
        values=values,
        explain=np.zeros(len(slots), np.bool_),
        arrival=0,
    )


def means_of(found: list[Rates]) -> list[Rates]:
    """Average over the sets of each group that has several."""
    groups = dict.fromkeys(one.group for one in found)
    means = []
    for group in groups:
        many = [one for one in found if one.group == group]
        got = np.mean([one.got for one in many], axis=0)
        clusters = min(one.clusters for one in many)
        days = sum(one.days * one.n_streams for one in many) / sum(one.n_streams for one in many)
        n_streams = sum(one.n_streams for one in many)
        mean = Rates("mean", group, n_streams, days, many[0].asked, tuple(got.tolist()), clusters)
        means.append(mean)
    return means


def table_of(found: list[Rates], title: str) -> Table:
    """Show what was asked for and what came; the ratio of the two in brackets."""
    names = [Column(name, no_wrap=True) for name in ("streams", "", "days", "clusters")]
    table = Table(*names, title=title, box=box.SIMPLE)
    for asked in found[0].asked:
        table.add_column(f"asked {asked:g}", justify="right")
    for one in found:
        got = [
            f"{rate:.2f} ({rate / asked:.1f})"
            for asked, rate in zip(one.asked, one.got, strict=True)
        ]
        days = f"{one.n_streams} x {one.days:.1f}"
        table.add_row(one.group, one.name, days, str(one.clusters), *got)
    return table


def sets_of(paths: list[Path], steps: dict[str, float]) -> list[Streams]:
    """Read labelled data, and give what is normal of it."""
    sources = find(paths).sources if paths else []
    machines = [load(source, Reading(steps=steps)).machine for source in sources]
    return [streams for machine in machines for streams in of_machine(machine)]


def main(given: argparse.Namespace, size: Size | None = None) -> int:
    """Measure, print and write."""
    steps = {
        name: float(seconds) for name, _, seconds in (one.partition("=") for one in given.step)
    }
    asked = tuple(given.asked or ASKED)
    sets = sets_of(given.data, steps)
    if not given.data_only:
        sets = [*simulated(size or Size()), *sets]
    found = list[Rates]()
    with Progress(console=console, transient=True) as bar:
        for one in sets:
            found.append(rates_of(one, given.scorer, asked, bar))
            write_json(given.json, [_told(rates) for rates in found])
    title = f"false alarms per stream-day with '{given.scorer}', got (of asked)"
    console.print(table_of([*found, *means_of(found)], title))
    return 0


def _told(one: Rates) -> dict[str, Any]:
    return {name: getattr(one, name) for name in Rates.__slots__}


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, nargs="*", help="npz files or directories")
    parser.add_argument("--step", action="append", default=[], help="SET=SECONDS of the data")
    parser.add_argument("--scorer", default=FitOptions().scorer.name)
    parser.add_argument("--asked", type=float, action="append", help="false alarms per day")
    parser.add_argument("--data-only", action="store_true", help="leave out simulated streams")
    parser.add_argument("--json", type=Path, help="where results are written")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(parsed(sys.argv[1:])))
