"""Sends what a delivery has of alerts part by part, over as many attempts as it takes."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Generic, TypeVar

from service.engine.errors import SinkError

Part = TypeVar("Part")


class Errand(Generic[Part]):
    """What is left to send of one delivery, part by part, over as many attempts as it takes.

    Args:
        parts: What to send, and how many alerts are lost where that is refused for good.

    Attributes:
        left: What is not sent yet.
        lost: Alerts lost so far.
    """

    def __init__(self, parts: Iterable[tuple[Part, int]]) -> None:
        self.left: Final = deque(parts)
        self.lost = 0
        self._refused: SinkError | None = None

    def give_up(self, reason: SinkError) -> None:
        """Leave out what comes next, as if it had been refused for good."""
        _, weight = self.left.popleft()
        self.lost += weight
        self._refused = reason

    async def run(self, send: Callable[[Part], Awaitable[None]]) -> None:
        """Send what is left, in order; a part that is refused for good does not stop the others.

        Raises:
            SinkError: If a part could not be sent now; it and those behind it are left. Or, final,
                once nothing is left, if any was refused for good.
        """
        while self.left:
            part, _ = self.left[0]
            try:
                await send(part)
            except SinkError as error:
                if not error.is_final:
                    raise
                self.give_up(error)
            else:
                self.left.popleft()
        if self._refused is not None:
            last = self._refused
            raise SinkError(last.kind, str(last), is_final=True, lost=self.lost)
