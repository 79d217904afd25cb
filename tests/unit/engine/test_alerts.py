import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from models.blocks import Phase, Refusal, VerdictBlock
from models.options import StreamOptions
from service.engine.alerts import AlertPolicy, Alerts
from service.engine.model import Model, Stream
from service.engine.ports import Alert
from service.engine.watch import contributors, event_id
from tests.engines import METRICS, make_model, verdict_block
from tests.fakes import ARRIVAL

BAD = 3.0
GOOD = 0.5


class Scene:
    """Feeds severities of one stream, a second apart, to a policy."""

    def __init__(self, policy: AlertPolicy | None = None) -> None:
        self.alerts = Alerts(policy or AlertPolicy())
        self.model: Model = make_model()
        self.stream = self.add("pump-1")
        self.steps = 0

    def add(self, stream_id: str) -> Stream:
        return Stream(stream_id, self.model, self.model.take_slot(), StreamOptions(), ARRIVAL)

    def feed(
        self,
        severities: Sequence[float],
        phase: Phase = Phase.LIVE,
        refusal: Refusal = Refusal.NONE,
    ) -> list[Alert]:
        """Feed one block after the other, a row each; gives the transitions."""
        transitions = []
        for severity in severities:
            block = verdict_block([severity], first=self.steps, phase=phase, refusal=refusal)
            transitions += self.apply(block)[1]
            self.steps += 1
        return transitions

    def apply(self, block: VerdictBlock) -> tuple[dict[int, tuple[str, str]], list[Alert]]:
        marks, transitions = self.alerts.apply(self.model, [self.stream] * len(block), block)
        return {row: (mark.event_id, mark.status) for row, mark in marks.items()}, transitions


@pytest.fixture
def scene() -> Scene:
    return Scene()


def at(step: int) -> int:
    return ARRIVAL + 1_000_000 * step


def test_the_third_anomaly_in_a_row_opens(scene: Scene) -> None:
    """The alert knows since when, how bad and why, and is open from then on."""
    (alert,) = scene.feed([GOOD, BAD, 4.0, BAD])
    assert (alert.status, alert.stream_id, alert.model) == ("opened", "pump-1", "pumps")
    assert (alert.since, alert.opened_at, alert.at) == (at(1), at(3), at(3))
    assert (alert.severity, alert.peak_severity, alert.anomalies) == (BAD, 4.0, 3)
    assert [one.metric for one in alert.contributors] == ["m1", "m2", "m0"]
    assert [open_alert.event_id for open_alert in scene.alerts.open_alerts()] == [alert.event_id]


def test_event_id_is_a_hash_of_stream_model_and_opening(scene: Scene) -> None:
    """It is the first 16 hex digits of SHA-256."""
    (alert,) = scene.feed([BAD] * 3)
    text = f"pump-1\npumps\n{at(2)}"
    assert alert.event_id == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert event_id("pump-2", "pumps", at(2)) != alert.event_id


def test_a_normal_observation_breaks_the_streak(scene: Scene) -> None:
    """Anomalies that are not in a row open nothing, and the later run begins anew."""
    assert scene.feed([BAD, BAD, GOOD] * 5) == []
    (alert,) = scene.feed([BAD, BAD, BAD])
    assert (alert.since, alert.anomalies) == (at(15), 3)
    assert alert.peak_severity == BAD


def test_updated_when_the_peak_doubles(scene: Scene) -> None:
    """Each doubling is told once, measured from what was told last."""
    scene.feed([BAD] * 3)
    updates = scene.feed([5.9, 6.1, 7.0, 12.0, 12.3])
    assert [(alert.status, alert.severity) for alert in updates] == [
        ("updated", 6.1),
        ("updated", 12.3),
    ]
    assert updates[1].peak_severity == 12.3
    assert updates[1].since == at(0)


def test_ten_normal_observations_in_a_row_resolve(scene: Scene) -> None:
    """An anomaly in between begins the count anew; the severity told is the worst."""
    opened = scene.feed([BAD, 5.0, BAD])
    assert scene.feed([GOOD] * 9 + [BAD] + [GOOD] * 9) == []
    (resolved,) = scene.feed([GOOD])
    assert (resolved.status, resolved.severity, resolved.anomalies) == ("resolved", 5.0, 4)
    assert resolved.event_id == opened[0].event_id
    assert scene.alerts.open_alerts() == []


@pytest.mark.parametrize(("quiet", "is_same"), [(0, True), (57, True), (60, False), (61, False)])
def test_cool_down_continues_the_same_alert(scene: Scene, quiet: int, is_same: bool) -> None:
    """A re-opening within 60 observations goes on with the alert; a later one is another."""
    (first,) = scene.feed([BAD] * 3)
    scene.feed([GOOD] * 10)
    scene.feed([GOOD] * quiet)
    (second,) = scene.feed([4.0] * 3)
    assert second.status == "opened"
    assert (second.event_id == first.event_id) == is_same
    assert (second.opened_at == first.opened_at) == is_same
    assert second.anomalies == (6 if is_same else 3)


