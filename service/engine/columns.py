"""What a door hands the engine, and what it gets back: requests and answers as columns."""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from models.blocks import Float64, Int
from service.engine.errors import RowError
from service.engine.ports import Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Rows of a request that have the same metrics.

    Attributes:
        rows: Their places in the request, ascending, `[B]`.
        stream_ids: One a row, not yet checked.
        times: Microseconds UTC, `[B]`; `NO_TIME` where none was given.
        seqs: `[B]`; `NO_SEQ` where none was given.
        values: Raw values, `[B, F]`; NaN means missing.
        metrics: Names of the columns of `values`; None: they are in the model's order.
    """

    rows: Int
    stream_ids: tuple[str, ...]
    times: Int
    seqs: Int
    values: Float64
    metrics: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Everything one body or frame held.

    Attributes:
        door: Which way it came: the label in metrics.
        size: Rows in all.
        columns: The rows that could be read, by their metrics.
        errors: The rows that could not, by their place.
        explain: Whether every verdict gets contributors.
    """

    door: str
    size: int
    columns: list[Columns]
    errors: dict[int, RowError] = field(default_factory=dict)
    explain: bool = False


class Single(NamedTuple):
    """One observation by itself, as most requests and frames hold it: no columns of one row.

    Attributes:
        door: Which way it came: the label in metrics.
        stream_id: Not yet checked.
        time: Microseconds UTC; `NO_TIME` where none was given.
        seq: `NO_SEQ` where none was given.
        values: Raw values in the model's order; None means missing.
        explain: Whether the verdict gets contributors.
    """

    door: str
    stream_id: str
    time: int
    seq: int
    values: list[float | None]
    explain: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Verdicts from `start` to `stop` of a block that may serve several requests."""

    scored: Scored
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Verdicts and errors of one request; together they cover every row once.

    Attributes:
        size: Rows in all.
        parts: Places in the request, and the verdicts of these rows in that order.
        errors: Rows that never reached a bank, by their place.
    """

    size: int
    parts: list[tuple[Int, Judged]]
    errors: dict[int, RowError]


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose rows wait to be scored; their order is already settled."""

    size: int
    parts: list[tuple[Int, asyncio.Future[Judged]]]
    errors: dict[int, RowError]

    async def answer(self) -> Answer:
        """Wait for every part."""
        judged = [(rows, await future) for rows, future in self.parts]
        return Answer(self.size, judged, self.errors)
