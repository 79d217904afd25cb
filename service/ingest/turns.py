"""Answers of one connection, written in the order of what was asked."""

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Said = TypeVar("Said")
"""What an answer is, such as bytes."""


class Turn(Generic[Said]):
    """The place of one answer.

    Attributes:
        said: The answer; None: it is not there yet.
        is_last: Whether the connection ends with it.
    """

    __slots__ = ("is_last", "said")

    def __init__(self, *, is_last: bool) -> None:
        self.said: Said | None = None
        self.is_last = is_last


def _nobody(_: object, __: object) -> None:
    """Write to no one."""


class Turns(Generic[Said]):
    """Holds answers back until it is their turn; those that are ready together go out together.

    Args:
        loop: The loop that runs.
        write: Is given answers that are due, and whether they are the last: then no others come.

    Attributes:
        waiting: Turns whose answers are not written.
    """

    def __init__(self, loop: AbstractEventLoop, write: Callable[[list[Said], bool], None]) -> None:
        self._loop = loop
        self._write = write
        self.waiting: deque[Turn[Said]] = deque()
        self._is_scheduled = False
        self._is_closed = False

    def begin(self, *, is_last: bool = False) -> Turn[Said]:
        """Take the next turn."""
        turn: Turn[Said] = Turn(is_last=is_last)
        self.waiting.append(turn)
        return turn

    def answer(self, turn: Turn[Said], said: Said) -> None:
        """Write an answer, as soon as all before it are written."""
        waiting = self.waiting
        if self._is_closed:
            return
        turn.said = said
        if waiting[0] is not turn:
            return
        if len(waiting) == 1:
            waiting.clear()
            self._is_closed = turn.is_last
            self._write([said], turn.is_last)
        elif not self._is_scheduled:
            # the others' answers most likely come in this turn of the loop, from the same batch
            self._is_scheduled = True
            self._loop.call_soon(self._flush)

    def end(self) -> None:
        """Let the connection end with what was asked last."""
        self.waiting[-1].is_last = True

    def close(self) -> None:
        """Write nothing more; what still comes is for nobody."""
        self._is_closed = True
        self.waiting.clear()
        self._write = _nobody  # who wrote holds these turns: let go, or both stay for long

    def _flush(self) -> None:
        self._is_scheduled = False
        found: list[Said] = []
        is_last = False
        while self.waiting and not is_last and (said := self.waiting[0].said) is not None:
            found.append(said)
            is_last = self.waiting.popleft().is_last
        write = self._write
        if is_last:
            self.close()
        if found:
            write(found, is_last)
