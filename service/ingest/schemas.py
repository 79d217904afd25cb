"""The JSON of the doors: what an observation, a verdict and an alert look like."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

Number = float | None
PhaseName = Literal["washout", "warmup", "live"]
Seq = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Time = Annotated[
    float | str, Meta(description="Epoch seconds, or RFC 3339 with a zone; left out: on arrival.")
]
Values = Annotated[
    list[Number] | dict[str, Number],
    Meta(description="In the order of the model's metrics, or by name; null where missing."),
]


Shift = Annotated[
    float | None,
    Meta(description="Epoch seconds since which the stream's level is another; null: it is not."),
]


class Observation(Struct, kw_only=True, forbid_unknown_fields=True):
    """One observation: a time and a value for every metric."""

    values: Values
    stream_id: Annotated[str, Meta(description="Left out where the path names it.")] | None = None
    timestamp: Time | None = None
    seq: Annotated[Seq, Meta(description="Rises from one to the next, if given.")] | None = None


class Observations(Struct, forbid_unknown_fields=True):
    """Many observations, of one stream or of many."""

    observations: list[Observation]


class Contributor(Struct):
    """A metric's part in a score, raw units; shares of one verdict sum to 1."""

    metric: str
    actual: float | None
    expected: float
    share: float


class AlertMark(Struct):
    """The alert a verdict belongs to and what this verdict did to it."""

    event_id: str
    status: Literal["opened", "updated", "resolved", "open"]


class Progress(Struct):
    """How far washout or warm-up has come."""

    done: int
    of: int


class Verdict(Struct, kw_only=True):
    """What one observation gets; unknown is null."""

    stream_id: str
    timestamp: float
    seq: int | None
    phase: PhaseName
    score: float | None
    smoothed_score: float | None
    threshold: float | None
    severity: float | None
    is_anomaly: bool | None
    level_shift_since: Shift
    contributors: list[Contributor] | None
    alert: AlertMark | None
    progress: Progress | None


class ErrorText(Struct):
    """Why a row was refused."""

    type: str
    detail: str


class Refused(Struct):
    """Stands in the place of a row that was refused."""

    index: int
    error: ErrorText


class Verdicts(Struct):
    """Verdicts in the order sent."""

    verdicts: Sequence[Verdict | Refused]


class AlertView(Struct, kw_only=True):
    """An alert; times are epoch seconds."""

    event_id: str
    stream_id: str
    model: str
    status: Literal["opened", "updated", "resolved"]
    timestamp: float
    since: float
    opened_at: float
    severity: float
    peak_severity: float
    anomalies: int
    level_shift_since: Shift
    contributors: list[Contributor]


class Alerts(Struct):
    """The alerts that are open, oldest first."""

    alerts: list[AlertView]
