"""Segments: runs of true rows, as where they begin and end."""

from typing import Final

import numpy as np

from models.blocks import Bool, Int

FIRST: Final = 0
"""Column of the first row of a segment."""
END: Final = 1
"""Column of the end of a segment: the row after its last."""


def segments(flags: Bool) -> Int:
    """Find the runs of true rows.

    Args:
        flags: `[N]`.

    Returns:
        First row and end (the row after the last) of each run, in order, `[S, 2]`.
    """
    padded = np.concatenate(([False], np.asarray(flags, dtype=np.bool_), [False]))
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return edges.reshape(-1, 2).astype(np.int64)


def joined(runs: Int, gap: int) -> Int:
    """Join runs that are close to each other.

    Args:
        runs: Runs in order, as `segments` gives them, `[S, 2]`.
        gap: Runs are joined if the first row of the later one is at most this many steps after
            the last row of the earlier one; runs of one recording are always at least 2 apart.

    Returns:
        The joined runs, in order, `[J, 2]`, J <= S.
    """
    if len(runs) == 0:
        return runs
    is_apart = runs[1:, FIRST] - (runs[:-1, END] - 1) > gap
    firsts = runs[np.concatenate(([True], is_apart)), FIRST]
    ends = runs[np.concatenate((is_apart, [True])), END]
    return np.stack([firsts, ends], axis=1)


def widened(runs: Int, steps: int, n: int) -> Int:
    """Widen runs by some steps on each side, within the `n` rows there are; they may overlap."""
    wide: Int = np.clip(runs + np.array([-steps, steps]), 0, n)
    return wide
