"""Parquet files for tests, and what is read of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from models.reading import read
from models.recording import ReadingError, Recording

NEW_YEAR = 1_704_067_200
"""2024-01-01T00:00:00Z in epoch seconds."""
START = NEW_YEAR * 1_000_000


def written(tmp_path: Path, columns: dict[str, Any], **options: Any) -> Path:
    """Write columns as a Parquet file."""
    path = tmp_path / "plant.parquet"
    parquet.write_table(pa.table(columns), path, **options)
    return path


def read_back(tmp_path: Path, columns: dict[str, Any], wanted: str | None = None) -> Recording:
    """Write columns and read them."""
    return read(written(tmp_path, columns), part="train", time_column=wanted)


def refused(path: Path, wanted: str | None = None) -> str:
    """Give why a file is refused, without its name."""
    with pytest.raises(ReadingError) as caught:
        read(path, part="train", time_column=wanted)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def times_of(recording: Recording) -> list[int] | None:
    """Give the times as plain numbers."""
    return None if recording.times is None else recording.times.tolist()
