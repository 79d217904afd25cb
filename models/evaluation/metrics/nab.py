"""The score of the Numenta Anomaly Benchmark (NAB), standard profile.

Lavin & Ahmad, "Evaluating Real-time Anomaly Detection Algorithms - the Numenta Anomaly Benchmark",
ICMLA 2015, and the sweeper of the published benchmark, which says what the paper leaves open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from models.blocks import Float64, Int

FALSE_POSITIVE: Final = 0.11
"""Weight of a false positive in the standard profile; true positives and misses weigh 1."""
FAR: Final = 3.0
"""Widths of the previous window after which a false positive costs its full weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NabFile:
    """The scores of one file.

    Attributes:
        score: Of the rows after probation, `[N]`, in any range, but one that means the same in all
            files of a detector; a row without a score (NaN) is never predicted.
        windows: First and last row of the anomaly windows, both included, in the numbering of
            `score`; none may overlap. Rows below 0 are in the probation; a window wholly in it is
            left out.
    """

    score: Float64
    windows: tuple[tuple[int, int], ...]


class NabScore(NamedTuple):
    """The score of a detector over all its files.

    Attributes:
        score: 0 for a detector that predicts nothing, 100 for a perfect one; may be below 0.
        threshold: The one with the best score, over all files: rows with at least this score are
            predicted. Infinite where predicting nothing is best.
        raw: Sum over windows and false positives at that threshold.
        null: The same of a detector that predicts nothing.
        perfect: The same of one that predicts just the first row of each window.
    """

    score: float
    threshold: float
    raw: float
    null: float
    perfect: float


def nab_score(files: Sequence[NabFile]) -> NabScore:
    """Compute NAB's score at the one threshold that is best for all files together.

    Each window counts by the earliest predicted row in it, 1 at its first row and falling along
    a sigmoid; a window without one counts -1. Each predicted row outside costs up to 0.11, less
    while it is close behind a window.

    Args:
        files: The files, at least one window among them.

    Returns:
        The score, normalised by that of a detector that predicts nothing and of a perfect one.

    Raises:
        ValueError: A window lies outside its file or overlaps another, or there is no window.
    """
    parts = [_gains(file) for file in files]
    windows = sum(_scored(file).shape[0] for file in files)
    if not windows:
        raise ValueError("the score of NAB needs at least one anomaly window among the files")
    score = np.concatenate([part[0] for part in parts])
    order = np.argsort(-score, kind="stable")
    levels = score[order]
    totals = np.cumsum(np.concatenate([part[1] for part in parts])[order]) - windows
    is_last = np.append(levels[1:] != levels[:-1], True)[: levels.size]
    totals = np.append(-float(windows), totals[is_last])
    best = int(np.argmax(totals))
    raw, null, perfect = float(totals[best]), -float(windows), float(windows)
    threshold = float(np.append(np.inf, levels[is_last])[best])
    return NabScore(100 * (raw - null) / (perfect - null), threshold, raw, null, perfect)


def _scored(file: NabFile) -> Int:
    """List the windows with a row after probation, `[W, 2]`, in order, once they are checked."""
    windows = np.array(sorted(file.windows), dtype=np.int64).reshape(-1, 2)
    firsts, lasts = windows[:, 0], windows[:, 1]
    if (firsts > lasts).any() or (lasts >= file.score.size).any():
        raise ValueError(f"windows {file.windows} do not fit a file of {file.score.size} rows")
    if (firsts[1:] <= lasts[:-1]).any():
        raise ValueError(f"windows {file.windows} overlap")
    return windows[lasts >= 0]


def _gains(file: NabFile) -> tuple[Float64, Float64]:
    """Tell what each row adds to the total when it is predicted after all that score higher.

    Returns:
        The scores of the rows that have one, and their gains, `[M]` each.
    """
    windows = _scored(file)
    gains = _false_positives(windows, file.score.size)
    for first, last in windows:
        rows = np.arange(max(first, 0), last + 1)
        width = last - first + 1
        worth = _sigmoid((rows - last - 1) / width) / _sigmoid(np.array(-1.0))
        order = np.argsort(-file.score[rows], kind="stable")
        # The best of the rows so far counts, and before the first of them the window is missed.
        gains[rows[order]] = np.diff(np.maximum.accumulate(worth[order]), prepend=-1.0)
    has_score = ~np.isnan(file.score)
    return file.score[has_score], gains[has_score]


def _false_positives(windows: Int, n: int) -> Float64:
    """Tell what each row adds as a false positive, by its distance behind a window, `[N]`."""
    if not len(windows):
        return np.full(n, -FALSE_POSITIVE)
    rows = np.arange(n)
    previous = np.searchsorted(windows[:, 1], rows, side="left") - 1
    first, last = windows[np.maximum(previous, 0)].T
    # A window of one row has no width to be close behind; NAB's own code divides by zero there.
    relative = np.where(last > first, (rows - last) / np.maximum(last - first, 1), FAR)
    is_far = (previous < 0) | (relative >= FAR)
    return FALSE_POSITIVE * np.where(is_far, -1.0, _sigmoid(np.where(is_far, FAR, relative)))


def _sigmoid(position: Float64) -> Float64:
    """Scale a sigmoid: near 1 at -1, the first row of a window, 0 at its end, near -1 at 1."""
    return 2.0 / (1.0 + np.exp(5.0 * position)) - 1.0
