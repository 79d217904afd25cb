"""The tally: which alerts belong to an injected fault, which faults were found, and how soon."""

from dataclasses import dataclass
from typing import Final

from service.demo.faults import Fault, FaultKind

SETTLE_STEPS: Final = 30
"""Steps after a fault's end in which an alert that opens still belongs to it."""


@dataclass(slots=True)
class Count:
    """What became of a number of faults; those neither found nor missed may still be found.

    Attributes:
        delay_steps: Steps from the first disturbed observation to the alert, over all found.
    """

    injected: int = 0
    found: int = 0
    missed: int = 0
    delay_steps: int = 0

    @property
    def mean_delay_steps(self) -> float | None:
        """Average the delay over the faults found; None if there is none."""
        return self.delay_steps / self.found if self.found else None


class Tally:
    """Matches alerts with faults by stream and step.

    An alert that opens during a fault, or within `settle_steps` of its end, belongs to it; any
    other is a false one. A fault is missed once that time is over without an alert.
    """

    def __init__(self, settle_steps: int = SETTLE_STEPS) -> None:
        self.false_alerts = 0
        self.by_kind: Final = {kind: Count() for kind in FaultKind}
        self._settle_steps = settle_steps
        self._watched: dict[Fault, bool] = {}
        self._last_event: dict[str, tuple[str, Fault | None]] = {}

    @property
    def total(self) -> Count:
        """Sum over the kinds."""
        counts = self.by_kind.values()
        return Count(
            injected=sum(count.injected for count in counts),
            found=sum(count.found for count in counts),
            missed=sum(count.missed for count in counts),
            delay_steps=sum(count.delay_steps for count in counts),
        )

    def inject(self, fault: Fault) -> None:
        """Watch out for a fault from now on."""
        self.by_kind[fault.kind].injected += 1
        self._watched[fault] = False

    def opened(self, stream_id: str, event_id: str, step: int) -> Fault | None:
        """Take an alert that opened, or opened again; gives the fault it belongs to, if any."""
        fault = self._fault_at(stream_id, step)
        last_id, last_fault = self._last_event.get(stream_id, ("", None))
        if fault is None and event_id == last_id:
            return last_fault
        self._last_event[stream_id] = (event_id, fault)
        if fault is None:
            self.false_alerts += 1
        elif not self._watched[fault]:
            self._watched[fault] = True
            self.by_kind[fault.kind].found += 1
            self.by_kind[fault.kind].delay_steps += step - fault.start
        return fault

    def expire(self, step: int) -> list[Fault]:
        """Drop the faults whose time is over; gives those that were missed."""
        over = [fault for fault in self._watched if step >= fault.stop + self._settle_steps]
        missed = [fault for fault in over if not self._watched.pop(fault)]
        for fault in missed:
            self.by_kind[fault.kind].missed += 1
        return missed

    def _fault_at(self, stream_id: str, step: int) -> Fault | None:
        """Find the latest fault of a stream that an alert in this step can belong to."""
        of_stream = [
            fault
            for fault in self._watched
            if fault.stream_id == stream_id
            and fault.start <= step < fault.stop + self._settle_steps
        ]
        return of_stream[-1] if of_stream else None
