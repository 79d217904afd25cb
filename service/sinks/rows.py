"""The rows of many blocks as one set of columns: what a sink that writes verdicts works on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, repeat
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.blocks import Anomaly, Float64, Int, Refusal, VerdictBlock
from service.engine.ports import Scored

ROWS_AT_ONCE: Final = 1000
"""Blocks are joined up to so many rows."""
BLOCKS_AT_ONCE: Final = 500
"""And up to so many blocks: with one row a block, about a millisecond of the event loop."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Verdicts as columns, in the order they came; unknown numbers are NaN or codes, as in blocks.

    Attributes:
        stream_ids: One a row, `[R]`.
        models: Names of the models, one a row, `[R]`.
        times: Event times, microseconds UTC, `[R]`.
        seqs: Sequence numbers, `NO_SEQ` where there is none, `[R]`.
        phase: `Phase` codes, `[R]`.
        score, smoothed, threshold, severity: `[R]`.
        is_anomaly: `Anomaly` codes, `[R]`.
        shifted_since: Times since which levels are others, `NO_TIME` where they are not, `[R]`.
    """

    stream_ids: list[str]
    models: list[str]
    times: Int
    seqs: Int
    phase: NDArray[np.int8]
    score: Float64
    smoothed: Float64
    threshold: Float64
    severity: Float64
    is_anomaly: NDArray[np.int8]
    shifted_since: Int

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.stream_ids)

    def part(self, start: int, stop: int) -> "Rows":
        """Give the rows from one number up to, but without, another; beyond the end are none."""
        return Rows(*(getattr(self, one.name)[start:stop] for one in fields(self)))

    def parts(self, size: int) -> Iterator["Rows"]:
        """Give all rows in parts of so many, the last one shorter."""
        return (self.part(start, start + size) for start in range(0, len(self), size))


NUMBERS: Final = (
    "times", "seqs", "phase", "score", "smoothed", "threshold", "severity", "is_anomaly",
    "shifted_since",
)  # fmt: skip


def rows_of(blocks: Sequence[Scored], *, only_anomalies: bool = False) -> Rows:
    """Put blocks under one another; what was refused is left out, and on demand what is normal.

    Args:
        blocks: At least one.
        only_anomalies: Whether only verdicts that say "anomaly" are wanted.
    """
    verdicts = [block.verdicts for block in blocks]
    stream_ids = list(chain.from_iterable(block.stream_ids for block in blocks))
    models = list(
        chain.from_iterable(repeat(block.model, len(block.stream_ids)) for block in blocks)
    )
    is_wanted = _joined(verdicts, "refusal") == Refusal.NONE
    if only_anomalies:
        is_wanted &= _joined(verdicts, "is_anomaly") == Anomaly.YES
    numbers = [_joined(verdicts, name) for name in NUMBERS]
    if is_wanted.all():
        return Rows(stream_ids, models, *numbers)
    places = np.flatnonzero(is_wanted).tolist()
    return Rows(
        [stream_ids[place] for place in places],
        [models[place] for place in places],
        *(column[is_wanted] for column in numbers),
    )


def groups(blocks: Sequence[Scored]) -> Iterator[list[Scored]]:
    """Take blocks together, in their order, up to the limits; a larger one stands alone."""
    group: list[Scored] = []
    size = 0
    for block in blocks:
        more = len(block.stream_ids)
        if group and (size + more > ROWS_AT_ONCE or len(group) == BLOCKS_AT_ONCE):
            yield group
            group, size = [], 0
        group.append(block)
        size += more
    if group:
        yield group


def _joined(verdicts: list[VerdictBlock], name: str) -> Any:
    if len(verdicts) == 1:
        return getattr(verdicts[0], name)
    return np.concatenate([getattr(one, name) for one in verdicts])
