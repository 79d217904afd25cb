import io
from typing import Literal

import pytest
from rich.console import Console

from service.demo.faults import Fault, FaultKind
from service.demo.narrator import Narrator
from service.demo.tally import Tally
from service.gateway.verdicts import (
    AlertState,
    Contributor,
    Problem,
    RowRefusal,
    Verdict,
    decode,
)

Status = Literal["opened", "updated", "resolved", "open"]
PUMP = "plant-a/pump-1"
STUCK = Fault(kind=FaultKind.STUCK, stream_id=PUMP, column=1, start=400, steps=80, size=0.0)


class Stage:
    """A narrator and what it has printed."""

    def __init__(self, width: int = 120) -> None:
        self.tally = Tally()
        self._paper = io.StringIO()
        self.narrator = Narrator(Console(file=self._paper, width=width), 10.0, self.tally)

    @property
    def printed(self) -> str:
        return self._paper.getvalue()

    def play(self, step: int, of: Verdict | None = None) -> str:
        """Hand over one verdict and give what was printed about it."""
        before = len(self.printed)
        self.narrator.on_verdicts(step, [of or verdict()])
        return self.printed[before:]


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.play(1)
    return stage


def verdict(
    status: Status | None = None,
    severity: float = 0.3,
    contributors: list[Contributor] | None = None,
) -> Verdict:
    return Verdict(
        stream_id=PUMP,
        phase="live",
        severity=severity,
        contributors=contributors,
        alert=None if status is None else AlertState("0123456789abcdef", status),
    )


def reasons() -> list[Contributor]:
    return [
        Contributor("speed_rpm", 1200.0, 1210.0, 0.02),
        Contributor("flow_m3h", 182.04, 231.4, 0.81),
        Contributor("power_kw", None, 33.3, 0.01),
        Contributor("pressure_bar", 3.1, 4.25, 0.16),
    ]


def test_ordinary_verdicts_say_nothing(stage: Stage) -> None:
    """As long as nothing is out of the ordinary nothing is printed."""
    assert stage.play(2) == ""


def test_opening_tells_why_and_the_truth(stage: Stage) -> None:
    """An opening names stream, severity, the three largest contributors in units, and the fault."""
    stage.narrator.injected(STUCK)

    text = stage.play(424, verdict(status="opened", severity=3.42, contributors=reasons()))

    head, *why, truth = text.splitlines()
    assert head == f"00:42  ALERT     {PUMP}  severity 3.4"
    assert [reason.split()[0] for reason in why] == ["flow_m3h", "pressure_bar", "speed_rpm"]
    assert "182 m³/h, expected 231.4 (81 %)" in why[0]
    assert truth.strip() == f"injected 2.4 s before: stuck sensor of flow_m3h at {PUMP}"


def test_contributors_fit_a_narrow_terminal(stage: Stage) -> None:
    """The longest name, unit and numbers there are stay within 80 columns, and say everything."""
    longest = [Contributor("vibration_mm_s", -1.234e-05, -1.234e-05, 1.0)]

    text = stage.play(424, verdict(status="opened", contributors=longest))

    line = text.splitlines()[1]
    assert line.endswith("-1.234e-05 mm/s, expected -1.234e-05 (100 %)")
    assert len(line) <= 80


def test_long_lines_are_left_to_the_terminal() -> None:
    """A line longer than the terminal is printed as one, so that it can be copied whole."""
    stage = Stage(width=40)
    stage.play(1)

    assert "0 not yet decided, 0 false alerts\n" in stage.play(600)
    assert len(stage.printed.splitlines()) == 2


def test_false_alert_is_called_one(stage: Stage) -> None:
    """Where nothing had been injected the narrator says so."""
    assert "no fault had been injected" in stage.play(90, verdict(status="opened", severity=2.0))
    assert stage.tally.false_alerts == 1


def test_missing_metric_is_named_missing(stage: Stage) -> None:
    """A contributor without actual value is shown as missing, not as a number."""
    missing = [Contributor("power_kw", None, 33.3, 1.0)]

    assert "missing kW, expected 33.3" in stage.play(
        9, verdict(status="opened", contributors=missing)
    )


def test_resolution_tells_how_long_and_how_bad(stage: Stage) -> None:
    """A resolution gives the time since the opening and the worst severity in between."""
    stage.play(100, verdict(status="opened", severity=2.0))
    stage.play(103, verdict(status="updated", severity=7.5))
    stage.play(104, verdict(status="open", severity=1.5))

    assert stage.play(161, verdict(status="resolved", severity=0.5)) == (
        f"00:16  resolved  {PUMP} after 6.1 s, worst severity 7.5\n"
    )


