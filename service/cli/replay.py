"""`stepwatch replay`: a recorded file through the bank, as live traffic would go."""

from collections import deque
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.progress import track

from models.bank import StreamBank
from models.checkpoint import Checkpoint
from models.pictures.run import LINES_AT_MOST
from models.recording import Recording
from service.cli.console import (
    DataDir,
    Step,
    TimeColumn,
    check_name,
    fail,
    failing_clearly,
    level_of,
    settings_of,
    stderr,
    tell,
)
from service.cli.pictures import Plot, check_plot, draw_run
from service.cli.recorded import recorded
from service.cli.replaying import Replay, fitted, write_rows
from service.cli.run_columns import RunColumns
from service.engine.model import Model

_OUT = "CSV to write, a row per observation; may be left out with --plot."


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet, or npz with an array 'test'.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    out: Annotated[Path | None, typer.Option(help=_OUT)] = None,
    plot: Plot = None,
    start: Annotated[
        Literal["reference", "own"], typer.Option(help="reference goes on from the training data.")
    ] = "reference",
    step: Step = None,
    time_column: TimeColumn = None,
    data_dir: DataDir = None,
) -> None:
    """Score a recorded file through the same bank as live traffic."""
    settings = settings_of(data_dir=data_dir, start=start)
    check_name(model)
    _check_places(file, out, plot)
    with failing_clearly():
        checkpoint = Checkpoint.load(settings.models_dir / model)
        checkpoint = checkpoint.with_threshold(**settings.threshold_overrides)
        recording = fitted(recorded(file, "test", time_column), checkpoint)
        step_s = step or recording.step_s or checkpoint.spec.step_s
        columns = None if plot is None else _columns(recording)
        bank = Model(model, StreamBank(checkpoint))
        replayed = Replay(recording, step_s or 1.0, bank, settings, columns)
        _take(replayed, out)
        if plot is not None and columns is not None:
            title = f"{file.name}, judged by model '{model}'"
            draw_run(plot, columns.run(recording, checkpoint, step_s, title))
    told = f"{len(recording.values)} observations, {replayed.anomalies} anomalies, "
    told += f"{replayed.alerts} alerts "
    places = ", ".join(str(place) for place in (out, plot) if place is not None)
    tell(f"{told}({level_of(checkpoint.spec.threshold)}): {places}")


def _check_places(file: Path, out: Path | None, plot: Path | None) -> None:
    """Fail before the work where its result can't be written after it."""
    if out is None and plot is None:
        fail("nothing would come of it: give --out for a CSV, --plot for a picture, or both")
    if plot is not None:
        check_plot(plot)
    if out is None:
        return
    if out.is_dir():
        fail(f"--out {out}: is a directory; name a file in it")
    if not out.parent.is_dir():
        fail(f"--out {out}: there is no directory {out.parent}")
    if out.resolve() == file.resolve():
        fail(f"--out {out}: is the file that is judged; name another")
    if plot is not None and out.resolve() == plot.resolve():
        fail(f"--out and --plot are the same file: {out}")


def _columns(recording: Recording) -> RunColumns:
    """What was expected is kept where each metric is drawn by itself."""
    return RunColumns(has_expected=len(recording.metrics) <= LINES_AT_MOST)


def _take(replayed: Replay, out: Path | None) -> None:
    """Let the stream take all observations, and write what came of them."""
    blocks = track(replayed.blocks(), "replay", total=replayed.n_blocks, console=stderr)
    if out is None:
        deque(blocks, maxlen=0)
    else:
        write_rows(out, iter(blocks))
