"""`stepwatch replay`: a recorded file through the bank, as live traffic would go."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
import typer
from rich.progress import track

from models.bank import StreamBank
from models.blocks import NO_SEQ, ObservationBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from models.reading import read
from models.recording import MICROSECONDS, ReadingError, Recording, default_names
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
from service.engine.alerts import Alerts
from service.engine.columns import Judged
from service.engine.model import Model, Stream
from service.engine.ports import Scored
from service.ingest.encode import verdict_rows
from service.ingest.schemas import Verdict
from service.settings import Settings

BLOCK_ROWS: Final = 256


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, or npz with an array 'test'.")],
    model: Annotated[str, typer.Option(help="Name of the model.")],
    out: Annotated[Path, typer.Option(help="CSV to write, a row per observation.")],
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
    _check_out(out)
    with failing_clearly():
        checkpoint = Checkpoint.load(settings.models_dir / model)
        checkpoint = checkpoint.with_threshold(**settings.threshold_overrides)
        recording = fitted(read(file, part="test", time_column=time_column), checkpoint)
        step_s = step or recording.step_s or checkpoint.spec.step_s or 1.0
        rows = _replayed(recording, step_s, Model(model, StreamBank(checkpoint)), settings)
        anomalies = _write(out, rows, len(recording.values))
    level = level_of(checkpoint.spec.threshold)
    tell(f"{len(recording.values)} observations, {anomalies} anomalies ({level}): {out}")


def _check_out(out: Path) -> None:
    """Fail before the work where its result can't be written after it."""
    if out.is_dir():
        fail(f"--out {out}: is a directory; name a file in it")
    if not out.parent.is_dir():
        fail(f"--out {out}: there is no directory {out.parent}")


def fitted(recording: Recording, checkpoint: Checkpoint) -> Recording:
    """Bring a recording's columns into the model's order.

    Raises:
        ReadingError: If its metrics are not the model's.
    """
    names, wanted = recording.metrics, checkpoint.spec.metrics
    if len(names) == len(wanted) and names == default_names(len(names)):
        return recording
    if sorted(names) != sorted(wanted):
        raise ReadingError(
            f"the file has the metrics {', '.join(names)}; the model wants {', '.join(wanted)}"
        )
    order = [names.index(name) for name in wanted]
    return Recording(values=recording.values[:, order], metrics=list(wanted), times=recording.times)


def _replayed(
    recording: Recording, step_s: float, model: Model, settings: Settings
) -> Iterator[Verdict]:
    """Advance one stream block by block, alerts included."""
    options = StreamOptions(start=settings.start, prime=settings.prime)
    stream = Stream("replay", model, model.take_slot(), options, 0)
    slots, alerts = np.array([stream.slot]), Alerts(settings.alert_policy)
    model.bank.start(slots, options)
    values, times = recording.values, recording.times
    if times is None:
        times = (np.arange(len(values)) * (step_s * MICROSECONDS)).astype(np.int64)
    for begin in range(0, len(values), BLOCK_ROWS):
        part = slice(begin, begin + BLOCK_ROWS)
        size = len(values[part])
        verdicts = model.bank.advance(
            ObservationBlock(
                slots=np.repeat(slots, size),
                times=times[part],
                seqs=np.full(size, NO_SEQ),
                values=values[part],
                explain=np.zeros(size, np.bool_),
                arrival=0,
            )
        )
        marks, _ = alerts.apply(model, [stream] * size, verdicts)
        ids = [stream.stream_id] * size
        scored = Scored(model.name, model.metrics, ids, verdicts, marks)
        for row in verdict_rows(Judged(scored, 0, size)):
            if not isinstance(row, Verdict):
                raise ReadingError(f"an observation was refused: {row.detail}")
            yield row


def _write(out: Path, rows: Iterator[Verdict], total: int) -> int:
    """Write beside the file, then rename; returns the number of anomalies."""
    names = [field.name for field in msgspec.structs.fields(Verdict)]
    beside = out.with_name(f".{out.name}.unfinished")
    anomalies = 0
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            for row in track(rows, "replay", total=total, console=stderr):
                anomalies += bool(row.is_anomaly)
                writer.writerow([_cell(getattr(row, name)) for name in names])
        os.replace(beside, out)  # noqa: PTH105 - says better what it does than Path.replace
    finally:
        beside.unlink(missing_ok=True)
    return anomalies


def _cell(value: Any) -> Any:
    """Numbers as they are, nested values as JSON, unknown as an empty cell."""
    if value is None or isinstance(value, int | float | str):
        return "" if value is None else value
    return msgspec.json.encode(value).decode()
