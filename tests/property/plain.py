"""What the service is compared with: every stream alone in a bank of its own, row by row."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from models.bank import StreamBank
from models.blocks import Anomaly, ObservationBlock, Phase, Refusal, VerdictBlock
from models.options import StreamOptions
from models.snapshot import SnapshotFormat
from service.engine.alerts import AlertPolicy, Alerts
from service.engine.errors import BANK_REFUSALS
from service.engine.model import Model, Stream
from service.engine.ports import Alert, Mark

SLOT: Final = np.array([0])
POLICY: Final = AlertPolicy(open_after=2, resolve_after=3, cooldown=4)
NEVER: Final = float("inf")


@dataclass(frozen=True)
class Said:
    """What came of one row: the type of its error, or what its verdict says."""

    error: str = ""
    phase: Phase | None = None
    numbers: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    is_anomaly: int = Anomaly.UNKNOWN
    mark: Mark | None = None

    @property
    def is_close(self) -> bool:
        """Whether the score lies at the threshold, where rounding may decide."""
        score, threshold, _ = self.numbers
        return abs(score - threshold) <= 1e-4 * threshold + 1e-7


def said(verdicts: VerdictBlock, row: int, mark: Mark | None) -> Said:
    """Read one row of a verdict block."""
    refusal = Refusal(int(verdicts.refusal[row]))
    if refusal is not Refusal.NONE:
        return Said(BANK_REFUSALS[refusal].type)
    score, threshold, severity = (
        float(column[row]) for column in (verdicts.score, verdicts.threshold, verdicts.severity)
    )
    return Said(
        phase=Phase(int(verdicts.phase[row])),
        numbers=(score, threshold, severity),
        is_anomaly=int(verdicts.is_anomaly[row]),
        mark=mark,
    )


def alone(bank: StreamBank) -> StreamBank:
    """Copy a bank; the weights are shared, they never change."""
    return deepcopy(bank, {id(bank.scorer): bank.scorer, id(bank.spec): bank.spec})


def is_same(one: StreamBank, other: StreamBank) -> bool:
    """Whether memory and window of one mean the same to the other."""
    layouts = {SnapshotFormat.of(bank).layout for bank in (one, other)}
    return one.spec.content_hash == other.spec.content_hash and len(layouts) == 1


@dataclass
class Twin:
    """One stream in a bank of its own, with alerts of its own.

    Attributes:
        arrived: When it was last heard of.
        since, recent_since: First change not stored, and that of the last observations.
        is_new: Whether nothing that is stored of it counts.
    """

    stream: Stream
    arrived: float
    since: float = NEVER
    recent_since: float = NEVER
    is_new: bool = True
    alerts: Alerts = field(default_factory=lambda: Alerts(POLICY))

    @property
    def bank(self) -> StreamBank:
        """The bank, in whose only slot the stream is."""
        return self.stream.model.bank

    @property
    def open_alert(self) -> Alert | None:
        """The alert, if it is open."""
        return next(iter(self.alerts.open_alerts()), None)

    def copied(self) -> "Twin":
        """Copy it as it stands."""
        bank = self.bank
        copy: Twin = deepcopy(self, {id(bank.scorer): bank.scorer, id(bank.spec): bank.spec})
        return copy

    def touch(self, now: float) -> None:
        """Note that something of it changed."""
        self.arrived = now
        self.since, self.recent_since = min(self.since, now), min(self.recent_since, now)

    def begin(self, now: float) -> None:
        """Note that nothing stored of it counts."""
        self.is_new, self.since, self.recent_since = True, now, now

    def take(self, block: ObservationBlock) -> Said:
        """Take one row."""
        verdicts = self.bank.advance(block)
        marks, _ = self.alerts.apply(self.stream.model, [self.stream], verdicts)
        return said(verdicts, 0, marks.get(0))

    def close_alert(self) -> None:
        """Resolve an open alert, forget what was remembered."""
        self.alerts.leave(self.stream)

    def go_on(self, name: str, bank: StreamBank, options: StreamOptions) -> bool:
        """Go on in a bank like this; whether it was washed out for that."""
        old, watch = self.bank, self.alerts.leave(self.stream)
        own, created_at = self.stream.own, self.stream.created_at
        stream = new_stream(self.stream.stream_id, name, bank, options, own)
        stream.created_at = created_at
        is_going_on = is_same(old, bank)
        if is_going_on:
            stream.model.bank = old
            old.configure(SLOT, options)
        else:
            stream.model.bank.take_over(SLOT, old.record(SLOT), old.recent(SLOT), options)
        self.stream = stream
        if watch is not None:
            self.alerts.watch(stream, watch)
        return not is_going_on

    def wash_out(self, bank: StreamBank) -> None:
        """Go on in the bank of a model that was reloaded."""
        old = self.bank
        self.stream.model.bank = alone(bank)
        self.bank.take_over(SLOT, old.record(SLOT), old.recent(SLOT), self.stream.options)


def new_stream(
    stream_id: str, name: str, bank: StreamBank, options: StreamOptions, own: dict[str, Any]
) -> Stream:
    """Make a stream that is alone in a copy of a bank that has none."""
    model = Model(name, alone(bank))
    stream = Stream(stream_id, model, model.take_slot(), options, 0, own)
    model.streams[stream.slot] = stream
    return stream
