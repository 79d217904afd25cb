"""Small engines, requests and verdicts to test with."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import numpy as np
from numpy.typing import ArrayLike

from models.bank import StreamBank
from models.blocks import (
    NO_SEQ,
    NO_TIME,
    Anomaly,
    Explanations,
    ObservationBlock,
    Phase,
    Refusal,
    VerdictBlock,
)
from models.options import Start, StreamOptions
from service.engine.alerts import AlertPolicy
from service.engine.columns import Answer, Columns, Request
from service.engine.directory import Directory
from service.engine.engine import Engine, Limits
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.model import Model
from service.engine.ports import Alert, Contributor, Scored, Sink
from tests.fakes import ARRIVAL, FakeClock, make_checkpoint

METRICS = ("m0", "m1", "m2")


class WatchedBank(StreamBank):
    """Notes who works on it; on the compute thread it waits for its gate."""

    def __init__(self) -> None:
        super().__init__(make_checkpoint(validation_steps=120))
        self.entered, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.sizes: list[int] = []
        self.threads: list[str] = []
        self.inside, self.overlaps = 0, 0
        self.failure: Exception | None = None

    def advance(self, block: ObservationBlock) -> VerdictBlock:
        self.inside += 1
        self.overlaps += self.inside > 1
        self.sizes.append(len(block))
        self.threads.append(threading.current_thread().name)
        self.entered.set()
        if threading.current_thread() is not threading.main_thread():
            self.gate.wait(10)
        try:
            if self.failure is not None:
                raise self.failure
            return super().advance(block)
        finally:
            self.inside -= 1


def make_model(name: str = "pumps", n_features: int = 3) -> Model:
    """Make a model with random weights and no streams."""
    return Model(name, StreamBank(make_checkpoint(n_features, validation_steps=120)))


def make_directory(
    *models: Model,
    default: str | None = "pumps",
    start: Start = "reference",
    max_streams: int = 2000,
) -> Directory:
    """Make a directory of these models, or of a small one; streams are live from the start."""
    return Directory(
        {model.name: model for model in models or (make_model(),)},
        default_model=default,
        options=StreamOptions(start=start),
        max_streams=max_streams,
    )


def make_engine(
    directory: Directory | None = None,
    *,
    sinks: Sequence[Sink] = (),
    clock: FakeClock | None = None,
    policy: AlertPolicy | None = None,
    limits: Limits | None = None,
) -> Engine:
    """Make an engine that is not started."""
    return Engine(
        make_directory() if directory is None else directory,
        policy=policy or AlertPolicy(),
        sinks=sinks,
        clock=clock or FakeClock(),
        limits=limits or Limits(),
    )


@asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Engine]:
    """Start an engine and stop it at the end."""
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until a condition holds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - many conditions, one turn of the loop each
            await asyncio.sleep(0)


def columns(
    stream_ids: str | Sequence[str],
    values: ArrayLike,
    *,
    rows: Sequence[int] | None = None,
    times: Sequence[int] | None = None,
    seqs: Sequence[int] | None = None,
    metrics: tuple[str, ...] | None = None,
) -> Columns:
    """Make columns; one id may stand for all rows, rows without times are undated."""
    raw = np.atleast_2d(np.asarray(values, np.float64))
    size = len(raw)
    return Columns(
        rows=np.arange(size) if rows is None else np.asarray(rows, np.int64),
        stream_ids=(stream_ids,) * size if isinstance(stream_ids, str) else tuple(stream_ids),
        times=np.full(size, NO_TIME) if times is None else np.asarray(times, np.int64),
        seqs=np.full(size, NO_SEQ) if seqs is None else np.asarray(seqs, np.int64),
        values=raw,
        metrics=metrics,
    )


def request(
    *parts: Columns, errors: dict[int, RowError] | None = None, explain: bool = False
) -> Request:
    """Make a request whose rows are those of its columns and errors."""
    size = sum(len(part.rows) for part in parts) + len(errors or {})
    return Request(
        door="test", size=size, columns=list(parts), errors=errors or {}, explain=explain
    )


async def sent(engine: Engine, *parts: Columns) -> Answer:
    """Submit columns and wait for the answer."""
    return await engine.submit(request(*parts)).answer()


def outcomes(answer: Answer) -> list[str | float]:
    """Give each row's score, or the type of its error; a row without either is a failure."""
    found: dict[int, str | float] = {place: error.type for place, error in answer.errors.items()}
    for places, judged in answer.parts:
        verdicts = judged.scored.verdicts
        for place, row in zip(places.tolist(), range(judged.start, judged.stop), strict=True):
            assert place not in found, f"row {place} was answered twice"
            refusal = Refusal(int(verdicts.refusal[row]))
            is_taken = refusal is Refusal.NONE
            found[place] = float(verdicts.score[row]) if is_taken else BANK_REFUSALS[refusal].type
    assert sorted(found) == list(range(answer.size))
    return [found[place] for place in range(answer.size)]


def verdict_block(
    severities: Sequence[float],
    *,
    slots: int | Sequence[int] = 0,
    first: int = 0,
    phase: Phase = Phase.LIVE,
    refusal: Refusal = Refusal.NONE,
    shifted: Mapping[int, int] | None = None,
) -> VerdictBlock:
    """Make verdicts a second apart of a threshold of 2; a NaN severity is unknown.

    `shifted` says of rows since when the level is another; scores are smoothed to half of them.
    """
    severity = np.asarray(severities, np.float64)
    size, since = len(severity), shifted or {}
    anomaly = np.where(severity > 1, Anomaly.YES, Anomaly.NO).astype(np.int8)
    anomaly[np.isnan(severity)] = Anomaly.UNKNOWN
    rows = np.flatnonzero(anomaly == Anomaly.YES)
    share = np.tile([0.1, 0.7, 0.2], (len(rows), 1))
    return VerdictBlock(
        slots=np.array(np.broadcast_to(np.asarray(slots, np.int64), size)),
        times=ARRIVAL + 1_000_000 * (first + np.arange(size)),
        seqs=np.full(size, NO_SEQ),
        refusal=np.full(size, refusal, np.int8),
        phase=np.full(size, phase, np.int8),
        score=2 * severity,
        smoothed=severity.copy(),
        threshold=np.where(np.isnan(severity), np.nan, 2.0),
        severity=severity,
        is_anomaly=anomaly,
        done=np.zeros(size, np.int32),
        of=np.zeros(size, np.int32),
        shifted_since=np.array([since.get(row, NO_TIME) for row in range(size)], np.int64),
        explanations=Explanations(
            rows=rows, actual=10 * share + rows[:, None], expected=share, share=share
        ),
    )


def scored(severities: Sequence[float], stream_id: str = "pump-1", first: int = 0) -> Scored:
    """Name the verdicts of one stream."""
    verdicts = verdict_block(severities, first=first)
    return Scored("pumps", METRICS, [stream_id] * len(verdicts), verdicts)


def an_alert() -> Alert:
    """Make the transition that opens an alert on pump-1."""
    return Alert(
        event_id="00112233aabbccdd",
        stream_id="pump-1",
        model="pumps",
        status="opened",
        at=ARRIVAL + 2_000_000,
        since=ARRIVAL,
        opened_at=ARRIVAL + 2_000_000,
        severity=2.5,
        peak_severity=3.0,
        anomalies=3,
        level_shift_since=None,
        contributors=(Contributor("m1", None, 0.5, 0.75), Contributor("m0", 1.5, 0.25, 0.25)),
    )
