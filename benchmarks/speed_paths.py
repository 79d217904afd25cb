"""The paths that are measured, and what each is to reach against the service written by hand."""

from dataclasses import dataclass
from typing import Final, Literal

from benchmarks.load_rows import Format

Measure = Literal["rate", "p50", "p99"]
NAIVE: Final = "naive"
EACH: Final = "ours, each"
"""Ours with an entry in Redis for each verdict."""
PACKED: Final = "ours, packed"
"""Ours with many verdicts in an entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A way to send, and the ratio it is to reach.

    Attributes:
        title: Its name.
        rows: Observations in a request or frame.
        connections: That are open.
        window: Requests or frames under way on each.
        kind: Format.
        is_socket: Whether it is a WebSocket.
        is_batch: Whether a JSON body is `{"observations": [...]}`.
        measure: What is compared: observations a second, or a latency.
        ours: Which of our services is measured.
        against: The path of the naive service it is compared with; None: the same.
        must: Ratio that has to be reached, as a gain: of rates ours / theirs, of latencies theirs
            / ours.
        aim: Ratio that is hoped for.
    """

    title: str
    rows: int = 1
    connections: int = 1
    window: int = 1
    kind: Format = "json"
    is_socket: bool = False
    measure: Measure = "rate"
    ours: str = EACH
    against: str | None = None
    must: float
    aim: float

    @property
    def is_batch(self) -> bool:
        """Whether a JSON body holds many."""
        return self.rows > 1


SINGLE: Final = Path(title="REST, single JSON, 64 connections", connections=64, must=12, aim=30)
_HUNDREDS: Final = Path(
    title="REST, JSON batches of 100", rows=100, connections=4, ours=PACKED, must=40, aim=80
)
_FRAMES: Final = Path(
    title="WebSocket, single JSON, 8 x 16",
    connections=8,
    window=16,
    is_socket=True,
    must=20,
    aim=30,
)
# A stream's rows have to stay in order: a thousand rows at a time go over one connection
PATHS: Final = (
    SINGLE,
    Path(title="REST, one at a time, p50", measure="p50", must=4, aim=7),
    _HUNDREDS,
    Path(
        title="REST, JSON batches of 1,000",
        rows=1000,
        ours=PACKED,
        against=_HUNDREDS.title,
        must=60,
        aim=120,
    ),
    Path(
        title="REST, Arrow batches of 100",
        rows=100,
        connections=4,
        kind="arrow",
        ours=PACKED,
        against=_HUNDREDS.title,
        must=45,
        aim=90,
    ),
    Path(
        title="REST, Arrow batches of 1,000",
        rows=1000,
        kind="arrow",
        ours=PACKED,
        against=_HUNDREDS.title,
        must=150,
        aim=300,
    ),
    _FRAMES,
    Path(
        title="WebSocket, Arrow frames of 1,000",
        rows=1000,
        window=4,
        kind="arrow",
        ours=PACKED,
        is_socket=True,
        against=_FRAMES.title,
        must=150,
        aim=350,
    ),
    Path(title="REST, half naive's maximum, p99", connections=64, measure="p99", must=5, aim=10),
)
