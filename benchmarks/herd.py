"""Many streams that send an observation each, in Arrow batches over one connection."""

from collections.abc import Callable
from typing import Final

import numpy as np

from benchmarks.load import Answers, Line, load
from benchmarks.load_check import COUNTS
from benchmarks.load_rows import METRICS, Message, Template, arrow_body, http_head, template_of

BATCH: Final = 10_000
"""Most rows of a request; as many as the service takes unless it is told otherwise."""
_DOOR: Final = "/v1/observations"


class HerdError(Exception):
    """Rows of a herd got no verdict."""


class Herd:
    """Streams named by a number, whose values are always the same.

    Args:
        prefix: Begins their ids.
        count: How many there are.
    """

    def __init__(self, prefix: str, count: int) -> None:
        self.count: Final = count
        self._templates = [
            _template(prefix, first, min(BATCH, count - first)) for first in range(0, count, BATCH)
        ]
        self._step = 0

    @property
    def messages(self) -> int:
        """Requests of one observation of each stream."""
        return len(self._templates)

    async def send(self, port: int, steps: int, tick: Callable[[], None] | None = None) -> None:
        """Send so many observations of each stream, a request after the answer to the one before.

        Args:
            port: Of the service.
            steps: Observations.
            tick: Called after each step.

        Raises:
            HerdError: If one got no verdict.
        """
        line = Line(port=port, connections=1, window=1)
        for _ in range(steps):
            answers = Answers(wanted=self.count, count=COUNTS["arrow"], keep=_is_kept)
            await load(line, (one.at(self._step) for one in self._templates), answers)
            if answers.errors:
                raise HerdError(f"{answers.errors} rows got no verdict: {answers.trouble}")
            self._step += 1
            if tick is not None:
                tick()


def _is_kept(_: Message) -> bool:
    return False


def _template(prefix: str, first: int, rows: int) -> Template:
    values = np.random.default_rng(first).normal(0.5, 0.1, (rows, METRICS)).clip(0.0, 1.0)
    body = arrow_body([f"{prefix}-{number:06d}" for number in range(first, first + rows)], values)
    return template_of(http_head(_DOOR, "arrow", len(body)) + body, first, rows)
