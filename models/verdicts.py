"""Making verdict blocks: of rows that were judged, of rows that were refused, of parts."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Final

import numpy as np

from models.blocks import (
    NO_TIME,
    Anomaly,
    Explanations,
    Float64,
    Int,
    ObservationBlock,
    Phase,
    VerdictBlock,
)

# numpy looks a member of an enum up anew in every operation; a plain number costs a tenth
_UNKNOWN, _LIVE = int(Anomaly.UNKNOWN), int(Phase.LIVE)
_COLUMNS: Final = tuple(
    field.name for field in fields(VerdictBlock) if field.name != "explanations"
)


def judged(
    block: ObservationBlock,
    times: Int,
    score: Float64,
    smoothed: Float64 | None,
    threshold: Float64,
    since: Int | None,
) -> VerdictBlock:
    """Compare scores with thresholds, `[B]` each; all count as live and nothing is explained.

    Args:
        block: The rows.
        times: Times of the rows.
        score: Their scores.
        smoothed: Smoothed scores; None: there are none.
        threshold: Their thresholds.
        since: Since when the level is another, `NO_TIME`: it is not; None: of no row.
    """
    is_anomaly = (score > threshold).view(np.int8)
    severity = score / threshold
    unknown = np.isnan(severity)
    if np.count_nonzero(unknown):
        is_anomaly[unknown] = _UNKNOWN
    nothing = np.zeros((2, len(block)), np.int32)
    phase = np.empty(len(block), np.int8)
    phase.fill(_LIVE)
    return VerdictBlock(
        slots=block.slots.copy(),
        times=times.copy(),
        seqs=block.seqs.copy(),
        refusal=np.zeros(len(block), np.int8),
        phase=phase,
        score=score,
        smoothed=np.full(len(block), np.nan) if smoothed is None else smoothed,
        threshold=threshold,
        severity=severity,
        is_anomaly=is_anomaly,
        done=nothing[0],
        of=nothing[1],
        shifted_since=np.full(len(block), NO_TIME) if since is None else since,
        explanations=Explanations.none(block.values.shape[1]),
    )


def refused(block: ObservationBlock, times: Int, refusal: Int) -> VerdictBlock:
    """Say why rows were refused; of the others nothing is known yet."""
    blank = VerdictBlock.blank(block)
    return replace(blank, times=times.copy(), refusal=refusal.astype(np.int8))


def merged(whole: VerdictBlock, parts: Sequence[tuple[Int, VerdictBlock]]) -> VerdictBlock:
    """Put parts in their places.

    Args:
        whole: Where they go; changed.
        parts: Rows, ascending, and the verdicts of these rows.
    """
    for rows, part in parts:
        for name in _COLUMNS:
            getattr(whole, name)[rows] = getattr(part, name)
    explained = [
        replace(part.explanations, rows=rows[part.explanations.rows])
        for rows, part in parts
        if len(part.explanations.rows)
    ]
    if not explained:
        return whole
    n_features = explained[0].actual.shape[1]
    return replace(whole, explanations=Explanations.joined(explained, n_features))
