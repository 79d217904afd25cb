import io
import time
from typing import Literal

import numpy as np
import pytest
from rich.console import Console

from service.gateway.verdicts import AlertState, Contributor, Problem, RowRefusal, Verdict
from service.host.recording import Recording
from service.host.streaming import Reading
from service.host.watching import Learner, Watch
from service.host.words import compared, duration, in_short

Status = Literal["opened", "updated", "resolved", "open"]
NOON = 1_700_000_000.0
REASONS = [
    Contributor("load_1m", 0.52, 0.4, 0.04),
    Contributor("cpu_user_percent", 93.4, 7.1, 0.61),
    Contributor("disk_sda_write_bytes_per_s", 180e6, 1.2e6, 0.3),
    Contributor("net_errors_per_s", None, 0.0, 0.05),
]


class Stage:
    """A watch and what it has printed."""

    def __init__(self) -> None:
        self._paper = io.StringIO()
        self.watch = Watch(Console(file=self._paper, width=100), "http://127.0.0.1:8080")

    def hear(self, at_s: float, *answers: Verdict | Problem) -> str:
        """Hand over answers and give what was printed about them."""
        before = len(self._paper.getvalue())
        for answer in answers:
            told = answer if isinstance(answer, Problem) else [answer]
            self.watch.on_answer(Reading(NOON + at_s, np.zeros(1)), told)
        return self._paper.getvalue()[before:]

    def heard(self) -> str:
        """Give all that was printed."""
        return self._paper.getvalue()

    def summed_up(self, missed: int = 0, lost: int = 0) -> str:
        """Give the summary."""
        before = len(self._paper.getvalue())
        self.watch.summarise(missed, lost)
        return self._paper.getvalue()[before:]


@pytest.fixture
def stage() -> Stage:
    """A watch that has said that it watches."""
    stage = Stage()
    stage.hear(0, verdict())
    return stage


def verdict(
    status: Status | None = None, severity: float = 0.3, since: float | None = None
) -> Verdict:
    """Make a verdict."""
    return Verdict(
        stream_id="box",
        phase="live",
        severity=severity,
        level_shift_since=since,
        contributors=REASONS if severity > 1 else None,
        alert=None if status is None else AlertState("0123456789abcdef", status),
    )


def test_what_is_usual_is_not_told(stage: Stage) -> None:
    """Nothing is printed but that it watches, and that only once."""
    assert stage.hear(1, verdict(), verdict()) == ""
    assert "Watching" in Stage().hear(0, verdict())


def test_an_alert_is_told_with_its_reasons_in_words_and_units(stage: Stage) -> None:
    """When, the worst severity so far, then the three largest reasons: actual and expected."""
    said = stage.hear(2, verdict(severity=9.5), verdict(severity=3.0), verdict("opened", 4.0))
    lines = [" ".join(line.split()) for line in said.splitlines()]
    at = time.strftime("%H:%M:%S", time.localtime(NOON + 2))
    assert lines[0] == f"{at} ALERT severity 9.5"
    assert lines[1:] == [
        "CPU in programs: 93 %, expected 7.1 % (61 %)",
        "disk sda: written: 180 MB/s, expected 1.2 MB/s (30 %)",
        "network errors and drops: missing, expected 0/s (5 %)",
    ]


def test_a_reason_that_shows_no_difference_is_not_told(stage: Stage) -> None:
    """A network expects a little more or less than nothing; "0, expected 0" tells nobody why."""
    part = Contributor("net_errors_per_s", 0.0, -3.0, 0.4)
    opened = Verdict(
        stream_id="box",
        phase="live",
        severity=2.0,
        contributors=[part, REASONS[1]],
        alert=AlertState("0123456789abcdef", "opened"),
    )
    said = stage.hear(1, opened)
    assert "CPU in programs" in said
    assert "network" not in said


def test_an_anomaly_that_passed_is_not_the_worst_of_a_later_alert(stage: Stage) -> None:
    """Only those in a row before the opening count."""
    said = stage.hear(2, verdict(severity=50.0), verdict(), verdict("opened", 4.0))
    assert "severity 4.0" in said


def test_a_resolution_tells_how_long_and_how_bad(stage: Stage) -> None:
    """From the opening on, and the worst severity meanwhile."""
    stage.hear(10, verdict("opened", 4.0))
    stage.hear(20, verdict("open", 12.5), verdict("updated", 3.0))
    assert "after 1 min 15 s, worst severity 12.5" in stage.hear(85, verdict("resolved"))


def test_an_alert_of_before_is_resolved_all_the_same(stage: Stage) -> None:
    """One that was open when watching began has no begin to tell."""
    said = stage.hear(5, verdict("open", 2.0), verdict("resolved"))
    assert said.rstrip().endswith("resolved  worst severity 2.0")


