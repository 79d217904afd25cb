"""What everything that speaks to Redis shares: its client, and words for what went wrong."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, TypeVar

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

# No health checks beside it: where the password is missing they recurse (redis-py #3745).
RETRY: Final = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 1)
CONNECTIONS: Final = 2
TIMEOUT_S: Final = 1.0
MOST_PATIENT: Final = 8
PATIENT_FOR_S: Final = 60.0

Result = TypeVar("Result")

ERRORS: Final = (exceptions.RedisError, OSError)
"""All that a client raises where the server is away, refuses or hangs."""

AUTH_ERRORS: Final = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
)
KIND_OF_ERROR: Final = (
    (AUTH_ERRORS, "auth"),
    ((exceptions.OutOfMemoryError,), "full"),
    ((exceptions.TimeoutError, TimeoutError), "timeout"),
    ((exceptions.ConnectionError, OSError), "connection"),
)
"""The first that fits counts: some of these are kinds of a later one. None of them: other."""


class RedisLink:
    """A client whose patience grows when answers come too late, and ends after a minute without.

    With one timeout for all, a write that a narrow link does not carry in time would be sent again
    and again, and fill the link by that.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no error.
        timeout_s: Wait for a connection or an answer, in seconds; up to eight times that for an
            answer after some came too late.

    Raises:
        ValueError: If the URL cannot be read.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._least_s = self._patience_s = timeout_s
        self._late_at = 0.0
        self._client = _client(url, timeout_s, timeout_s)

    async def command(self, *parts: str | int | bytes) -> Any:
        """Ask for one command.

        Raises:
            Exception: As `ask`.
        """
        return await self.ask(lambda client: client.execute_command(*parts))  # type: ignore[no-untyped-call]

    async def ask(self, call: Callable[[Redis], Awaitable[Result]]) -> Result:
        """Let a call have the client.

        Raises:
            Exception: One of `ERRORS`, if the server is away, refuses or hangs.
        """
        if monotonic() - self._late_at > PATIENT_FOR_S:
            await self._wait_for(self._least_s)
        try:
            return await call(self._client)
        except ERRORS as error:
            if kind_of(error) == "timeout":
                self._late_at = monotonic()
                await self._wait_for(min(2 * self._patience_s, MOST_PATIENT * self._least_s))
            raise

    async def close(self) -> None:
        """Close the connections.

        Raises:
            Exception: One of `ERRORS`, if one cannot be closed in order.
        """
        await self._client.aclose()

    async def _wait_for(self, patience_s: float) -> None:
        """Wait so long from now on; connections keep the timeout they were made with."""
        if patience_s != self._patience_s:
            self._patience_s = patience_s
            old, self._client = self._client, _client(self._url, self._least_s, patience_s)
            await old.aclose()


def _client(url: str, connect_s: float, answer_s: float) -> Redis:
    try:
        return Redis.from_url(
            url,
            socket_timeout=answer_s,
            socket_connect_timeout=connect_s,
            retry=RETRY,
            max_connections=CONNECTIONS,
        )
    except ValueError:
        # neither the URL nor what was said of it is repeated: either may hold the password
        problem = "the Redis URL cannot be read; write redis://[:password@]host:port/0 or unix://"
    raise ValueError(problem)


def kind_of(error: BaseException) -> str:
    """Give the word for an error: connection, timeout, auth, full or other."""
    links = [error]
    while (cause := links[-1].__cause__) is not None:  # the pool hides errors in another
        links.append(cause)
    fitting = (kind for types, kind in KIND_OF_ERROR for link in links if isinstance(link, types))
    return next(fitting, "other")


def detail_of(error: BaseException) -> str:
    """Say what went wrong: never empty, without the password."""
    return str(error) or type(error).__name__
