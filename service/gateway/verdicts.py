"""What the service answers on its WebSocket, as far as its own gateways read it."""

from typing import Final, Literal

import msgspec
from msgspec import Struct


class Contributor(Struct, frozen=True):
    """One metric's part in a score; actual and expected in the metric's unit, share in [0, 1]."""

    metric: str
    actual: float | None
    expected: float
    share: float


class AlertState(Struct, frozen=True):
    """How an alert stands after one observation."""

    event_id: str
    status: Literal["opened", "updated", "resolved", "open"]


class RowRefusal(Struct, frozen=True):
    """Why one observation was refused."""

    type: str
    detail: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What one observation got; with `error` set it was refused and the rest means nothing."""

    stream_id: str = ""
    phase: str = ""
    severity: float | None = None
    level_shift_since: float | None = None
    contributors: list[Contributor] | None = None
    alert: AlertState | None = None
    error: RowRefusal | None = None


class Problem(Struct, frozen=True, kw_only=True):
    """Why a whole frame was refused."""

    type: str
    title: str = ""
    detail: str = ""


_DECODER: Final = msgspec.json.Decoder(list[Verdict] | Problem)


def decode(frame: str | bytes) -> list[Verdict] | Problem:
    """Read one answering frame.

    Raises:
        msgspec.MsgspecError: If the service answered something else.
    """
    answer: list[Verdict] | Problem = _DECODER.decode(frame)
    return answer
