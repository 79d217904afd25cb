"""Timestamps as they stand in JSON, as microseconds."""

from datetime import datetime
from typing import Final

from models.blocks import NO_TIME
from service.engine.errors import RowError

MICROSECONDS: Final = 1_000_000
FAR_SECONDS: Final = 9e12
"""Seconds beyond which microseconds would leave 64 bits; refused later as out of range."""


def microseconds(timestamp: float | str | None) -> int | RowError:
    """Read finite epoch seconds or RFC 3339; None is `NO_TIME`."""
    if timestamp is None:
        return NO_TIME
    if isinstance(timestamp, str):
        try:
            # RFC 3339 allows a small t and z, Python but the large ones
            moment = datetime.fromisoformat(timestamp.upper())
        except ValueError:
            return RowError("invalid-timestamp", "the timestamp is neither a number nor RFC 3339")
        if moment.tzinfo is None:
            return RowError("invalid-timestamp", "the timestamp has no zone; add Z or an offset")
        timestamp = moment.timestamp()
    return round(max(-FAR_SECONDS, min(timestamp, FAR_SECONDS)) * MICROSECONDS)
