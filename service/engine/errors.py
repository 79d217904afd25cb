"""What can go wrong, as exceptions and as reasons for refusing a row.

    StepwatchError
    ├── RequestError         the caller can mend it; carries the slug of its problem
    │   ├── Overloaded       the intake is full; says when to try again
    │   ├── NotReady         not started yet, or stopping
    │   ├── UnknownStream    reading or changing a stream that is not there
    │   ├── UnknownModel     a model nobody loaded
    │   ├── NotAdmitted      a stream that may not be created
    │   ├── BadCheckpoint    a model can't be reloaded from what lies there
    │   ├── InvalidOption    an option out of its range
    │   └── TooFewObservations  a level can't be accepted yet
    ├── SinkError            a sink could not write; it is tried again
    └── StoreError           the store could not be read or written; it is tried again

A row of a batch that is refused is no exception: it is a `RowError` in that row's place.
"""

from dataclasses import dataclass
from typing import Final

from models.blocks import Refusal


class StepwatchError(Exception):
    """The root: everything this package raises on purpose."""


class RequestError(StepwatchError):
    """The caller can mend it: the text says how."""

    slug = "invalid-request"


class Overloaded(RequestError):  # noqa: N818 - the name of the contract
    """More rows wait than the intake holds."""

    slug = "overloaded"

    def __init__(self, waiting: int, limit: int, retry_after_s: float) -> None:
        super().__init__(
            f"{waiting} observations wait and {limit} is the limit; "
            f"send again in {retry_after_s:.0f} s or send less at a time"
        )
        self.retry_after_s: Final = retry_after_s


class NotReady(RequestError):  # noqa: N818 - as above
    """The service is starting or stopping."""

    slug = "not-ready"


class UnknownStream(RequestError):  # noqa: N818 - as above
    """There is no such stream."""

    slug = "unknown-stream"

    def __init__(self, stream_id: str) -> None:
        super().__init__(f"there is no stream '{stream_id}'; its first observation creates it")


class UnknownModel(RequestError):  # noqa: N818 - as above
    """There is no such model."""

    slug = "unknown-model"

    def __init__(self, model: str, known: list[str]) -> None:
        there = ", ".join(known) or "none; train one with 'stepwatch train'"
        super().__init__(f"there is no model '{model}'; loaded are: {there}")


class NotAdmitted(RequestError):  # noqa: N818 - as above
    """A stream may not be created, for the reason a row of it would be refused with."""

    def __init__(self, reason: "RowError") -> None:
        super().__init__(reason.detail)
        self.slug = reason.type


class BadCheckpoint(RequestError):  # noqa: N818 - as above
    """A checkpoint is not there, damaged, or not one that streams can go on with."""

    slug = "bad-checkpoint"


class InvalidOption(RequestError):  # noqa: N818 - as above
    """An option of a stream is out of its range."""

    slug = "invalid-option"


class TooFewObservations(RequestError):  # noqa: N818 - as above
    """Too few observations of a stream are held to accept its level."""

    slug = "too-few-observations"

    def __init__(self, stream_id: str) -> None:
        super().__init__(
            f"of stream '{stream_id}' fewer than 30 observations are held, too few to tell its "
            "level from; send more and ask again, or POST its reset to begin it anew"
        )


class SinkError(StepwatchError):
    """A sink could not write; `kind` is a short, closed word for metrics.

    Attributes:
        is_final: Whether it is useless to try this delivery again. The sink has written of it what
            it could.
        lost: How many of its alerts were not written, where it is final; None: none was.
    """

    def __init__(
        self, kind: str, detail: str, *, is_final: bool = False, lost: int | None = None
    ) -> None:
        super().__init__(detail)
        self.kind: Final = kind
        self.is_final: Final = is_final
        self.lost: Final = lost


class StoreError(StepwatchError):
    """The store could not be read or written; `kind` is a short, closed word for metrics."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind: Final = kind


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row was refused: a stable type, and a detail for a person."""

    type: str
    detail: str


ROW_ERROR_TYPES: Final = (
    "invalid-observation",
    "invalid-id",
    "invalid-timestamp",
    "wrong-width",
    "metric-names",
    "not-finite",
    "too-many-missing",
    "out-of-order",
    "duplicate",
    "no-model",
    "too-many-streams",
    "snapshot-unavailable",
)
"""Every type a row can be refused with: a closed set, so that metrics can have it as a label."""

SNAPSHOT_UNAVAILABLE: Final = RowError(
    "snapshot-unavailable",
    "the stream was idle and its snapshot can't be read just now; send again in a moment",
)
BANK_REFUSALS: Final = {
    Refusal.NOT_FINITE: RowError("not-finite", "a value is not finite or beyond 1e300"),
    Refusal.TOO_MANY_MISSING: RowError(
        "too-many-missing", "more than half of the metrics are missing"
    ),
    Refusal.TIME_OUT_OF_RANGE: RowError(
        "invalid-timestamp",
        "the time lies beyond the year 2200; epoch seconds are wanted: is it in milliseconds?",
    ),
    Refusal.OUT_OF_ORDER: RowError(
        "out-of-order", "the time or seq lies before the stream's last; send in order"
    ),
    Refusal.DUPLICATE: RowError(
        "duplicate", "the stream already has an observation of this time or seq"
    ),
}
