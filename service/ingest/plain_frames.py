"""Takes plain frames out of what a WebSocket client sends: a fast path past `websockets`' parser.

A parser that is ready for everything costs a small frame as much as decoding it. Most frames are
alike: one masked frame that is a whole message, with no extension, and not long. Those are taken
here; the bytes of all others, whatever may be wrong with them, go to the parser as they are.
"""

from typing import Final, NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:  # where it was built without a compiler
    from websockets.utils import apply_mask

_TEXT: Final = 0x81
_BINARY: Final = 0x82
_PLAIN: Final = (_TEXT, _BINARY)
_MASKED: Final = 0x80
_SIZE: Final = 0x7F
_FINAL: Final = 0x80
_OPCODE: Final = 0x0F
_DATA: Final = 2
"""The largest opcode of data; those of control frames are larger."""
_MASK_SIZE: Final = 4
_WIDE: Final = {126: 2, 127: 8}
"""Bytes of a length that does not fit the header's second byte (RFC 6455, 5.2)."""


class Plain(NamedTuple):
    """A whole message."""

    data: bytes
    is_binary: bool


class PlainFrames:
    """Finds frames in bytes.

    Args:
        max_size: Bytes a message may have; what has more is for the parser to refuse.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = min(max_size, 0xFFFF)  # so that little has to be kept until it is whole
        self._data = b""
        self._at = 0
        self._foreign = 0
        """Bytes still to come of a frame that is for the parser."""
        self._is_open = False
        """Whether the parser has begun a message of several frames."""

    def feed(self, data: bytes) -> None:
        """Add bytes, once `next` has given None."""
        self._data = self._data + data if self._data else data
        self._at = 0

    def rest(self) -> bytes:
        """Give back all that has not been taken; nothing is to be fed any more."""
        rest, self._data = self._data[self._at :], b""
        return rest

    def next(self) -> Plain | bytes | None:
        """Take the next message, or bytes for the parser; None: more has to come."""
        found = self._foreign_part() if self._foreign else self._frame()
        if found is None:
            self._data, self._at = self._data[self._at :], 0
        return found

    def _frame(self) -> Plain | bytes | None:
        data, at = self._data, self._at
        mask = at + 2
        if len(data) < mask:
            return None
        first, second = data[at], data[at + 1]
        size = second & _SIZE
        if wide := _WIDE.get(size):
            mask += wide
            if len(data) < mask:
                return None
            size = int.from_bytes(data[at + 2 : mask], "big")
        begin = mask + _MASK_SIZE
        end = begin + size
        is_plain = first in _PLAIN and second & _MASKED and not self._is_open
        if not is_plain or size > self._max_size:
            if first & _OPCODE <= _DATA:
                self._is_open = not first & _FINAL
            # where there is no mask the parser fails, and what follows is nothing any more
            self._foreign = end - at
            return self._foreign_part()
        if len(data) < end:
            return None
        self._at = end
        return Plain(apply_mask(data[begin:end], data[mask:begin]), first == _BINARY)

    def _foreign_part(self) -> bytes | None:
        part = self._data[self._at : self._at + self._foreign]
        self._at += len(part)
        self._foreign -= len(part)
        return part or None


def framed(data: bytes, *, is_binary: bool) -> bytes:
    """Write a message as a frame of a server, which has no mask."""
    size = len(data)
    first = _BINARY if is_binary else _TEXT
    if size < 126:  # noqa: PLR2004 - RFC 6455, 5.2, as what follows
        return b"%c%c%b" % (first, size, data)
    if size < 1 << 16:
        return b"%c\x7e%b%b" % (first, size.to_bytes(2, "big"), data)
    return b"%c\x7f%b%b" % (first, size.to_bytes(8, "big"), data)
