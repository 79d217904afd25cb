"""The readings that are to be learned from, and the file they are kept in."""

import csv
from pathlib import Path
from typing import Final

import numpy as np

from models.blocks import Float64


class Recording:
    """The readings that are to be learned from.

    Args:
        names: Metrics, in the order of the columns.
        wanted: How many readings.

    Attributes:
        filled: Values that were missing; each is taken to be as it was in the reading before.
    """

    def __init__(self, names: list[str], wanted: int) -> None:
        self.names: Final = names
        self.wanted: Final = wanted
        self.filled = 0
        self._times: list[float] = []
        self._rows: list[Float64] = []

    def __len__(self) -> int:
        """How many there are."""
        return len(self._rows)

    @property
    def is_full(self) -> bool:
        """Whether there are as many as wanted."""
        return len(self._rows) >= self.wanted

    @property
    def values(self) -> Float64:
        """The readings, `[T, F]`, finite."""
        return np.array(self._rows, np.float64).reshape(-1, len(self.names))

    def add(self, at_s: float, values: Float64) -> None:
        """Take a reading in, `[F]`; what is missing from the first is taken for 0."""
        is_missing = np.isnan(values)
        before = self._rows[-1] if self._rows else np.zeros(len(values))
        self.filled += int(np.count_nonzero(is_missing))
        self._times.append(at_s)
        self._rows.append(np.where(is_missing, before, values))

    def write(self, file: Path) -> None:
        """Write it as CSV, as `stepwatch train` reads it.

        Raises:
            OSError: If the disk does not take it.
        """
        beside = file.with_name(f".{file.name}.unfinished")
        try:
            with beside.open("w", newline="", encoding="utf-8") as open_file:
                writer = csv.writer(open_file)
                writer.writerow(["timestamp", *self.names])
                for at_s, row in zip(self._times, self._rows, strict=True):
                    writer.writerow([f"{at_s:.6f}", *(f"{value:.6g}" for value in row)])
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)
