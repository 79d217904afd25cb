"""Chooses places in columns that belong to several parts, as if they were one."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from models.blocks import Float64, Int


def joined(columns: Iterable[Float64]) -> Float64:
    """Put the columns of several parts one behind another."""
    return np.concatenate([np.empty(0), *columns])


def largest(numbers: Float64, count: int, above: float = 0.0) -> Int:
    """Find the places of the `count` largest numbers that are above, ascending."""
    places = np.flatnonzero(numbers > above)
    if len(places) > count:
        order = np.argpartition(-numbers[places], count)[:count] if count else np.empty(0, np.int64)
        places = np.sort(places[order])
    return places


def split(places: Int, sizes: Iterable[int]) -> list[Int]:
    """Tell places within each of several parts of these sizes from places among all."""
    begins = np.cumsum([0, *sizes])
    ends = np.searchsorted(places, begins)
    spans = zip(pairwise(ends.tolist()), begins.tolist(), strict=False)
    return [places[start:stop] - begin for (start, stop), begin in spans]
