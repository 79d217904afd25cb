"""How the rows of a block are taken: many streams at a time, or one stream after another."""

from typing import Final

import numpy as np

from models.blocks import Int

FEW: Final = 8
"""A step across so few streams costs about as much as their rows one after another (measured):
further rows of fewer streams go along each of these."""


class Rounds:
    """Splits rows so that each part is of different streams, or of one stream alone."""

    def __init__(self) -> None:
        self._last_row = np.zeros(0, np.int64)

    def parts(self, slots: Int) -> list[Int]:
        """Split rows; a stream's keep their order, within a part and from part to part.

        Returns:
            Row numbers of each part, ascending; one part is all rows.
        """
        everything = np.arange(len(slots))
        if len(slots) <= 1 or (slots[1:] > slots[:-1]).all():  # as gateways send
            return [everything]
        if slots.max() >= len(self._last_row):
            self._last_row = np.zeros(2 * int(slots.max()) + 1, np.int64)
        # where a slot stands twice only its last row is found again; cheaper than sorting
        self._last_row[slots] = everything
        if (self._last_row[slots] == everything).all():
            return [everything]
        return _parts(slots)


def _parts(slots: Int) -> list[Int]:
    order = np.argsort(slots, kind="stable")
    ordered = slots[order]
    is_first = np.ones(len(slots), np.bool_)
    is_first[1:] = ordered[1:] != ordered[:-1]
    firsts = np.flatnonzero(is_first)
    sizes = np.diff(np.append(firsts, len(slots)))
    rank = np.arange(len(slots)) - np.repeat(firsts, sizes)
    # the k-th rows of all streams; there are ever fewer of them
    counts = np.bincount(rank)
    n_rounds = int(np.count_nonzero(counts >= FEW))
    by_rank = np.argsort(rank, kind="stable")
    parts = [np.sort(rows) for rows in np.split(order[by_rank], np.cumsum(counts)[:-1])[:n_rounds]]
    rest = rank >= n_rounds
    if rest.any():
        # in the order of slots still, so each stream's rows stand together
        left = order[rest]
        cuts = np.flatnonzero(slots[left][1:] != slots[left][:-1]) + 1
        parts += np.split(left, cuts)
    return parts
