"""A connection to the service's WebSocket: a frame goes out, its answer comes in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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


class Connection:
    """An open connection; frames go one after the other, each waits for its answer."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket: Final = websocket

    async def exchange(self, frame: bytes) -> list[Verdict] | Problem:
        """Send a frame of observations and give what the service answers."""
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await self._websocket.send(frame, text=True)
            return decode(await self._websocket.recv())


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Connection]:
    """Connect for the length of the block, which ends early when the service says goodbye.

    Args:
        url: The service's WebSocket, such as `ws://127.0.0.1:8000/v1/ingest`.

    Raises:
        GatewayError: As it says.
    """
    try:
        # a proxy from the environment would not know the way to this machine itself
        async with connect(url, compression=None, proxy=None) as websocket:
            yield Connection(websocket)
    except ConnectionClosed as closed:
        if closed.rcvd is None or closed.rcvd.code not in _GOODBYES:
            raise GatewayError(f"the service ended the connection: {closed}") from closed
    except TimeoutError as error:
        raise GatewayError(f"the service did not answer for {ANSWER_TIMEOUT_S:.0f} s") from error
    except msgspec.MsgspecError as error:
        raise GatewayError(f"the service answered what can't be read: {error}") from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise GatewayError(f"no service at {url}: {error}") from error
