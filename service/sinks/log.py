"""Alerts into the log, one line a transition."""

from typing import Final

import structlog

from service.engine.ports import Delivery

_log = structlog.get_logger("stepwatch.alerts")


class LogSink:
    """Logs every alert as it opens, is updated and resolves; verdicts are not logged."""

    name: Final = "log"
    takes_verdicts: Final = False
    refresh_s: Final = None

    async def open(self) -> None:
        """Nothing to connect."""

    async def write_batch(self, delivery: Delivery) -> None:
        """Log the alerts."""
        for alert in delivery.alerts:
            _log.warning(
                f"alert {alert.status}",
                event_id=alert.event_id,
                stream_id=alert.stream_id,
                model=alert.model,
                severity=round(alert.severity, 2),
                contributors=[
                    f"{one.metric}: {one.actual} (expected {one.expected:.6g})"
                    for one in alert.contributors[:3]
                ],
            )

    async def close(self) -> None:
        """Nothing to let go of."""
