"""The narrator: tells a person at a terminal what the service found and what really happened."""

import math
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from service.demo.faults import Fault
from service.demo.plant import METRICS
from service.demo.tally import Count, Tally
from service.gateway.verdicts import Contributor, Problem, Verdict

TALLY_EVERY_S: Final = 20.0
SHOWN_CONTRIBUTORS: Final = 3
_UNITS: Final = {metric.name: metric.unit for metric in METRICS}


@dataclass(slots=True)
class _OpenAlert:
    """What is remembered of an alert until it resolves."""

    step: int
    peak_severity: float


class Narrator:
    """Prints alerts as they open and resolve, missed faults, and a running tally.

    Args:
        console: Where to print.
        rate_hz: Steps a second, to tell steps as time.
        tally: Keeps the count; its owner may read it afterwards.
    """

    def __init__(self, console: Console, rate_hz: float, tally: Tally) -> None:
        self._console = console
        self._rate_hz = rate_hz
        self._tally = tally
        self._open: dict[str, _OpenAlert] = {}
        self._rising: dict[str, float] = {}
        self._last_event: dict[str, str] = {}
        self._told: set[str] = set()
        self._is_watching = False

    def injected(self, fault: Fault) -> None:
        """Take note of a fault that begins; nothing is printed, the service shall find it."""
        self._tally.inject(fault)

    def on_verdicts(self, step: int, verdicts: list[Verdict]) -> None:
        """Tell what the verdicts of one step bring."""
        self._tell_phase(verdicts)
        for verdict in verdicts:
            if verdict.error is not None:
                self._tell_once(verdict.error.type, verdict.error.detail)
                continue
            self._follow(verdict)
            if verdict.alert is not None:
                self._tell_alert(step, verdict, verdict.alert.event_id, verdict.alert.status)
        for fault in self._tally.expire(step):
            self._say(step, f"[yellow]MISSED[/]    {_described(fault)}")
        if step > 0 and step % round(TALLY_EVERY_S * self._rate_hz) == 0:
            self._say(step, f"[dim]tally[/]     {self._standing()}")

    def on_problem(self, problem: Problem) -> None:
        """Tell that the service refused a whole frame."""
        self._tell_once(problem.type, problem.detail or problem.title)

    def summarise(self, step: int) -> None:
        """Print the tally once more, and by kind of fault."""
        self._say(step, f"[bold]tally[/]     {self._standing()}")
        table = Table("fault", "injected", "found", "missed", "mean delay")
        for kind, count in self._tally.by_kind.items():
            numbers = (count.injected, count.found, count.missed)
            table.add_row(kind.value, *map(str, numbers), self._delay(count))
        self._console.print(table)

    def _tell_phase(self, verdicts: list[Verdict]) -> None:
        phases = {verdict.phase for verdict in verdicts if verdict.error is None}
        if self._is_watching or not phases:
            return
        if phases == {"live"}:
            self._is_watching = True
            self._print(f"All {len(verdicts)} pumps are live; faults will come.")
        elif "phase" not in self._told:
            self._told.add("phase")
            self._print(f"{len(verdicts)} pumps are streaming; the service tunes in.")

    def _follow(self, verdict: Verdict) -> None:
        """Remember the worst severity of an open alert, or of the anomalies that may open one."""
        stream_id, severity = verdict.stream_id, _severity(verdict)
        if stream_id in self._open:
            alert = self._open[stream_id]
            alert.peak_severity = max(alert.peak_severity, severity)
        elif severity > 1:
            self._rising[stream_id] = max(self._rising.get(stream_id, 0.0), severity)
        else:
            self._rising.pop(stream_id, None)

    def _tell_alert(self, step: int, verdict: Verdict, event_id: str, status: str) -> None:
        """Open or resolve."""
        stream_id = verdict.stream_id
        if status == "opened":
            self._open[stream_id] = _OpenAlert(
                step, self._rising.pop(stream_id, _severity(verdict))
            )
            is_again = self._last_event.get(stream_id) == event_id
            self._last_event[stream_id] = event_id
            fault = self._tally.opened(stream_id, event_id, step)
            self._tell_opening(step, verdict, fault, "again" if is_again else "ALERT")
        elif status == "resolved":
            self._tell_resolution(step, stream_id)

    def _tell_opening(self, step: int, verdict: Verdict, fault: Fault | None, word: str) -> None:
        self._say(
            step,
            f"[bold red]{word}[/]     [bold]{escape(verdict.stream_id)}[/]  "
            f"severity {_severity(verdict):.1f}",
        )
        by_share = sorted(verdict.contributors or [], key=lambda part: -part.share)
        for part in by_share[:SHOWN_CONTRIBUTORS]:
            self._print(f"{'':17} {_compared(part)}")
        truth = "[magenta]no fault had been injected: a false alert[/]"
        if fault is not None:
            delay_s = (step - fault.start) / self._rate_hz
            truth = f"[green]injected {delay_s:.1f} s before:[/] {_described(fault)}"
        self._print(f"{'':17} {truth}")

    def _tell_resolution(self, step: int, stream_id: str) -> None:
        alert = self._open.pop(stream_id, None)
        if alert is None:
            return
        lasted_s = (step - alert.step) / self._rate_hz
        self._say(
            step,
            f"[green]resolved[/]  {escape(stream_id)} after {lasted_s:.1f} s, "
            f"worst severity {alert.peak_severity:.1f}",
        )

    def _standing(self) -> str:
        total, false_alerts = self._tally.total, self._tally.false_alerts
        running = total.injected - total.found - total.missed
        return (
            f"{total.injected} faults injected, {total.found} found "
            f"(mean delay {self._delay(total)}), {total.missed} missed, "
            f"{running} not yet decided, {false_alerts} false alerts"
        )

    def _delay(self, count: Count) -> str:
        delay = count.mean_delay_steps
        return "-" if delay is None else f"{delay / self._rate_hz:.1f} s"

    def _tell_once(self, kind: str, detail: str) -> None:
        """Report a refusal the first time only: the next tick would bring the same again."""
        if kind not in self._told:
            self._told.add(kind)
            self._print(f"[red]refused[/] {escape(kind)}: {escape(detail)}")

    def _say(self, step: int, text: str) -> None:
        minutes, seconds = divmod(int(step / self._rate_hz), 60)
        self._print(f"{minutes:02d}:{seconds:02d}  {text}")

    def _print(self, text: str) -> None:
        """Leave long lines to the terminal: it wraps them so that they can be copied whole."""
        self._console.print(text, highlight=False, soft_wrap=True)


def _severity(verdict: Verdict) -> float:
    return math.nan if verdict.severity is None else verdict.severity


def _described(fault: Fault) -> str:
    return f"{fault.kind.value} of {fault.metric.name} at {escape(fault.stream_id)}"


def _compared(part: Contributor) -> str:
    """Set actual beside expected, in the metric's unit, then its share of the score."""
    unit = _UNITS.get(part.metric, "")
    actual = "missing" if part.actual is None else f"{part.actual:.4g}"
    return (
        f"{escape(part.metric):<16} {actual:>7} {unit}, expected {part.expected:.4g} "
        f"[dim]({100 * part.share:.0f} %)[/]"
    )
