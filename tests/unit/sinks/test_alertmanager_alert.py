"""Alerts as Alertmanager is given them."""

from dataclasses import replace

import pytest

from service.engine.ports import Alert, Contributor
from service.sinks.alertmanager_alert import annotations, description, postable, rfc3339, summary
from tests.deliveries import MINUTE, TIME, alert

NOW = TIME + 60 * MINUTE
SECOND = 1_000_000


def posted(one: Alert, *, ends_in: int = MINUTE) -> dict[str, object]:
    """Give an alert as it is posted an hour after it began."""
    return postable(one, now=NOW, ends_at=NOW + ends_in, link="http://here/v1/streams/s")


def test_the_whole_alert() -> None:
    """Labels name the stream's alert; annotations say it in words; times are RFC 3339."""
    assert posted(alert(7)) == {
        "labels": {
            "alertname": "StepwatchAnomaly",
            "stream": "plant-a/pump-7",
            "model": "pumps",
            "severity": "warning",
            "service": "stepwatch",
        },
        "annotations": {
            "summary": "plant-a/pump-7: flow is missing, expected 1.5",
            "description": (
                "Anomalous since 2025-11-21 22:00:00 UTC (3 anomalies). "
                "Peak severity 3.125, where 1 is the threshold. "
                "At the worst: flow 75%: missing, expected 1.5; pressure 25%: 2, expected 1."
            ),
            "event_id": "0000000000000007",
            "peak_severity": "3.125",
            "contributors": "flow 75%, pressure 25%",
            "anomalies": "3",
            "since": "2025-11-21T22:00:00.123456Z",
            "opened_at": "2025-11-21T22:02:00.123456Z",
        },
        "startsAt": "2025-11-21T22:00:00.123456Z",
        "endsAt": "2025-11-21T23:01:00.123456Z",
        "generatorURL": "http://here/v1/streams/s",
    }


def test_labels_stay_the_same() -> None:
    """Whatever becomes of an alert, and whichever event it is, to Alertmanager it is the same."""
    later = replace(
        alert(), status="resolved", event_id="f" * 16, at=NOW, peak_severity=9, contributors=()
    )
    assert posted(later)["labels"] == posted(alert())["labels"]


@pytest.mark.parametrize(
    ("since", "starts_at"),
    [
        (NOW + MINUTE, rfc3339(NOW)),
        (NOW - 365 * 24 * 60 * MINUTE, "2024-11-21T23:00:00.123456Z"),
        (-5, "1970-01-01T00:00:00Z"),
        (-(2**62), "1970-01-01T00:00:00Z"),
    ],
)
def test_when_it_began(since: int, starts_at: str) -> None:
    """An observation of the future begins now, one of the past then, one of no year in 1970."""
    one = posted(replace(alert(), since=since, opened_at=since, at=since))
    assert one["startsAt"] == starts_at
    assert one["endsAt"] == "2025-11-21T23:01:00.123456Z"


def test_it_never_ends_before_it_begins() -> None:
    """Alertmanager refuses an end that lies before the begin."""
    one = posted(replace(alert(), since=NOW), ends_in=-SECOND)
    assert one["endsAt"] == one["startsAt"] == rfc3339(NOW)


def test_a_resolved_alert_says_when() -> None:
    """The time of the observation that resolved it is an annotation, and so is that it is over."""
    over = replace(alert(1), status="resolved", at=TIME + 9 * MINUTE)
    assert annotations(over)["resolved_at"] == "2025-11-21T22:09:00.123456Z"
    assert "resolved_at" not in annotations(alert(1))
    assert summary(over) == "plant-a/pump-1: flow was missing, expected 1.5 (resolved)"


def test_a_shift_is_told() -> None:
    """An alert of a shifted level says since when."""
    shifted = replace(alert(), level_shift_since=TIME + MINUTE)
    assert annotations(shifted)["level_shift_since"] == "2025-11-21T22:01:00.123456Z"
    assert "Its level has shifted since 2025-11-21 22:01:00 UTC." in description(shifted)
    assert "level" not in description(alert())


def test_without_contributors() -> None:
    """A drift that opened an alert without anomalies may have none."""
    drift = replace(alert(), contributors=(), anomalies=0)
    assert summary(drift) == "plant-a/pump-0: severity 3.125"
    assert "At the worst" not in description(drift)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (3.1, "3.1"),
        (0.123456, "0.1235"),
        (9999.5, "10000"),
        (101325.4, "101325"),
        (-123456.7, "-123457"),
        (1.5e12, "1.5e+12"),
        (0.0, "0"),
        (-1e-9, "-1e-09"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_as_a_person_writes_them(value: float, written: str) -> None:
    """Four digits that count, and no exponent for what people write without one."""
    one = replace(alert(), contributors=(Contributor("flow", value, value, 1.0),))
    assert summary(one) == f"plant-a/pump-0: flow is {written}, expected {written}"


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-(2**63), "0001-01-01T00:00:00Z"),
        (2**63 - 1, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_of_any_year(at: int, written: str) -> None:
    """No time of an observation is one that cannot be written."""
    assert rfc3339(at) == written
