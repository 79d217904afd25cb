"""Makes what is drawn fit: as many points as there are pixels, every spike kept; short names."""

from typing import Final

import numpy as np

from models.blocks import Float64, Int

COLUMNS: Final = 1200
"""About as many pixels as a panel is wide."""

STANDS_OUT: Final = 5.0
"""Mean distances from the median of its piece at which a value stands out."""


def extremes(values: Float64, columns: int = COLUMNS) -> Int:
    """Choose the rows that a line must pass so that it looks as if it passed all.

    The series is cut into `columns` pieces of equally many rows; of each its least and its
    greatest value are kept, in their order.

    Args:
        values: NaN where there is none, `[N]`.
        columns: How many pieces.

    Returns:
        Rows, ascending, at most two for each piece; a piece of NaN alone keeps one of them, so
        that the line is broken there.
    """
    n = len(values)
    if n <= 2 * columns:
        return np.arange(n)
    first, pieces = _cut(values[:, None], columns)
    unknown = np.isnan(pieces[:, :, 0])
    least = np.where(unknown, np.inf, pieces[:, :, 0]).argmin(axis=1)
    greatest = np.where(unknown, -np.inf, pieces[:, :, 0]).argmax(axis=1)
    rows: Int = np.unique(np.concatenate([first + least, first + greatest]))
    return rows


def typical(values: Float64, usual: Float64, columns: int = COLUMNS) -> tuple[Int, Float64]:
    """Shorten a table of metrics to one value for each piece and metric.

    It is the median of the piece, unless a value stands out of it: then that value. The farthest
    value alone would make usual noise look extreme, the median alone would hide spikes.

    Args:
        values: In [0, 1], NaN where there is none, `[N, F]`.
        usual: What each metric usually is, `[F]`; of two values equally far from the median, the
            one farther from this is kept.
        columns: How many pieces, if there are more rows than that.

    Returns:
        First row of each piece, `[C]`, and the values, `[C, F]`; NaN where a piece has none.
    """
    if len(values) <= columns:
        return np.arange(len(values)), values
    first, pieces = _cut(values, columns)
    middle = _medians(pieces)
    pieces = np.where(np.isnan(pieces), middle, pieces)
    distance = np.abs(pieces - middle)
    at = (distance + 1e-6 * np.abs(pieces - usual)).argmax(axis=1)[:, None, :]
    farthest, reach = (np.take_along_axis(one, at, axis=1) for one in (pieces, distance))
    # in a piece of n rows a lone spike reaches n times the mean distance
    least = min(STANDS_OUT, pieces.shape[1] / 2.5) * distance.mean(axis=1, keepdims=True)
    kept = np.where((reach > 0) & (reach >= least), farthest, middle)
    return first, kept[:, 0, :]


def _medians(pieces: Float64) -> Float64:
    """Take the median of what is known, `[C, 1, F]`; NaN where nothing is."""
    ordered = np.sort(pieces, axis=1)  # what is missing last
    known = np.count_nonzero(~np.isnan(pieces), axis=1, keepdims=True)
    lower, upper = (
        np.take_along_axis(ordered, np.maximum(at, 0), axis=1)
        for at in ((known - 1) // 2, known // 2)
    )
    middle: Float64 = (lower + upper) / 2
    return middle


def literal(text: str, longest: int = 60) -> str:
    """Shorten a name, and write it so that matplotlib prints it as it is.

    It would take what stands between two dollars as mathematics.
    """
    short = text if len(text) <= longest else f"{text[: longest - 1]}…"
    return short.replace("$", r"\$")


def _cut(values: Float64, columns: int) -> tuple[Int, Float64]:
    """Cut `[N, F]` into pieces of equal size, `[C, size, F]`; with their first rows, `[C]`.

    The last piece ends with the last row and may begin before the one before it ends.
    """
    n, n_features = values.shape
    size = -(-n // columns)
    first = np.minimum(np.arange(0, n, size), n - size)
    pieces = values[first[:, None] + np.arange(size)]
    return first, pieces.reshape(len(first), size, n_features)
