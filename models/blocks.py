"""Blocks: many observations, or many verdicts, as columns that travel together."""

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Int = NDArray[np.int64]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

NO_TIME: Final = int(np.iinfo(np.int64).min)
"""Stands in a column of times for "on arrival"."""
NO_SEQ: Final = -1
"""Stands in a column of sequence numbers for "none given"."""
MAX_TIME: Final = 7_258_118_400_000_000
"""2200-01-01T00:00:00Z in microseconds: a time beyond it was most likely sent in milliseconds."""
MAX_ABSOLUTE: Final = 1e300
"""Largest magnitude of a raw value; beyond it scaling itself would leave float64."""


class Phase(IntEnum):
    """How far a stream has come: see the word list in docs/architecture.md."""

    WASHOUT = 0
    WARMUP = 1
    LIVE = 2


class Refusal(IntEnum):
    """Why the bank refused a row; the stream's state stays as it was."""

    NONE = 0
    NOT_FINITE = 1
    TOO_MANY_MISSING = 2
    TIME_OUT_OF_RANGE = 3
    OUT_OF_ORDER = 4
    DUPLICATE = 5


class Anomaly(IntEnum):
    """What a verdict says of anomaly; unknown while there is no score or no threshold."""

    UNKNOWN = -1
    NO = 0
    YES = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationBlock:
    """Observations for the streams of one bank, one row each, in the order they came.

    Attributes:
        slots: The streams' slots in the bank, `[B]`; a slot may stand in many rows.
        times: Event times in microseconds UTC, `[B]`; `NO_TIME` means `arrival`.
        seqs: Sequence numbers >= 0, `[B]`; `NO_SEQ` where none was given.
        values: Raw metric values in the bank's order, `[B, F]`; NaN means missing.
        explain: Rows that get contributors even when they are no anomaly, `[B]`.
        arrival: When the block arrived, microseconds UTC.
    """

    slots: Int
    times: Int
    seqs: Int
    values: Float64
    explain: Bool
    arrival: int

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.slots)

    @classmethod
    def joined(cls, blocks: "list[ObservationBlock]") -> "ObservationBlock":
        """Put blocks for the same bank under one another, rows in the order given."""
        if len(blocks) == 1:
            return blocks[0]
        return cls(
            slots=np.concatenate([block.slots for block in blocks]),
            times=np.concatenate([block.times for block in blocks]),
            seqs=np.concatenate([block.seqs for block in blocks]),
            values=np.concatenate([block.values for block in blocks]),
            explain=np.concatenate([block.explain for block in blocks]),
            arrival=max(block.arrival for block in blocks),
        )

    def taken(self, rows: Int) -> "ObservationBlock":
        """Copy some rows, in the order named."""
        return ObservationBlock(
            slots=self.slots[rows],
            times=self.times[rows],
            seqs=self.seqs[rows],
            values=self.values[rows],
            explain=self.explain[rows],
            arrival=self.arrival,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanations:
    """Why: per metric what came, what was expected and its share of the score.

    Attributes:
        rows: The rows of the verdict block that are explained, ascending, `[E]`.
        actual: Raw values, `[E, F]`; NaN where the metric was missing.
        expected: What had been predicted for these values, raw units, `[E, F]`.
        share: Contributions to the score, `[E, F]`, each row summing to 1 (or 0 for a zero score).
    """

    rows: Int
    actual: Float64
    expected: Float64
    share: Float64

    @classmethod
    @cache
    def none(cls, n_features: int) -> Self:
        """Give the one of no rows."""
        nothing = np.empty((0, n_features))
        return cls(rows=np.empty(0, np.int64), actual=nothing, expected=nothing, share=nothing)

    @classmethod
    def joined(cls, parts: list[Self], n_features: int) -> Self:
        """Merge parts whose rows are disjoint, ascending by row."""
        if len(parts) == 1:
            return parts[0]
        nothing = np.empty((0, n_features))
        rows = np.concatenate([np.empty(0, np.int64), *(part.rows for part in parts)])
        order = np.argsort(rows, kind="stable")
        return cls(
            rows=rows[order],
            actual=np.concatenate([nothing, *(part.actual for part in parts)])[order],
            expected=np.concatenate([nothing, *(part.expected for part in parts)])[order],
            share=np.concatenate([nothing, *(part.share for part in parts)])[order],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictBlock:
    """What each row of an observation block got. Unknown numbers are NaN, never 0.

    Attributes:
        slots: As in the observation block, `[B]`.
        times: Event times as they were taken, `[B]`.
        seqs: As in the observation block, `[B]`.
        refusal: `Refusal` codes, `[B]`; where not `NONE` the other columns mean nothing.
        phase: `Phase` codes, `[B]`.
        score: Scores >= 0, `[B]`.
        smoothed: Smoothed scores, `[B]`; NaN too where the checkpoint has none.
        threshold: Thresholds as they stood before these scores, `[B]`.
        severity: score / threshold, `[B]`.
        is_anomaly: `Anomaly` codes, `[B]`.
        done: Steps of the present phase done, `[B]`.
        of: Steps the present phase takes, `[B]`; 0 for live.
        shifted_since: Time since which the stream's level is another, `[B]`; `NO_TIME`: it is not.
        explanations: For anomalies and for rows that asked.
    """

    slots: Int
    times: Int
    seqs: Int
    refusal: NDArray[np.int8]
    phase: NDArray[np.int8]
    score: Float64
    smoothed: Float64
    threshold: Float64
    severity: Float64
    is_anomaly: NDArray[np.int8]
    done: NDArray[np.int32]
    of: NDArray[np.int32]
    shifted_since: Int
    explanations: Explanations

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.slots)

    @classmethod
    def blank(cls, block: ObservationBlock) -> Self:
        """Make one to be filled in; times and slots are copies, never the caller's."""
        size, n_features = block.values.shape
        unknown = np.full((4, size), np.nan)
        return cls(
            slots=block.slots.copy(),
            times=block.times.copy(),
            seqs=block.seqs.copy(),
            refusal=np.zeros(size, np.int8),
            phase=np.zeros(size, np.int8),
            score=unknown[0],
            smoothed=unknown[1],
            threshold=unknown[2],
            severity=unknown[3],
            is_anomaly=np.full(size, Anomaly.UNKNOWN, np.int8),
            done=np.zeros(size, np.int32),
            of=np.zeros(size, np.int32),
            shifted_since=np.full(size, NO_TIME),
            explanations=Explanations.joined([], n_features),
        )

    @property
    def n_taken(self) -> int:
        """Count the rows that were not refused."""
        return len(self.refusal) - int(np.count_nonzero(self.refusal))


def unfit(values: Float64, times: Int) -> Int:
    """Find rows no stream could take, whatever it has seen: `Refusal` codes, `[B]`.

    Args:
        values: Raw values, `[B, F]`; NaN means missing.
        times: Event times, `[B]`; `NO_TIME` is no reason.
    """
    beyond = (times != NO_TIME) & ((times > MAX_TIME) | (times < -MAX_TIME))
    # most blocks are faultless, and a NaN is not <= anything
    if not beyond.any() and (np.abs(values) <= MAX_ABSOLUTE).all():
        return np.zeros(len(values), np.int64)
    missing = np.isnan(values).sum(axis=1)
    reasons = {
        Refusal.NOT_FINITE: (np.abs(values) > MAX_ABSOLUTE).any(axis=1),
        Refusal.TOO_MANY_MISSING: 2 * missing > values.shape[1],
        Refusal.TIME_OUT_OF_RANGE: beyond,
    }
    return np.select(list(reasons.values()), [int(code) for code in reasons], 0)
