"""What a picture of a replay needs, collected as columns while the blocks go by."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.blocks import NO_TIME, Anomaly, Bool, Explanations, Float64, Int, Phase, VerdictBlock
from models.checkpoint import Checkpoint
from models.pictures.run import NONE, Run
from models.pictures.timeline import timeline
from models.recording import Recording
from service.cli.console import level_of
from service.engine.ports import Scored

_COLUMNS: Final = (
    "times", "score", "smoothed", "threshold", "is_anomaly", "phase", "shifted_since"
)  # fmt: skip


class RunColumns:
    """Collects one stream's blocks: a few numbers a row, whatever the number of metrics.

    Args:
        has_expected: Whether what was predicted is kept too; then every row must be explained.
    """

    def __init__(self, *, has_expected: bool) -> None:
        self.has_expected: Final = has_expected
        self._blocks: list[VerdictBlock] = []
        self._expected: list[Float64] = []
        self._leader: list[Int] = []
        self._shares: list[Float64] = []
        self._alert: list[Int] = []
        self._numbers: dict[str, int] = {}

    def take(self, verdicts: VerdictBlock) -> VerdictBlock:
        """Note a block; gives it back with what live traffic would explain: its anomalies."""
        found = verdicts.explanations
        if self.has_expected:
            expected = np.full((len(verdicts), found.actual.shape[1]), np.nan)
            expected[found.rows] = found.expected
            self._expected.append(expected)
        odd = _chosen(found, verdicts.is_anomaly[found.rows] == Anomaly.YES)
        leader = np.full(len(verdicts), NONE)
        leader[odd.rows] = odd.share.argmax(axis=1)
        self._leader.append(leader)
        self._shares.append(odd.share.sum(axis=0))
        nothing = Explanations.none(found.actual.shape[1])
        self._blocks.append(replace(verdicts, explanations=nothing))
        return replace(verdicts, explanations=odd)

    def mark(self, scored: Scored) -> None:
        """Note which alert was open at each row of the block that was taken last."""
        alert = np.full(len(scored.verdicts), NONE)
        for row, mark in scored.marks.items():
            alert[row] = self._numbers.setdefault(mark.event_id, len(self._numbers))
        self._alert.append(alert)

    def run(
        self, recording: Recording, checkpoint: Checkpoint, step_s: float | None, title: str
    ) -> Run:
        """Put together what was collected of a recording.

        Args:
            recording: What was judged, metrics in the model's order; all of it.
            checkpoint: What it was judged by.
            step_s: Seconds between two rows, if known.
            title: What was judged, and by what.
        """
        found = {name: self._column(name) for name in _COLUMNS}
        spec, smoothed = checkpoint.spec, found["smoothed"]
        is_anomaly: Bool = found["is_anomaly"] == Anomaly.YES
        n, anomalies = len(is_anomaly), int(np.count_nonzero(is_anomaly))
        run = Run(
            title=title,
            facts=f"{spec.scorer.name}; level: {level_of(spec.threshold)}; "
            f"{n:,} observations of {_counted(len(spec.metrics), 'metric')}",
            metrics=spec.metrics,
            values=recording.values,
            timeline=timeline(recording.times, n, step_s),
            minimum=np.asarray(spec.scaler.minimum),
            maximum=np.asarray(spec.scaler.maximum),
            expected=np.concatenate(self._expected) if self.has_expected else None,
            score=found["score"],
            smoothed=None if np.isnan(smoothed).all() else smoothed,
            threshold=found["threshold"],
            is_anomaly=is_anomaly,
            is_waiting=found["phase"] != Phase.LIVE,
            leader=np.concatenate(self._leader),
            share=np.sum(self._shares, axis=0) / max(anomalies, 1),
            alert=np.concatenate(self._alert),
            is_shifted=_shifted(found["times"], found["shifted_since"]),
        )
        told = f"{_counted(anomalies, 'anomaly')}, {_counted(run.n_alerts, 'alert')}"
        return replace(run, title=f"{title}: {told}")

    def _column(self, name: str) -> NDArray[Any]:
        return np.concatenate([getattr(block, name) for block in self._blocks])


def _chosen(found: Explanations, rows: Bool) -> Explanations:
    return Explanations(
        rows=found.rows[rows],
        actual=found.actual[rows],
        expected=found.expected[rows],
        share=found.share[rows],
    )


def _shifted(times: Int, since: Int) -> Bool:
    """Mark each shift from the row at which it began, not only from where that was known."""
    found: Bool = since != NO_TIME
    for begin in np.unique(since[found]).tolist():
        last = int(np.flatnonzero(since == begin)[-1])
        found[np.searchsorted(times, begin) : last + 1] = True
    return found


def _counted(count: int, what: str) -> str:
    plural = "anomalies" if what == "anomaly" else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"
