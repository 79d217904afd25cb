"""What was seen lately, within bounds: frames of one client are made alike, over and over."""

from collections import OrderedDict
from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Lately(Generic[Key, Value]):
    """Keeps what was asked for last; only the event loop touches it.

    Args:
        entries: How many it holds at most.
        size: How many bytes they may have in all; what has more than a quarter of them by itself
            is not kept.
    """

    def __init__(self, *, entries: int, size: int) -> None:
        self._entries: Final = entries
        self._most: Final = size
        self._held: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        """Count the entries."""
        return len(self._held)

    def get(self, key: Key) -> Value | None:
        """Look something up, which makes it the last to be forgotten."""
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0]

    def put(self, key: Key, value: Value, size: int) -> None:
        """Keep something of so many bytes; what was not asked for the longest gives way."""
        before = self._held.pop(key, None)
        self.size -= before[1] if before else 0
        if size > self._most // 4:
            return
        self._held[key] = (value, size)
        self.size += size
        while len(self._held) > self._entries or self.size > self._most:
            _, (_, forgotten) = self._held.popitem(last=False)
            self.size -= forgotten
