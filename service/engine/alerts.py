"""Alert policy: from anomalies to alerts that open, are updated and resolve."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.blocks import NO_TIME, Anomaly, Phase, Refusal, VerdictBlock
from service.engine.model import Model, Stream
from service.engine.ports import Alert, AlertStatus, Mark, MarkStatus
from service.engine.watch import Watch, event_id, reasons

# numpy looks a member of an enum up anew in every operation; a plain number costs a tenth
_YES, _TAKEN, _LIVE = int(Anomaly.YES), int(Refusal.NONE), int(Phase.LIVE)
_USUAL: Final = np.array(NO_TIME)
"""Less than any time since which a level is another; an array compares in half the time."""


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

    def worst_open(self, count: int) -> tuple[list[tuple[Stream, float]], int, int]:
        """Give the open alerts of the highest peak severity, and count all: quick, for many.

        Returns:
            At most `count` streams with their peaks, the worst first; how many alerts are open;
            and of how many streams the level has shifted.
        """
        is_open = [one for one in self._watches.items() if one[1].is_open]
        worst = nlargest(count, is_open, key=lambda one: one[1].peak)
        shifted = sum(watch.shifted_since is not None for _, watch in is_open)
        return [(stream, watch.peak) for stream, watch in worst], len(is_open), shifted

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
            status = self._on_row(stream, watch, verdicts, row)
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
        """Find the rows that are judged, and odd or of streams something goes on with."""
        anomalies, shifted = verdicts.is_anomaly == _YES, verdicts.shifted_since > _USUAL
        is_quiet = not (np.count_nonzero(anomalies) or np.count_nonzero(shifted))
        if is_quiet and not self._watches:
            return []
        watched = self._flags(model)
        # a stream that becomes watched within this block matters from there on
        touched = watched.copy()
        touched[verdicts.slots[anomalies | shifted]] = True
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

    def _on_row(
        self, stream: Stream, watch: Watch, verdicts: VerdictBlock, row: int
    ) -> AlertStatus | None:
        since = int(verdicts.shifted_since[row])
        was_shifted = watch.shifted_since is not None
        watch.shifted_since = None if since == NO_TIME else since
        is_anomaly = verdicts.is_anomaly[row] == _YES
        status = self._on_anomaly(stream, watch, verdicts, row) if is_anomaly else None
        if since != NO_TIME:
            told = self._on_shifted(stream, watch, verdicts, row, is_new=not was_shifted)
            return status or told
        return status if is_anomaly else self._on_normal(stream, watch)

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
            watch.why = reasons(stream, verdicts, row)
        if not watch.is_open:
            return self._open(stream, watch, at) if watch.streak >= self.policy.open_after else None
        if watch.severity > 2 * watch.told:
            watch.told = watch.severity
            return "updated"
        return None

    def _on_shifted(
        self, stream: Stream, watch: Watch, verdicts: VerdictBlock, row: int, *, is_new: bool
    ) -> AlertStatus | None:
        """Keep an alert open, or open one: the threshold may follow a drift without anomalies."""
        if verdicts.is_anomaly[row] != _YES:
            watch.streak = 0
        watch.normal = 0
        if watch.is_open:
            return "updated" if is_new else None
        if not watch.cooldown:
            watch.since = int(verdicts.shifted_since[row])
        if not watch.streak:  # no anomaly has told of this observation
            watch.severity = float(verdicts.severity[row])
            if not watch.cooldown:
                watch.peak, watch.anomalies, watch.why = 0.0, 0, ()
            if watch.severity > watch.peak:
                watch.peak, watch.why = watch.severity, reasons(stream, verdicts, row)
        return self._open(stream, watch, int(verdicts.times[row]))

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
