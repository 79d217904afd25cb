"""What becomes of verdicts: alerts, counts, sinks."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from models.blocks import Anomaly
from service.engine.alerts import Alerts
from service.engine.clock import Clock
from service.engine.columns import Judged
from service.engine.counters import Counters
from service.engine.dispatch import Outlet
from service.engine.errors import BANK_REFUSALS
from service.engine.model import Stream
from service.engine.ports import Alert, Scored
from service.engine.routing import Batch

_YES: Final = int(Anomaly.YES)


class Conclusion:
    """Concludes batches on the event loop, in the order they were scored.

    Args:
        alerts: The policy, and what it remembers.
        counters: What is counted.
        outlets: Where verdicts and alerts go.
        clock: For durations.
    """

    def __init__(
        self, alerts: Alerts, counters: Counters, outlets: Sequence[Outlet], clock: Clock
    ) -> None:
        self._alerts: Final = alerts
        self._counters: Final = counters
        self._outlets: Final = outlets
        self._clock: Final = clock

    def conclude(self, batch: Batch) -> Judged:
        """Apply alert policy to a batch, count it and hand it to the sinks."""
        marks, transitions = self._alerts.apply(batch.model, batch.streams, batch.verdicts)
        scored = Scored(
            batch.model.name,
            batch.model.metrics,
            batch.stream_ids,
            batch.verdicts,
            marks,
        )
        self._count(batch, transitions)
        for outlet in self._outlets:
            outlet.put(scored, transitions)
        return Judged(scored, 0, len(batch.verdicts))

    def close_alert(self, stream: Stream) -> None:
        """Resolve the alert of a stream that is reset or deleted."""
        alert = self._alerts.close(stream, self._clock.now())
        if alert is not None:
            self._counters.alerts[alert.status] += 1
            for outlet in self._outlets:
                outlet.put_alert(alert)

    def _count(self, batch: Batch, transitions: list[Alert]) -> None:
        counters, verdicts, model = self._counters, batch.verdicts, batch.model.name
        now = self._clock.monotonic()
        for received_at, rows in batch.received_at:
            counters.latency_s.observe(now - received_at, rows)
        counters.batch_rows.observe(len(verdicts))
        taken = verdicts.n_taken
        counters.scored[model] += taken
        counters.scores[model].observe_many(verdicts.score)
        counters.anomalies[model] += int(np.count_nonzero(verdicts.is_anomaly == _YES))
        counters.alerts.update(alert.status for alert in transitions)
        if taken < len(verdicts):
            for code, count in zip(*np.unique(verdicts.refusal, return_counts=True), strict=True):
                if code:
                    counters.refused[BANK_REFUSALS[code].type] += int(count)
