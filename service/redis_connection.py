"""What everything that speaks to Redis shares: its client, and words for what went wrong."""

from typing import Final

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

# No health checks beside it: where the password is missing they recurse (redis-py #3745).
RETRY: Final = Retry(ExponentialWithJitterBackoff(base=0.02, cap=0.2), 1)
CONNECTIONS: Final = 2

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


def make_client(url: str, socket_timeout_s: float) -> Redis:
    """Make a client that tries once more by itself; it connects when first used.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no error.
        socket_timeout_s: Longest wait for a connection or an answer, in seconds.

    Raises:
        ValueError: If the URL cannot be read.
    """
    try:
        return Redis.from_url(
            url,
            socket_timeout=socket_timeout_s,
            socket_connect_timeout=socket_timeout_s,
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
