"""Deliveries for sinks, built from what a test cares about."""

from collections.abc import Sequence

import numpy as np

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Explanations, Phase, Refusal, VerdictBlock
from service.engine.ports import Alert, Contributor, Scored

TIME = 1_763_762_400_123_456
"""The time of a first row, microseconds UTC."""
MINUTE = 60_000_000


def verdicts(size: int, *, first_time: int = TIME, **columns: Sequence[float]) -> VerdictBlock:
    """Make live, normal verdicts a minute apart; columns may be given in full."""
    full: dict[str, tuple[object, type]] = {
        "slots": (np.arange(size), np.int64),
        "times": (first_time + MINUTE * np.arange(size), np.int64),
        "seqs": (np.full(size, NO_SEQ), np.int64),
        "refusal": (np.full(size, Refusal.NONE), np.int8),
        "phase": (np.full(size, Phase.LIVE), np.int8),
        "score": (np.full(size, 0.1), np.float64),
        "smoothed": (np.full(size, 0.2), np.float64),
        "threshold": (np.full(size, 0.4), np.float64),
        "severity": (np.full(size, 0.25), np.float64),
        "is_anomaly": (np.full(size, Anomaly.NO), np.int8),
        "done": (np.zeros(size), np.int32),
        "of": (np.zeros(size), np.int32),
        "shifted_since": (np.full(size, NO_TIME), np.int64),
    }
    none = np.empty((0, 2))
    return VerdictBlock(
        **{name: np.array(columns.get(name, fill), kind) for name, (fill, kind) in full.items()},
        explanations=Explanations(
            rows=np.empty(0, np.int64), actual=none, expected=none, share=none
        ),
    )


def scored(stream_ids: Sequence[str], block: VerdictBlock | None = None) -> Scored:
    """Name the streams of a block, or of one made for them."""
    return Scored("pumps", ("flow", "pressure"), stream_ids, block or verdicts(len(stream_ids)))


def alert(number: int = 0) -> Alert:
    """Make an alert that opens; the number tells it from others."""
    return Alert(
        event_id=f"{number:016x}",
        stream_id=f"plant-a/pump-{number}",
        model="pumps",
        status="opened",
        at=TIME + 2 * MINUTE,
        since=TIME,
        opened_at=TIME + 2 * MINUTE,
        severity=2.5,
        peak_severity=3.125,
        anomalies=3,
        level_shift_since=None,
        contributors=(
            Contributor("flow", None, 1.5, 0.75),
            Contributor("pressure", 2.0, 1.0, 0.25),
        ),
    )
