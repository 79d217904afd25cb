"""Alert policy: from anomalies to alerts that open, are updated and resolve."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.blocks import Anomaly, Explanations, Phase, Refusal, VerdictBlock
from service.engine.directory import Model, Stream
from service.engine.ports import Alert, AlertStatus, Contributor, Mark, MarkStatus

TOP_CONTRIBUTORS: Final = 5


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


class _Watch:
    """What is remembered of one stream while something is going on with it."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.is_open = False
        self.event_id = ""
        self.since = self.opened_at = 0
        self.streak = self.normal = self.anomalies = self.cooldown = 0
        self.severity = self.peak = self.told = 0.0
        self.why: tuple[Contributor, ...] = ()

    def alert(self, status: AlertStatus, at: int) -> Alert:
        return Alert(
            event_id=self.event_id,
            stream_id=self.stream.stream_id,
            model=self.stream.model.name,
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
        self._watches: dict[Stream, _Watch] = {}
        self._watched: dict[Model, NDArray[np.bool_]] = {}

    def open_alerts(self) -> list[Alert]:
        """List the alerts that are open, as they stand."""
        return [
            watch.alert("opened", watch.opened_at)
            for watch in self._watches.values()
            if watch.is_open
        ]

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
            watch = self._watch(streams[row])
            is_anomaly = verdicts.is_anomaly[row] == Anomaly.YES
            status = (
                self._on_anomaly(watch, model, verdicts, row)
                if is_anomaly
                else self._on_normal(watch)
            )
            if status is not None:
                transitions.append(watch.alert(status, int(verdicts.times[row])))
            if watch.is_open or status is not None:
                shown: MarkStatus = status or "open"
                marks[row] = Mark(watch.event_id, shown)
        return marks, transitions

    def close(self, stream: Stream, at: int) -> Alert | None:
        """Forget a stream that is reset or deleted; an open alert is resolved."""
        watch = self._watches.pop(stream, None)
        if watch is None:
            return None
        self._watched[stream.model][stream.slot] = False
        return watch.alert("resolved", at) if watch.is_open else None

    def _rows_that_matter(self, model: Model, verdicts: VerdictBlock) -> list[int]:
        """Find the rows that are judged, and anomalies or of streams something goes on with."""
        anomalies = verdicts.is_anomaly == Anomaly.YES
        watched = self._watched.get(model)
        if watched is None or len(watched) < model.used:
            grown = np.zeros(2 * model.used, np.bool_)
            if watched is not None:
                grown[: len(watched)] = watched
            watched = self._watched[model] = grown
        if not self._watches and not anomalies.any():
            return []
        # a stream that becomes watched within this block matters from there on
        touched = watched.copy()
        touched[verdicts.slots[anomalies]] = True
        judged = (verdicts.refusal == Refusal.NONE) & (verdicts.phase == Phase.LIVE)
        rows: list[int] = np.flatnonzero(judged & touched[verdicts.slots]).tolist()
        return rows

    def _watch(self, stream: Stream) -> _Watch:
        watch = self._watches.get(stream)
        if watch is None:
            watch = self._watches[stream] = _Watch(stream)
            self._watched[stream.model][stream.slot] = True
        return watch

    def _on_anomaly(
        self, watch: _Watch, model: Model, verdicts: VerdictBlock, row: int
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
                model.metrics, verdicts.explanations, explained, TOP_CONTRIBUTORS
            )
        if not watch.is_open:
            return self._open(watch, at) if watch.streak >= self.policy.open_after else None
        if watch.severity > 2 * watch.told:
            watch.told = watch.severity
            return "updated"
        return None

    def _open(self, watch: _Watch, at: int) -> AlertStatus:
        if not watch.cooldown:
            watch.opened_at = at
            watch.event_id = event_id(watch.stream.stream_id, watch.stream.model.name, at)
        watch.is_open, watch.cooldown, watch.told = True, 0, watch.peak
        return "opened"

    def _on_normal(self, watch: _Watch) -> AlertStatus | None:
        watch.streak = 0
        if watch.is_open:
            watch.normal += 1
            if watch.normal < self.policy.resolve_after:
                return None
            watch.is_open, watch.cooldown = False, self.policy.cooldown
            if not watch.cooldown:
                self._forget(watch)
            return "resolved"
        watch.cooldown = max(watch.cooldown - 1, 0)
        if not watch.cooldown:
            self._forget(watch)
        return None

    def _forget(self, watch: _Watch) -> None:
        del self._watches[watch.stream]
        self._watched[watch.stream.model][watch.stream.slot] = False


def event_id(stream_id: str, model: str, opened_at: int) -> str:
    """Name an alert: the first 16 hex digits of SHA-256 over stream, model and opening time."""
    return hashlib.sha256(f"{stream_id}\n{model}\n{opened_at}".encode()).hexdigest()[:16]
