"""What the engine asks of the world outside: sinks and a store, as protocols."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Protocol

from models.blocks import VerdictBlock

AlertStatus = Literal["opened", "updated", "resolved"]
MarkStatus = Literal["opened", "updated", "resolved", "open"]


@dataclass(frozen=True, slots=True)
class Contributor:
    """One metric's part in a score: raw values and its share of the score, in [0, 1]."""

    metric: str
    actual: float | None
    expected: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One transition of an alert. Times are microseconds UTC of the observations.

    Attributes:
        event_id: 16 hex digits, the same over the whole life of the alert.
        at: Time of the observation that made this transition.
        since: Time of the first anomaly of the run that opened the alert.
        opened_at: Time of the observation that opened the alert.
        severity: Severity of that observation; of the worst one for `resolved`.
        peak_severity: Worst severity so far.
        anomalies: Anomalies since the first of the run that opened the alert.
        level_shift_since: Time since which the stream's level is another; None: it is not.
        contributors: Of the worst observation so far, largest share first.
    """

    event_id: str
    stream_id: str
    model: str
    status: AlertStatus
    at: int
    since: int
    opened_at: int
    severity: float
    peak_severity: float
    anomalies: int
    level_shift_since: int | None
    contributors: tuple[Contributor, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What a verdict says of its stream's alert."""

    event_id: str
    status: MarkStatus


class VerdictLists(NamedTuple):
    """Columns of a `VerdictBlock` under their names, as lists of plain numbers."""

    times: list[int]
    seqs: list[int]
    refusal: list[int]
    phase: list[int]
    score: list[float]
    smoothed: list[float]
    threshold: list[float]
    severity: list[float]
    is_anomaly: list[int]
    shifted_since: list[int]
    done: list[int]
    of: list[int]


@dataclass(frozen=True)
class Scored:
    """A verdict block with the names that belong to it.

    Attributes:
        model: Name of the model.
        metrics: Names of its metrics, the columns of the explanations, `[F]`.
        stream_ids: One a row, `[B]`.
        verdicts: The verdict block; refused rows stand in it and are to be passed over.
        marks: What verdicts say of alerts, by row; most rows have none.
    """

    model: str
    metrics: Sequence[str]
    stream_ids: Sequence[str]
    verdicts: VerdictBlock
    marks: dict[int, Mark] = field(default_factory=dict)

    @cached_property
    def lists(self) -> VerdictLists:
        """The columns as lists: many answers and sinks read the same block, row by row."""
        columns = (getattr(self.verdicts, name).tolist() for name in VerdictLists._fields)
        return VerdictLists(*columns)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a sink is handed in one write: blocks and alerts, each in the order they came.

    Attributes:
        open_alerts: All alerts that are open, as they stand, status `opened`; None where this is
            no refresh.
    """

    scored: list[Scored] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    open_alerts: list[Alert] | None = None


class Sink(Protocol):
    """Where verdicts and alerts go. Opened and written to by one task only.

    A `write_batch` that raised is repeated with the same `Delivery` object until it succeeds or
    is given up, so a sink can tell a repetition from a new one by identity. `close` may be called
    twice, and without `open`.
    """

    @property
    def takes_verdicts(self) -> bool:
        """Whether it is handed verdicts, or alerts only."""
        ...

    @property
    def refresh_s(self) -> float | None:
        """Seconds after which it is handed the `open_alerts` again; None: never."""
        ...

    @property
    def name(self) -> str:
        """Short and stable: the label in metrics and logs."""
        ...

    async def open(self) -> None:
        """Connect.

        Raises:
            SinkError: If that is not possible now; it will be tried again.
        """
        ...

    async def write_batch(self, delivery: Delivery) -> None:
        """Write everything or raise.

        Raises:
            SinkError: If not everything is known to be written; nothing else is ever raised.
        """
        ...

    async def close(self) -> None:
        """Let go of everything held."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be stored of one stream.

    Attributes:
        stream_id: Whose it is.
        parts: Bytes by name; they take the place of stored parts of the same name.
        is_whole: Whether this is all of the snapshot: stored parts of other names go. Otherwise
            they stay.
    """

    stream_id: str
    parts: dict[str, bytes]
    is_whole: bool

    @property
    def size(self) -> int:
        """Count the bytes of its parts."""
        return sum(map(len, self.parts.values()))


class SnapshotStore(Protocol):
    """Where snapshots live: bytes by stream and part. Used by one task at a time.

    It connects when first used. What is in it outlives the process. `close` may be called twice.
    """

    @property
    def name(self) -> str:
        """Short and stable: the label in metrics and logs."""
        ...

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        """Store entries; the parts of one stream change together or not at all.

        Args:
            entries: No stream twice.

        Returns:
            Streams whose entries were not whole, and of which nothing is stored or what another
            store was the last to load or save: nothing of these was written. All others were.

        Raises:
            StoreError: If it is not known that all were written; repeating them does no harm.
        """
        ...

    async def load(self, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Read snapshots; streams that are not there are left out.

        What was loaded may from now on be changed by parts by this store alone: an entry of
        another store that is not whole is given back as unknown, so that parts of two states never
        stand side by side. Load only what is to go on from there.

        Raises:
            StoreError: If that is not possible now.
        """
        ...

    async def delete(self, stream_ids: Sequence[str]) -> None:
        """Forget streams; those that are not there do no harm.

        Raises:
            StoreError: If it is not known that all are gone.
        """
        ...

    def list(self) -> AsyncIterator[list[str]]:
        """Go through the ids of all streams, some hundreds at a time, those saved last first.

        Raises:
            StoreError: If that is not possible now.
        """
        ...

    async def close(self) -> None:
        """Let go of everything held."""
        ...
