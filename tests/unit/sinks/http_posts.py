"""Posts for tests, closed behind them, and how they fail."""

from contextlib import AsyncExitStack

import pytest

from service.engine.errors import SinkError
from service.sinks.http_post import HttpPost
from tests.fakes import FakeClock


class Lend:
    """Makes posts that are closed when the test is over."""

    def __init__(self, clock: FakeClock, stack: AsyncExitStack) -> None:
        self._clock, self._stack = clock, stack

    def __call__(self, url: str, timeout_s: float = 5.0) -> HttpPost:
        made = HttpPost(url, clock=self._clock, timeout_s=timeout_s)
        self._stack.push_async_callback(made.close)
        return made


async def failure(post: HttpPost) -> SinkError:
    """Post in vain."""
    with pytest.raises(SinkError) as failed:
        await post.send(b"[1]")
    return failed.value
