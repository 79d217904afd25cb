"""Alert policy: from anomalies to alerts that open, are updated and resolve."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.blocks import Anomaly, Explanations, Phase, Refusal, VerdictBlock
from service.engine.model import Model, Stream
from service.engine.ports import Alert, AlertStatus, Contributor, Mark, MarkStatus

TOP_CONTRIBUTORS: Final = 5
# numpy looks a member of an enum up anew in every operation; a plain number costs a tenth
_YES, _TAKEN, _LIVE = int(Anomaly.YES), int(Refusal.NONE), int(Phase.LIVE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPolicy:
    """When an alert opens and resolves, in observations of its stream.

    Attributes:
        open_after: Anomalies in a row that open an alert.
        resolve_after: Normal observations in a row that resolve it.
        cooldown: Observations after that in which a re-opening continues the same alert.
    """

    open_after: int = 3
    resolve_after: int = 10
    cooldown: int = 60


def contributors(
    metrics: Sequence[str], explanations: Explanations, at: int, limit: int | None = None
) -> tuple[Contributor, ...]:
    """Read the explanation number `at`, largest share first."""
    share, expected = explanations.share[at].tolist(), explanations.expected[at].tolist()
    actual = explanations.actual[at].tolist()
    order = sorted(range(len(metrics)), key=lambda metric: -share[metric])[:limit]
    return tuple(
        Contributor(
            metrics[metric],
            None if math.isnan(actual[metric]) else actual[metric],
            expected[metric],
            share[metric],
        )
        for metric in order
    )


class Watch(msgspec.Struct):
    """What is remembered of one stream while something is going on with it.

    Attributes:
        streak: Anomalies in a row, up to the last observation.
        normal: Normal observations in a row, while the alert is open.
        anomalies: Anomalies since the first of the run that opened the alert.
        cooldown: Observations left in which a re-opening continues the same alert.
        severity: Of the last anomaly.
        peak: The worst severity so far.
        told: The worst severity that a transition told of.
        why: Contributors of the worst observation.
    """

    is_open: bool = False
    event_id: str = ""
    since: int = 0
    opened_at: int = 0
    streak: int = 0
    normal: int = 0
    anomalies: int = 0
    cooldown: int = 0
    severity: float = 0.0
    peak: float = 0.0
    told: float = 0.0
    why: tuple[Contributor, ...] = ()

    def alert(self, stream: Stream, status: AlertStatus, at: int) -> Alert:
        """Describe a transition, or the alert as it stands."""
        return Alert(
            event_id=self.event_id,
            stream_id=stream.stream_id,
            model=stream.model.name,
            status=status,
            at=at,
            since=self.since,
            opened_at=self.opened_at,
            severity=self.peak if status == "resolved" else self.severity,
            peak_severity=self.peak,
            anomalies=self.anomalies,
            contributors=self.why,
        )


class Alerts:
    """Applies the policy to verdict blocks; costs nothing for streams where all is quiet.

    Args:
        policy: The same for every stream.
    """

    def __init__(self, policy: AlertPolicy) -> None:
        self.policy: Final = policy
        self._watches: dict[Stream, Watch] = {}
        self._watched: dict[Model, NDArray[np.bool_]] = {}

    def open_alerts(self) -> list[Alert]:
        """List the alerts that are open, as they stand."""
        return [
            watch.alert(stream, "opened", watch.opened_at)
            for stream, watch in self._watches.items()
            if watch.is_open
        ]

    def open_streams(self) -> list[Stream]:
        """List the streams whose alert is open."""
        return [stream for stream, watch in self._watches.items() if watch.is_open]

    def apply(
        self, model: Model, streams: Sequence[Stream], verdicts: VerdictBlock
    ) -> tuple[dict[int, Mark], list[Alert]]:
        """Take a block of verdicts in order.

        Returns:
            What verdicts say of alerts, by row; transitions, in order.
        """
        marks: dict[int, Mark] = {}
        transitions: list[Alert] = []
        for row in self._rows_that_matter(model, verdicts):
            stream = streams[row]
            watch = self._watches.get(stream) or self.watch(stream, Watch())
            is_anomaly = verdicts.is_anomaly[row] == _YES
            status = (
                self._on_anomaly(stream, watch, verdicts, row)
                if is_anomaly
                else self._on_normal(stream, watch)
            )
            if status is not None:
                transitions.append(watch.alert(stream, status, int(verdicts.times[row])))
            if watch.is_open or status is not None:
                shown: MarkStatus = status or "open"
                marks[row] = Mark(watch.event_id, shown)
        return marks, transitions

    def close(self, stream: Stream, at: int) -> Alert | None:
        """Forget a stream that is reset or deleted; an open alert is resolved."""
        watch = self.leave(stream)
        return watch.alert(stream, "resolved", at) if watch and watch.is_open else None

    def watched(self, stream: Stream) -> Watch | None:
        """Give what is remembered of a stream, if something is going on with it."""
        return self._watches.get(stream)

    def leave(self, stream: Stream) -> Watch | None:
        """Hand over what is remembered of a stream that goes on elsewhere or not at all."""
        watch = self._watches.pop(stream, None)
        if watch is not None:
            self._watched[stream.model][stream.slot] = False
        return watch

    def watch(self, stream: Stream, watch: Watch) -> Watch:
        """Remember a stream from here on."""
        self._watches[stream] = watch
        self._flags(stream.model)[stream.slot] = True
        return watch

    def _rows_that_matter(self, model: Model, verdicts: VerdictBlock) -> list[int]:
        """Find the rows that are judged, and anomalies or of streams something goes on with."""
        anomalies = verdicts.is_anomaly == _YES
        if not self._watches and not np.count_nonzero(anomalies):
            return []
        watched = self._flags(model)
        # a stream that becomes watched within this block matters from there on
        touched = watched.copy()
        touched[verdicts.slots[anomalies]] = True
        judged = (verdicts.refusal == _TAKEN) & (verdicts.phase == _LIVE)
        rows: list[int] = np.flatnonzero(judged & touched[verdicts.slots]).tolist()
        return rows

    def _flags(self, model: Model) -> NDArray[np.bool_]:
        """Give the flags of the slots that are watched, one for each slot at least."""
        flags = self._watched.get(model, np.zeros(0, np.bool_))
        if len(flags) < model.used:
            grown = np.zeros(2 * model.used, np.bool_)
            grown[: len(flags)] = flags
            flags = self._watched[model] = grown
        return flags

    def _on_anomaly(
        self, stream: Stream, watch: Watch, verdicts: VerdictBlock, row: int
    ) -> AlertStatus | None:
        at, watch.severity = int(verdicts.times[row]), float(verdicts.severity[row])
        watch.streak += 1
        watch.normal = 0
        if watch.streak == 1 and not watch.is_open and not watch.cooldown:
            watch.since, watch.peak, watch.anomalies = at, 0.0, 0
        watch.anomalies += 1
        if watch.severity > watch.peak:
            watch.peak = watch.severity
            explained = int(np.searchsorted(verdicts.explanations.rows, row))
            watch.why = contributors(
                stream.model.metrics, verdicts.explanations, explained, TOP_CONTRIBUTORS
            )
        if not watch.is_open:
            return self._open(stream, watch, at) if watch.streak >= self.policy.open_after else None
        if watch.severity > 2 * watch.told:
            watch.told = watch.severity
            return "updated"
        return None

    def _open(self, stream: Stream, watch: Watch, at: int) -> AlertStatus:
        if not watch.cooldown:
            watch.opened_at = at
            watch.event_id = event_id(stream.stream_id, stream.model.name, at)
        watch.is_open, watch.cooldown, watch.told = True, 0, watch.peak
        return "opened"

    def _on_normal(self, stream: Stream, watch: Watch) -> AlertStatus | None:
        watch.streak = 0
        if watch.is_open:
            watch.normal += 1
            if watch.normal < self.policy.resolve_after:
                return None
            watch.is_open, watch.cooldown = False, self.policy.cooldown
            if not watch.cooldown:
                self.leave(stream)
            return "resolved"
        watch.cooldown = max(watch.cooldown - 1, 0)
        if not watch.cooldown:
            self.leave(stream)
        return None


def event_id(stream_id: str, model: str, opened_at: int) -> str:
    """Name an alert: the first 16 hex digits of SHA-256 over stream, model and opening time."""
    return hashlib.sha256(f"{stream_id}\n{model}\n{opened_at}".encode()).hexdigest()[:16]
