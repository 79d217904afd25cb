"""One pass of a recording through the bank, as live traffic goes, and the CSV it gives."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from models.blocks import NO_SEQ, Anomaly, Int, ObservationBlock, Refusal, VerdictBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from models.recording import MICROSECONDS, ReadingError, Recording, default_names
from service.cli.run_columns import RunColumns
from service.engine.alerts import Alerts
from service.engine.columns import Judged
from service.engine.errors import BANK_REFUSALS
from service.engine.model import Model, Stream
from service.engine.ports import Scored
from service.ingest.encode import verdict_rows
from service.ingest.schemas import Verdict
from service.settings import Settings

BLOCK_ROWS: Final = 256


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


class Replay:
    """One stream that takes a recording block by block, alerts included.

    Args:
        recording: With the metrics in the model's order.
        step_s: Seconds between two rows, where it has no times.
        model: Takes a slot for it.
        settings: Start, window and alert policy.
        columns: Collects what a picture needs; None: there is to be none.

    Attributes:
        anomalies: How many there were so far.
    """

    def __init__(
        self,
        recording: Recording,
        step_s: float,
        model: Model,
        settings: Settings,
        columns: RunColumns | None = None,
    ) -> None:
        self.anomalies = 0
        self._events: set[str] = set()
        self._model = model
        self._columns = columns
        self._values = recording.values
        self._times = _times(recording, step_s)
        options = StreamOptions(start=settings.start, prime=settings.prime)
        self._stream = Stream("replay", model, model.take_slot(), options, 0)
        self._alerts = Alerts(settings.alert_policy)
        model.bank.start(self._slots(1), options)

    @property
    def alerts(self) -> int:
        """Count the alerts so far; one that opened again is the same."""
        return len(self._events)

    @property
    def n_blocks(self) -> int:
        """Count the blocks."""
        return -(-len(self._values) // BLOCK_ROWS)

    def blocks(self) -> Iterator[Scored]:
        """Advance; yields each block with what its verdicts say of alerts.

        Raises:
            ReadingError: If an observation was refused.
        """
        for begin in range(0, len(self._values), BLOCK_ROWS):
            verdicts = self._advanced(slice(begin, begin + BLOCK_ROWS))
            _check_taken(verdicts, begin)
            if self._columns is not None:
                verdicts = self._columns.take(verdicts)
            streams = [self._stream] * len(verdicts)
            marks, transitions = self._alerts.apply(self._model, streams, verdicts)
            self._events.update(alert.event_id for alert in transitions)
            ids = [self._stream.stream_id] * len(verdicts)
            scored = Scored(self._model.name, self._model.metrics, ids, verdicts, marks)
            if self._columns is not None:
                self._columns.mark(scored)
            self.anomalies += int(np.count_nonzero(verdicts.is_anomaly == Anomaly.YES))
            yield scored

    def _advanced(self, part: slice) -> VerdictBlock:
        values = self._values[part]
        size = len(values)
        has_all = self._columns is not None and self._columns.has_expected
        return self._model.bank.advance(
            ObservationBlock(
                slots=self._slots(size),
                times=self._times[part],
                seqs=np.full(size, NO_SEQ),
                values=values,
                explain=np.full(size, has_all),
                arrival=0,
            )
        )

    def _slots(self, size: int) -> Int:
        return np.full(size, self._stream.slot)


def _times(recording: Recording, step_s: float) -> Int:
    if recording.times is not None:
        return recording.times
    return (np.arange(len(recording.values)) * (step_s * MICROSECONDS)).astype(np.int64)


def _check_taken(verdicts: VerdictBlock, begin: int) -> None:
    if verdicts.n_taken == len(verdicts):
        return
    at = int(np.flatnonzero(verdicts.refusal)[0])
    why = BANK_REFUSALS[Refusal(verdicts.refusal[at])].detail
    raise ReadingError(f"row {begin + at} (counted from 0) was refused: {why}")


def write_rows(out: Path, blocks: Iterator[Scored]) -> None:
    """Write a row for each observation beside the file, then rename.

    Raises:
        OSError: If the disk does not take it; what stood there before stays.
    """
    names = [field.name for field in msgspec.structs.fields(Verdict)]
    beside = out.with_name(f".{out.name}.unfinished")
    try:
        with beside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            for scored in blocks:
                rows = verdict_rows(Judged(scored, 0, len(scored.verdicts)))
                writer.writerows([_cell(getattr(row, name)) for name in names] for row in rows)
        os.replace(beside, out)  # noqa: PTH105 - says better what it does than Path.replace
    finally:
        beside.unlink(missing_ok=True)


def _cell(value: Any) -> Any:
    """Numbers as they are, nested values as JSON, unknown as an empty cell."""
    if value is None or isinstance(value, int | float | str):
        return "" if value is None else value
    return msgspec.json.encode(value).decode()