def test_worst_severity_counts_from_the_first_anomaly(stage: Stage) -> None:
    """The anomalies in a row before the opening belong to the alert, older ones do not."""
    for step, severity in enumerate([50.0, 0.5, 9.0, 3.0]):
        stage.play(96 + step, verdict(severity=severity))
    stage.play(100, verdict(status="opened", severity=2.0))

    assert "worst severity 9.0" in stage.play(110, verdict(status="resolved"))


def test_reopening_is_told_as_such(stage: Stage) -> None:
    """An alert that opens again under the same event id is not told as another one."""
    stage.play(100, verdict(status="opened", severity=2.0))
    stage.play(120, verdict(status="resolved"))

    assert "again     " + PUMP in stage.play(130, verdict(status="opened", severity=1.5))


def test_resolution_of_an_unknown_alert_is_passed_over(stage: Stage) -> None:
    """An alert that was open before the demo looked is none of its business."""
    assert stage.play(100, verdict(status="resolved")) == ""


def test_missed_fault_is_told(stage: Stage) -> None:
    """A fault that nobody found is told once its time is over."""
    stage.narrator.injected(STUCK)

    assert stage.play(509) == ""
    assert "MISSED    stuck sensor of flow_m3h" in stage.play(510)


def test_tally_comes_every_twenty_seconds(stage: Stage) -> None:
    """Every 20 s of steps there is a line with everything counted."""
    stage.narrator.injected(STUCK)
    stage.play(412, verdict(status="opened", severity=2.0))

    assert "tally" not in stage.play(599, verdict(status="resolved"))
    assert (
        "tally     1 faults injected, 1 found (mean delay 1.2 s), 0 missed, "
        "0 not yet decided, 0 false alerts"
    ) in stage.play(600)


def test_summary_has_every_kind(stage: Stage) -> None:
    """At the end a table shows what became of each kind of fault."""
    stage.narrator.injected(STUCK)

    stage.narrator.summarise(450)

    assert "1 not yet decided" in stage.printed
    assert all(kind.value in stage.printed for kind in FaultKind)


def test_phases_are_told_once() -> None:
    """While the service tunes in there is one line, and one when all pumps are live."""
    stage = Stage()
    washing, live = Verdict(stream_id=PUMP, phase="washout"), verdict()
    for step, verdicts in enumerate([[washing], [washing], [live], [live]]):
        stage.narrator.on_verdicts(step, verdicts)

    assert stage.printed.splitlines() == [
        "1 pumps are streaming; the service tunes in.",
        "All 1 pumps are live; faults will come.",
    ]


def test_refusals_are_told_once(stage: Stage) -> None:
    """The same refusal of rows or frames is not repeated ten times a second."""
    refused = Verdict(error=RowRefusal("duplicate", "the stream already has [one]"))
    for step in (2, 3):
        stage.narrator.on_verdicts(step, [refused])
        stage.narrator.on_problem(Problem(type="overloaded", title="Overloaded", detail="later"))

    assert stage.printed.count("refused duplicate: the stream already has [one]") == 1
    assert stage.printed.count("refused overloaded: later") == 1


def test_decode_reads_verdicts_refusals_and_problems() -> None:
    """Every answer of the contract is read, whatever else stands in it."""
    row = (
        '{"stream_id": "a", "timestamp": 1.5, "seq": 3, "phase": "live", "score": 0.1,'
        '"smoothed_score": null, "threshold": 0.05, "severity": 2.0, "is_anomaly": true,'
        '"contributors": [{"metric": "m", "actual": null, "expected": 1, "share": 1}],'
        '"alert": {"event_id": "0123456789abcdef", "status": "opened"}, "progress": null}'
    )
    refusal = '{"index": 1, "error": {"type": "duplicate", "detail": "again"}}'

    verdicts = decode(f"[{row}, {refusal}]")
    problem = decode('{"type": "overloaded", "title": "t", "status": 429, "detail": "d"}')

    assert isinstance(verdicts, list)
    first, second = verdicts
    assert first.alert == AlertState("0123456789abcdef", "opened")
    assert first.contributors == [Contributor("m", None, 1.0, 1.0)]
    assert second.error == RowRefusal("duplicate", "again")
    assert problem == Problem(type="overloaded", title="t", detail="d")
