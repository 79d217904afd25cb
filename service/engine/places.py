"""Where the streams of a request are: looked up once for ids that a gateway sends every time."""

from typing import Final, NamedTuple

from models.blocks import Int
from service.engine.model import Stream, slots_of

FEWEST: Final = 8
"""Ids that are looked up one by one: remembering fewer brings nothing."""
MOST: Final = 200_000
"""Ids remembered in all lists together; beyond that all are forgotten."""


class Placed(NamedTuple):
    """Streams of one model.

    Attributes:
        streams: One a row.
        slots: Theirs, `[B]`; read-only.
        is_spread: Whether no stream stands there twice.
    """

    streams: tuple[Stream, ...]
    slots: Int
    is_spread: bool


class Places:
    """Lists of ids and their streams, for as long as no stream comes or goes.

    Args:
        streams: All there are, by id.
    """

    def __init__(self, streams: dict[str, Stream]) -> None:
        self._streams = streams
        self._known: dict[tuple[str, ...], Placed] = {}
        self._remembered = 0

    def of(self, stream_ids: tuple[str, ...]) -> Placed | None:
        """Look up streams that are all there and of one model; None if they are not."""
        if len(stream_ids) < FEWEST:
            return self._found(stream_ids)
        known = self._known.get(stream_ids)
        if known is not None:
            return known
        found = self._found(stream_ids)
        if found is not None:  # ids that are not there may be of any length
            if self._remembered > MOST:
                self.forget()
            self._known[stream_ids] = found
            self._remembered += len(stream_ids)
        return found

    def forget(self) -> None:
        """Begin anew, as a stream has come or gone."""
        self._known.clear()
        self._remembered = 0

    def _found(self, stream_ids: tuple[str, ...]) -> Placed | None:
        streams = tuple(map(self._streams.get, stream_ids))
        there = tuple([stream for stream in streams if stream is not None])
        if len(there) < len(streams) or len({stream.model for stream in there}) != 1:
            return None
        slots = slots_of(there)
        slots.flags.writeable = False
        return Placed(there, slots, len(set(there)) == len(there))
