"""A slab: the state of many streams in arrays, one row (slot) a stream."""

from math import prod
from typing import Final, Protocol

import numpy as np

from models.base import Array, State, StateLayout
from models.blocks import Int


class Slab(Protocol):
    """Rows that grow together; new and cleared rows are zero."""

    capacity: int

    @property
    def layout(self) -> StateLayout:
        """Name -> shape of one row and dtype."""
        ...

    def __getitem__(self, name: str) -> Array:
        """Look at a whole column; it is replaced when the slab grows, so do not keep it."""
        ...

    def grow(self, capacity: int) -> None:
        """Make room for at least `capacity` rows, doubling so that growth stays cheap."""
        ...

    def gather(self, slots: Int) -> State:
        """Copy rows out."""
        ...

    def scatter(self, slots: Int, rows: State) -> None:
        """Write columns of rows back; a slot must not stand twice."""
        ...

    def clear(self, slots: Int) -> None:
        """Zero rows, so that nothing of an earlier stream is left."""
        ...


_MANY: Final = 64
"""So many rows, and copying them whole is worth the looking."""


def put(rows: Array, places: Int, values: Array) -> None:
    """Write rows, `[N, ...]`, in these places, `[B]`.

    Args:
        rows: Contiguous; changed.
        places: Each once.
        values: `[B, ...]`, of the same dtype.
    """
    if len(places) < _MANY:
        rows[places] = values
    else:  # copied whole a row costs half of what it costs number by number
        _items(rows)[places] = _items(np.ascontiguousarray(values))


def _items(rows: Array) -> Array:
    size = prod(rows.shape[1:]) * rows.itemsize
    return rows.reshape(len(rows), -1).view(np.dtype((np.void, size)))[:, 0]


class Arrays:
    """A slab with an array a column: for rows that are long.

    Args:
        layout: Name -> shape of one row and dtype.
    """

    def __init__(self, layout: StateLayout) -> None:
        self._arrays: State = {
            name: np.zeros((0, *shape), dtype) for name, (shape, dtype) in layout.items()
        }
        self.capacity = 0

    def __getitem__(self, name: str) -> Array:
        """Look at a whole array."""
        return self._arrays[name]

    def grow(self, capacity: int) -> None:
        """Make room."""
        if capacity <= self.capacity:
            return
        capacity = max(capacity, 2 * self.capacity)
        # all of them first: without memory for one the slab stays as it is
        grown = {
            name: np.zeros((capacity, *old.shape[1:]), old.dtype)
            for name, old in self._arrays.items()
        }
        for name, old in self._arrays.items():
            grown[name][: len(old)] = old
        self._arrays, self.capacity = grown, capacity

    def gather(self, slots: Int) -> State:
        """Copy rows out."""
        return {name: array.take(slots, 0) for name, array in self._arrays.items()}

    def scatter(self, slots: Int, rows: State) -> None:
        """Write rows back."""
        for name, values in rows.items():
            array = self._arrays[name]
            is_row_each = values.shape == (len(slots), *array.shape[1:])
            if array.ndim > 1 and values.size and is_row_each and values.dtype == array.dtype:
                put(array, slots, values)
            else:
                array[slots] = values

    @property
    def layout(self) -> StateLayout:
        """Give names, shapes and dtypes."""
        return {name: (array.shape[1:], array.dtype) for name, array in self._arrays.items()}

    def clear(self, slots: Int) -> None:
        """Zero rows."""
        for array in self._arrays.values():
            array[slots] = 0
