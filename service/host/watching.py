"""Follows what the service says of this computer, and tells a person of it."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.markup import escape

from service.gateway.verdicts import Problem, Verdict
from service.host.metrics import metric_of
from service.host.recording import Recording
from service.host.streaming import AGAIN_S, Reading
from service.host.words import clock, compared, counted, duration, in_short, is_telling

SHOWN_REASONS: Final = 3
_LEAST_SHARE: Final = 0.05
_INDENT: Final = " " * 10


@dataclass(slots=True)
class Tally:
    """What happened while this computer was watched.

    Attributes:
        first_s: Epoch seconds of the first reading judged; NaN before it.
        peak: Worst severity of an alert.
        first_reasons: How often a metric was the first reason of an alert.
    """

    first_s: float = math.nan
    last_s: float = math.nan
    judged: int = 0
    refused: int = 0
    alerts: int = 0
    peak: float = 0.0
    first_reasons: Counter[str] = field(default_factory=Counter)


class Learner:
    """Listens while this computer is learned: fills a recording.

    Args:
        recording: Is filled.
        settling: How many readings are passed over first.
        on_progress: Told how many readings there are, and the newest in words.
        on_full: Called once there are enough.
    """

    def __init__(
        self,
        recording: Recording,
        settling: int,
        on_progress: Callable[[int, str], None],
        on_full: Callable[[], None],
    ) -> None:
        self._recording = recording
        self._settling = settling
        self._on_progress = on_progress
        self._on_full = on_full

    def on_reading(self, reading: Reading) -> None:
        """Take it into the recording, as long as that is not full."""
        if self._recording.is_full:
            return
        if self._settling:
            self._settling -= 1
            return
        self._recording.add(reading.at_s, reading.values)
        self._on_progress(len(self._recording), in_short(self._recording.names, reading))
        if self._recording.is_full:
            self._on_full()


class Watch:
    """Prints alerts with their reasons as they open and resolve, and sums up at the end.

    Args:
        console: Where to print.
        url: Where the service answers, for what it may be asked.

    Attributes:
        learner: Takes the readings as long as there is one; verdicts are not told then.
        tally: What happened while there was none.
    """

    def __init__(self, console: Console, url: str) -> None:
        self.learner: Learner | None = None
        self.tally = Tally()
        self._url = url
        self._console = console
        self._told: set[str] = set()
        self._rising = self._peak = 0.0
        self._opened_s = math.nan
        self._has_shifted = False

    def on_reading(self, reading: Reading) -> None:
        """Hand it to who learns."""
        if self.learner is not None:
            self.learner.on_reading(reading)

    def on_answer(self, reading: Reading, answer: list[Verdict] | Problem) -> None:
        """Tell what is new in a verdict."""
        if isinstance(answer, Problem):
            self._refuse(answer.type, answer.detail or answer.title)
            return
        for verdict in answer:
            if verdict.error is not None:
                self._refuse(verdict.error.type, verdict.error.detail)
            elif self.learner is None:
                self._judge(reading.at_s, verdict)

    def on_away(self, reason: str) -> None:
        """Tell it each time it goes."""
        self._print(f"[red]away[/]      {escape(reason)}; tried again every {AGAIN_S:g} s")

    def on_back(self, lost: int) -> None:
        """Tell what its absence has cost."""
        self._print(
            f"[green]back[/]      the service is there again; {counted(lost, 'reading')} lost"
        )

    def summarise(self, missed: int, lost: int = 0) -> None:
        """Tell what there was since this computer is watched.

        Args:
            missed: Readings that were due and never taken.
            lost: Readings that were due while the service was away.
        """
        tally = self.tally
        lasted = duration(tally.last_s - tally.first_s) if tally.judged else "0 s"
        parts = [f"{tally.judged} readings judged in {lasted}", counted(tally.alerts, "alert")]
        worst = max(tally.peak, self._peak)
        parts += [f"worst severity {worst:.1f}"] if worst else []
        if tally.first_reasons:
            often = ", ".join(
                f"{metric_of(name).told} ({count})"
                for name, count in tally.first_reasons.most_common(SHOWN_REASONS)
            )
            parts.append(f"first reasons: {often}")
        parts += [] if math.isnan(self._opened_s) else ["the last alert is still open"]
        parts += [f"{tally.refused} refused"] if tally.refused else []
        parts += [f"{missed} missed, a reading took too long"] if missed else []
        parts += [f"{lost} lost, the service was away"] if lost else []
        self._print("[bold]summary[/]   " + escape("; ".join(parts)))

    def _refuse(self, kind: str, detail: str) -> None:
        """Count it, and tell it the first time only: the next reading would bring the same."""
        self.tally.refused += 1
        if kind not in self._told:
            self._told.add(kind)
            self._print(f"[red]refused[/]   {escape(kind)}: {escape(detail)}")

    def _judge(self, at_s: float, verdict: Verdict) -> None:
        self._tell_phase(verdict.phase)
        if verdict.phase == "live":
            self.tally.judged += 1
            self.tally.last_s = at_s
            if math.isnan(self.tally.first_s):
                self.tally.first_s = at_s
        severity = verdict.severity or 0.0
        # an alert opens with the third anomaly in a row; the worst may have been before it
        self._rising = max(self._rising, severity) if severity > 1 else 0.0
        if verdict.alert is not None:
            self._peak = max(self._peak, self._rising)
            if verdict.alert.status == "opened":
                self._tell_opening(at_s, verdict)
            elif verdict.alert.status == "resolved":
                self._tell_resolution(at_s)
        self._tell_shift(at_s, verdict)

    def _tell_phase(self, phase: str) -> None:
        if phase in self._told:
            return
        self._told.add(phase)
        if phase == "live":
            self._print("Watching; whatever is out of the ordinary is told here.")
        elif "live" not in self._told:
            self._print(
                "The service tunes in for 60 readings: it has not seen this computer for a while."
            )

    def _tell_opening(self, at_s: float, verdict: Verdict) -> None:
        self._opened_s, self._peak = at_s, self._rising
        reasons = sorted(verdict.contributors or [], key=lambda part: -part.share)
        self.tally.alerts += 1
        self.tally.peak = max(self.tally.peak, self._peak)
        self.tally.first_reasons.update(part.metric for part in reasons[:1])
        # one that no anomalies opened is about a level that has shifted
        what = f"severity {self._peak:.1f}" if self._peak else "the level has shifted"
        self._say(at_s, f"[bold red]ALERT[/]     {what}")
        for part in reasons[:SHOWN_REASONS]:
            if part.share >= _LEAST_SHARE and is_telling(part):
                self._print(_INDENT + escape(compared(part)))

    def _tell_resolution(self, at_s: float) -> None:
        self.tally.peak = max(self.tally.peak, self._peak)
        # one that was open when watching began is resolved without having been told
        is_known = not math.isnan(self._opened_s)
        parts = [f"after {duration(at_s - self._opened_s)}"] if is_known else []
        parts += [f"worst severity {self._peak:.1f}"] if self._peak else []
        self._say(at_s, f"[green]resolved[/]  {', '.join(parts)}".rstrip())
        self._peak, self._opened_s = 0.0, math.nan

    def _tell_shift(self, at_s: float, verdict: Verdict) -> None:
        has_shifted = verdict.level_shift_since is not None
        if has_shifted and not self._has_shifted:
            ask = f"curl -X POST {self._url}/v1/streams/{verdict.stream_id}/accept-baseline"
            self._say(
                at_s,
                "[yellow]new level[/] it has been so for a while; "
                f"if it is to stay:\n{_INDENT}{escape(ask)}",
            )
        self._has_shifted = has_shifted

    def _say(self, at_s: float, text: str) -> None:
        self._print(f"{clock(at_s)}  {text}")

    def _print(self, text: str) -> None:
        """Leave long lines to the terminal: it wraps them so that they can be copied whole."""
        self._console.print(text, highlight=False, soft_wrap=True)