def test_a_new_level_is_told_once_with_what_to_do(stage: Stage) -> None:
    """And again when there is another one later."""
    said = stage.hear(70, verdict("open", 2.0, since=NOON))
    assert "curl -X POST http://127.0.0.1:8080/v1/streams/box/accept-baseline" in said
    assert stage.hear(71, verdict("open", 2.0, since=NOON)) == ""
    assert stage.hear(72, verdict()) == ""
    assert "new level" in stage.hear(99, verdict("open", 2.0, since=NOON))


def test_an_alert_about_a_level_is_told_as_such(stage: Stage) -> None:
    """No anomaly opened it: there is no severity to tell, and no reasons."""
    said = stage.hear(70, verdict("opened", 0.0, since=NOON))
    assert "ALERT     the level has shifted" in said
    assert "new level" in said
    assert "1 alert" in stage.summed_up()
    said += stage.hear(130, verdict("resolved")) + stage.summed_up()
    assert "after 1 min 0 s\n" in said
    assert "severity" not in said
    assert "reasons" not in said


def test_an_absence_is_told_with_what_it_has_cost(stage: Stage) -> None:
    """When it goes, when it is back, and in the summary."""
    stage.watch.on_away("no service")
    stage.watch.on_back(12)
    said = stage.summed_up(lost=12)
    assert "12 lost, the service was away" in said
    assert stage.heard().count("no service; tried again every 5 s") == 1
    assert "12 readings lost" in stage.heard()


def test_a_refusal_is_told_once_and_counted(stage: Stage) -> None:
    """Of a reading and of a whole frame."""
    refused = Verdict(error=RowRefusal("not-after", "time goes [back]"))
    assert "not-after: time goes [back]" in stage.hear(1, refused)
    assert stage.hear(2, refused) == ""
    assert "busy: too much" in stage.hear(3, Problem(type="busy", title="too much"))
    assert "3 refused" in stage.summed_up()


def test_tuning_in_is_told_before_watching() -> None:
    """A service that has not seen this computer for a while needs some readings first."""
    stage = Stage()
    said = stage.hear(0, Verdict(stream_id="box", phase="washout"), verdict())
    assert said.index("tunes in") < said.index("Watching")
    assert stage.watch.tally.judged == 1


def test_the_summary_tells_what_there_was(stage: Stage) -> None:
    """Readings, time, alerts with their first reasons, and what was missed."""
    assert "1 readings judged in 0 s; no alerts" in stage.summed_up()
    stage.hear(10, verdict("opened", 4.0))
    assert "still open" in stage.summed_up()
    stage.hear(30, verdict("resolved"))
    said = stage.summed_up(missed=2)
    assert "still open" not in said
    assert "3 readings judged in 30 s; 1 alert; worst severity 4.0" in said
    assert "CPU in programs (1)" in said
    assert "2 missed" in said


def test_nothing_is_told_of_verdicts_while_learning() -> None:
    """They are of a model that knows nothing yet; what is refused is told all the same."""
    stage = Stage()
    stage.watch.learner = Learner(Recording(["a"], 9), 0, lambda *_: None, lambda: None)
    assert stage.hear(0, verdict("opened", 9.0)) == ""
    assert "refused" in stage.hear(1, Problem(type="no-model"))


def test_a_learner_passes_the_start_over_and_stops_when_full() -> None:
    """Progress counts from the first reading that is kept; the end is told once."""
    recording = Recording(["cpu_user_percent"], wanted=2)
    shown, full = list[tuple[int, str]](), list[bool]()
    learner = Learner(recording, 1, lambda *now: shown.append(now), lambda: full.append(True))
    for at in range(5):
        learner.on_reading(Reading(NOON + at, np.array([10.0 * at])))
    assert recording.values.tolist() == [[10.0], [20.0]]
    assert shown == [(1, "CPU 10 %"), (2, "CPU 20 %")]
    assert full == [True]


def test_a_reading_in_short_leaves_out_what_is_missing() -> None:
    """CPU, memory and the first disk, in units."""
    names = ["cpu_user_percent", "memory_used_percent", "disk_sda_write_bytes_per_s"]
    reading = Reading(NOON, np.array([12.3, np.nan, 3.4e6]))
    assert in_short(names, reading) == "CPU 12 %, disk 3.4 MB/s"


def test_an_expectation_below_zero_is_none() -> None:
    """A network may predict a little less than nothing; a person would wonder."""
    assert "expected 0 B/s" in compared(Contributor("net_sent_bytes_per_s", 5.0, -300.0, 1.0))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_durations_are_told_in_a_person_s_units(seconds: float, told: str) -> None:
    """No more precise than anybody would say."""
    assert duration(seconds) == told
