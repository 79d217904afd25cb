"""What is remembered of a stream while something is going on with it, and how alerts tell it."""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from models.blocks import Explanations, VerdictBlock
from service.engine.model import Stream
from service.engine.ports import Alert, AlertStatus, Contributor

TOP_CONTRIBUTORS: Final = 5


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
        shifted_since: Since when its level is another, as of the last observation; None: it is
            not.
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
    shifted_since: int | None = None

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
            level_shift_since=None if status == "resolved" else self.shifted_since,
            contributors=self.why,
        )


def reasons(stream: Stream, verdicts: VerdictBlock, row: int) -> tuple[Contributor, ...]:
    """Read why a row has its score; empty where it was not explained."""
    explained = verdicts.explanations
    at = int(np.searchsorted(explained.rows, row))
    if at == len(explained.rows) or explained.rows[at] != row:
        return ()
    return contributors(stream.model.metrics, explained, at, TOP_CONTRIBUTORS)


def event_id(stream_id: str, model: str, opened_at: int) -> str:
    """Name an alert: the first 16 hex digits of SHA-256 over stream, model and opening time."""
    return hashlib.sha256(f"{stream_id}\n{model}\n{opened_at}".encode()).hexdigest()[:16]
