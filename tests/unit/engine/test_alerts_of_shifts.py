"""What a level shift does to alerts: it keeps them open, opens them, and is told once."""

from collections.abc import Iterable

import pytest

from service.engine.alerts import AlertPolicy
from service.engine.ports import Alert
from tests.engines import verdict_block
from tests.unit.engine.test_alerts import BAD, GOOD, Scene, at

SINCE = at(-50)


def shifted(scene: Scene, severities: Iterable[float], since: int = SINCE) -> list[Alert]:
    """Feed rows whose level is another, one block each; gives the transitions."""
    transitions = []
    for severity in severities:
        block = verdict_block([severity], first=scene.steps, shifted={0: since})
        transitions += scene.apply(block)[1]
        scene.steps += 1
    return transitions


def told(alerts: list[Alert]) -> list[tuple[str, int | None]]:
    """Give what transitions say of the level."""
    return [(alert.status, alert.level_shift_since) for alert in alerts]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_first_row_of_a_shift_updates_an_open_alert_once(scene: Scene) -> None:
    """From then on the alert says since when, until the level is the usual one again."""
    assert told(scene.feed([BAD] * 4)) == [("opened", None)]
    assert told(shifted(scene, [BAD, GOOD, BAD, GOOD])) == [("updated", SINCE)]
    (alert,) = scene.alerts.open_alerts()
    assert alert.level_shift_since == SINCE
    assert scene.feed([GOOD]) == []
    (alert,) = scene.alerts.open_alerts()
    assert alert.level_shift_since is None
    assert told(shifted(scene, [GOOD], at(1))) == [("updated", at(1))]


def test_a_shift_that_comes_as_the_severity_doubles_is_told_with_it(scene: Scene) -> None:
    """One row makes one transition."""
    scene.feed([BAD] * 3)
    assert told(shifted(scene, [9.0, GOOD])) == [("updated", SINCE)]


def test_shifted_rows_do_not_resolve(scene: Scene) -> None:
    """However many are below the threshold that has followed; ten usual ones in a row do."""
    scene.feed([BAD] * 3 + [GOOD] * 9)
    shifted(scene, [GOOD] * 30)
    assert scene.feed([GOOD] * 9) == []
    assert told(scene.feed([GOOD])) == [("resolved", None)]


def test_a_shift_without_anomalies_opens(scene: Scene) -> None:
    """A slow drift that the threshold follows: the alert began when the level did."""
    (alert,) = shifted(scene, [0.8, 0.9, GOOD])
    assert told([alert]) == [("opened", SINCE)]
    assert (alert.since, alert.opened_at) == (SINCE, at(0))
    assert (alert.severity, alert.peak_severity, alert.anomalies) == (0.8, 0.8, 0)
    assert alert.contributors == ()


def test_an_anomaly_of_a_shift_opens_at_once(scene: Scene) -> None:
    """Its severity and contributors are the alert's."""
    (alert,) = shifted(scene, [BAD])
    assert (alert.status, alert.severity, alert.anomalies) == ("opened", BAD, 1)
    assert alert.since == SINCE
    assert [one.metric for one in alert.contributors] == ["m1", "m2", "m0"]


def test_a_shift_in_the_cool_down_continues_the_alert(scene: Scene) -> None:
    """It is the same event, with its worst severity and since when it was."""
    (opened, resolved) = scene.feed([BAD, 5.0, BAD] + [GOOD] * 12)
    (again,) = shifted(scene, [GOOD])
    assert opened.event_id == resolved.event_id == again.event_id
    assert (again.since, again.peak_severity, again.severity) == (at(0), 5.0, GOOD)


def test_marks_and_rows_within_one_block(scene: Scene) -> None:
    """A shift matters from its first row on, also of a stream nothing was going on with."""
    since = dict.fromkeys((2, 3, 4), SINCE)
    other = scene.add("pump-2")
    block = verdict_block([GOOD] * 6, slots=[0, 1, 0, 0, 0, 1], shifted=since)
    streams = [scene.stream, other, scene.stream, scene.stream, scene.stream, other]
    marks, transitions = scene.alerts.apply(scene.model, streams, block)
    assert {row: mark.status for row, mark in marks.items()} == {
        2: "opened", 3: "open", 4: "open",
    }  # fmt: skip
    assert [alert.stream_id for alert in transitions] == ["pump-1"]


def test_a_closed_alert_tells_no_shift() -> None:
    """What ends with a reset, or with a level that was accepted, is shifted no more."""
    scene = Scene(AlertPolicy(open_after=1))
    shifted(scene, [BAD] * 3)
    closed = scene.alerts.close(scene.stream, at(99))
    assert closed is not None
    assert told([closed]) == [("resolved", None)]
