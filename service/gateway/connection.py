"""A connection to the service's WebSocket: a frame goes out, its answer comes in."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.frames import CloseCode

from service.gateway.verdicts import Problem, Verdict, decode

ANSWER_TIMEOUT_S: Final = 10.0
_GOODBYES: Final = {CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART}


class GatewayError(Exception):
    """The service can't be reached, does not answer, or ended the connection unasked."""


class _GoodbyeError(Exception):
    """The service ended the connection in order."""


class Connection:
    """An open connection; frames go one after the other, each waits for its answer.

    Args:
        websocket: Is open.
        url: Where it leads.
    """

    def __init__(self, websocket: ClientConnection, url: str) -> None:
        self._websocket: Final = websocket
        self._url: Final = url

    async def exchange(self, frame: bytes) -> list[Verdict] | Problem:
        """Send a frame of observations and give what the service answers.

        Raises:
            GatewayError: As it says.
        """
        with _telling(self._url):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                await self._websocket.send(frame, text=True)
                return decode(await self._websocket.recv())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect for the length of the block, which ends early when the service says goodbye.

    What goes wrong in the block itself is raised as it is.

    Args:
        url: The service's WebSocket, such as `ws://127.0.0.1:8000/v1/ingest`.

    Raises:
        GatewayError: As it says.
    """
    with suppress(_GoodbyeError):
        with _telling(url):
            # a proxy from the environment would not know the way to this machine itself
            websocket = await connect(url, compression=None, proxy=None)
        async with websocket:
            yield Connection(websocket, url)


@contextmanager
def _telling(url: str) -> Iterator[None]:
    """Turn what goes wrong with the service into one kind of error."""
    try:
        yield
    except ConnectionClosed as closed:
        if closed.rcvd is not None and closed.rcvd.code in _GOODBYES:
            raise _GoodbyeError from closed
        raise GatewayError(f"the service ended the connection: {closed}") from closed
    except TimeoutError as error:
        raise GatewayError(f"the service did not answer for {ANSWER_TIMEOUT_S:.0f} s") from error
    except msgspec.MsgspecError as error:
        raise GatewayError(f"the service answered what can't be read: {error}") from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise GatewayError(f"no service at {url}: {error}") from error
