"""An alert as Alertmanager's API takes it: labels, annotations in plain words, and times.

Labels say which alert it is, so they are the same over its whole life. Times are another matter:
Alertmanager holds `endsAt` against its own clock, and what ended is resolved. The time of an
observation says nothing of that clock (a recording of last year, a gateway whose clock is wrong),
so the end is told by the wall clock, and the times of the observations are annotations.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from service.engine.ports import Alert, Contributor

ALERT_NAME: Final = "StepwatchAnomaly"
SLACK_US: Final = 1_000_000
"""What has ended is said to have ended this much earlier: where Alertmanager's clock is a little
behind ours, the end would lie before it, and what has not ended yet goes on to its old end."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800_000_000
_LAST: Final = 253_402_300_799_999_999
"""The years 1 to 9999, microseconds: what RFC 3339 can write."""
_PLAIN_FROM, _PLAIN_TO = 9999.5, 1e9


def rfc3339(at: int) -> str:
    """Write a time; one before the year 1 or after 9999 as the beginning or end of these.

    Args:
        at: Microseconds UTC.
    """
    time = _EPOCH + timedelta(microseconds=min(max(at, _FIRST), _LAST))
    return time.isoformat().replace("+00:00", "Z")


def postable(alert: Alert, *, now: int, ends_at: int, link: str) -> dict[str, Any]:
    """Give an alert as the API takes it.

    Args:
        alert: As it stands.
        now: The wall clock, microseconds UTC.
        ends_at: When it ended or ends if nothing more is heard of it, on the wall clock.
        link: Address of the stream.
    """
    starts_at = min(max(alert.since, 0), now)
    return {
        "labels": {
            "alertname": ALERT_NAME,
            "stream": alert.stream_id,
            "model": alert.model,
            "severity": "warning",
            "service": "stepwatch",
        },
        "annotations": annotations(alert),
        "startsAt": rfc3339(starts_at),
        "endsAt": rfc3339(max(ends_at, starts_at)),
        "generatorURL": link,
    }


def annotations(alert: Alert) -> dict[str, str]:
    """Say what a person wants to know; times are those of the observations."""
    told = {
        "summary": summary(alert),
        "description": description(alert),
        "event_id": alert.event_id,
        "peak_severity": _number(alert.peak_severity),
        "contributors": ", ".join(map(_part, alert.contributors)),
        "anomalies": str(alert.anomalies),
        "since": rfc3339(alert.since),
        "opened_at": rfc3339(alert.opened_at),
    }
    if alert.level_shift_since is not None:
        told["level_shift_since"] = rfc3339(alert.level_shift_since)
    if alert.status == "resolved":
        told["resolved_at"] = rfc3339(alert.at)
    return told


def summary(alert: Alert) -> str:
    """Say in one line what is wrong: the metric that contributes most."""
    is_over = alert.status == "resolved"
    if not alert.contributors:
        what = f"severity {_number(alert.peak_severity)}"
    else:
        top = alert.contributors[0]
        verb = "was" if is_over else "is"
        what = f"{top.metric} {verb} {_actual(top)}, expected {_number(top.expected)}"
    return f"{alert.stream_id}: {what}" + (" (resolved)" if is_over else "")


def description(alert: Alert) -> str:
    """Say since when, how bad, and which metrics contribute most."""
    said = [f"Anomalous since {_spoken(alert.since)} ({alert.anomalies} anomalies)."]
    if alert.level_shift_since is not None:
        said.append(f"Its level has shifted since {_spoken(alert.level_shift_since)}.")
    said.append(f"Peak severity {_number(alert.peak_severity)}, where 1 is the threshold.")
    if alert.contributors:
        worst = "; ".join(
            f"{_part(one)}: {_actual(one)}, expected {_number(one.expected)}"
            for one in alert.contributors
        )
        said.append(f"At the worst: {worst}.")
    return " ".join(said)


def _spoken(at: int) -> str:
    return rfc3339(at - at % 1_000_000).replace("T", " ").replace("Z", " UTC")


def _part(one: Contributor) -> str:
    return f"{one.metric} {one.share:.0%}"


def _actual(one: Contributor) -> str:
    return "missing" if one.actual is None else _number(one.actual)


def _number(value: float) -> str:
    """Write a number as a person would, with four digits that count."""
    return format(value, ".0f" if _PLAIN_FROM <= abs(value) < _PLAIN_TO else ".4g")