def test_a_single_anomaly_in_the_cool_down_opens_nothing(scene: Scene) -> None:
    """Coming back takes as many anomalies in a row as the first opening."""
    scene.feed([BAD] * 3)
    scene.feed([GOOD] * 10)
    assert scene.feed([BAD, BAD, GOOD, BAD]) == []
    assert scene.alerts.open_alerts() == []


def test_without_cool_down_every_opening_is_new() -> None:
    """A cool-down of 0 forgets the alert as it resolves."""
    scene = Scene(AlertPolicy(open_after=1, resolve_after=1, cooldown=0))
    transitions = scene.feed([BAD, GOOD, BAD])
    assert [alert.status for alert in transitions] == ["opened", "resolved", "opened"]
    assert transitions[0].event_id == transitions[1].event_id != transitions[2].event_id


@pytest.mark.parametrize(
    ("phase", "refusal"),
    [
        (Phase.LIVE, Refusal.DUPLICATE),
        (Phase.WASHOUT, Refusal.NONE),
        (Phase.WARMUP, Refusal.NONE),
    ],
)
def test_rows_that_are_not_judged_do_not_count(
    scene: Scene, phase: Phase, refusal: Refusal
) -> None:
    """Refused rows and rows in washout or warm-up neither break a streak nor resolve."""
    scene.feed([BAD, BAD])
    assert scene.feed([np.nan] * 5, phase, refusal) == []
    assert [alert.status for alert in scene.feed([BAD])] == ["opened"]
    assert scene.feed([np.nan] * 20, phase, refusal) == []
    assert len(scene.alerts.open_alerts()) == 1


def test_several_transitions_of_one_stream_in_one_block(scene: Scene) -> None:
    """Open, update, resolve and re-open within a block, each mark in its row."""
    block = verdict_block([GOOD, BAD, BAD, BAD, 9.0, *[GOOD] * 10, GOOD, BAD, BAD, BAD])
    marks, transitions = scene.apply(block)
    assert [alert.status for alert in transitions] == ["opened", "updated", "resolved", "opened"]
    assert {alert.event_id for alert in transitions} == {marks[3][0]}
    shown = {row: status for row, (_, status) in marks.items()}
    assert shown == {
        3: "opened", 4: "updated", **dict.fromkeys(range(5, 14), "open"), 14: "resolved",
        18: "opened",
    }  # fmt: skip


def test_explanations_are_those_of_the_worst_row_of_a_block(scene: Scene) -> None:
    """The contributors come from the row with the highest severity, not the last."""
    _, (alert,) = scene.apply(verdict_block([GOOD, BAD, 9.0, BAD]))
    assert alert.contributors[0].actual == pytest.approx(7.0 + 2)


def test_two_streams_in_one_block(scene: Scene) -> None:
    """Interleaved rows of two streams are told apart, and a quiet one gets no mark."""
    other = scene.add("pump-2")
    streams = [scene.stream, other] * 3
    block = verdict_block([BAD, GOOD, BAD, GOOD, BAD, BAD], slots=[0, 1] * 3)
    marks, transitions = scene.alerts.apply(scene.model, streams, block)
    assert [alert.stream_id for alert in transitions] == ["pump-1"]
    assert list(marks) == [4]


@pytest.mark.parametrize(("fed", "is_open"), [(3, True), (2, False)])
def test_closing_a_stream_resolves_its_open_alert(scene: Scene, fed: int, is_open: bool) -> None:
    """Reset and delete resolve what is open and forget a streak."""
    scene.feed([BAD] * fed)
    closed = scene.alerts.close(scene.stream, at(99))
    assert (closed is not None and (closed.status, closed.at) == ("resolved", at(99))) == is_open
    assert scene.alerts.close(scene.stream, at(99)) is None
    assert scene.feed([BAD] * 2) == []


def test_a_reused_slot_inherits_nothing(scene: Scene) -> None:
    """What was going on in a slot ends with its stream."""
    scene.feed([BAD] * 2)
    scene.alerts.close(scene.stream, at(9))
    scene.stream = Stream("pump-9", scene.model, 0, StreamOptions(), ARRIVAL)
    assert scene.feed([BAD] * 2) == []
    assert scene.feed([BAD])[0].stream_id == "pump-9"


def test_streams_that_come_later_are_watched_too(scene: Scene) -> None:
    """Slots beyond those known at the first alert fit in."""
    scene.feed([BAD] * 3)
    late = [scene.add(f"late-{number}") for number in range(20)][-1]
    block = verdict_block([BAD] * 3, slots=late.slot)
    _, transitions = scene.alerts.apply(scene.model, [late] * 3, block)
    assert [alert.stream_id for alert in transitions] == [late.stream_id]


def test_contributors_are_limited_and_missing_values_unknown() -> None:
    """Largest share first, at most as many as asked for, NaN as None."""
    explanations = verdict_block([BAD]).explanations
    explanations.actual[0, 1] = np.nan
    (one,) = contributors(METRICS, explanations, 0, limit=1)
    assert (one.metric, one.actual, one.share) == ("m1", None, 0.7)
