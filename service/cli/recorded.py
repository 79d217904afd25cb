"""How commands read recorded files: rows that the service would refuse are left out, and told."""

from pathlib import Path
from typing import Final

from models.reading import read
from models.recording import Part, Recording, in_order
from service.cli.console import tell

MOST_LATE: Final = 0.05
"""A larger part of the rows, and the file has another order than that of time."""


def recorded(file: Path, part: Part, time_column: str | None) -> Recording:
    """Read a file as a stream would take it.

    Raises:
        ReadingError: If it can't be used.
    """
    recording, late = in_order(read(file, part=part, time_column=time_column, any_order=True))
    if len(late) > MOST_LATE * len(recording.values):
        return read(file, part=part, time_column=time_column)  # which says where and what to do
    if len(late):
        tell(
            f"{len(late)} rows are left out, as the service would refuse them: their time is not "
            f"after that of the rows before; the first is row {late[0]}, counted from 0"
        )
    return recording
