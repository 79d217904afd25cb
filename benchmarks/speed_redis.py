"""A redis-server for each service that is measured, and how its verdicts are counted there."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from benchmarks.speed_cores import on

START_S: Final = 60.0
POLL_S: Final = 0.005
POLLS_S: Final = (0.002, 0.05)
"""The shortest and the longest wait between two looks."""
_LOOK_S: Final = 0.1
"""While there is load: a stream that keeps 1,000 entries lasts four times as long."""
_AT_ONCE: Final = 200

# added up in the server: the verdicts themselves would cost the client, who shares the core with
# it, more than the service needs to write them
_ROWS: Final = """
local entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
local rows, last = 0, ARGV[1]
for _, entry in ipairs(entries) do
  last = entry[1]
  for at = 1, #entry[2], 2 do
    if entry[2][at] == 'rows' then rows = rows + tonumber(entry[2][at + 1]) end
  end
end
return {rows, last, #entries}
"""


class Ledger(Protocol):
    """Counts the verdicts a service has written; not to be asked twice at a time."""

    @property
    def looks_often(self) -> bool:
        """Whether it has to be asked while there is load, or entries are trimmed uncounted."""
        ...

    async def written(self) -> int:
        """Tell how many there are by now."""
        ...


@dataclass(frozen=True, slots=True)
class EntryLedger:
    """Counts a Redis stream that has an entry a verdict; trimmed ones count too."""

    redis: Redis
    stream: str
    looks_often: ClassVar[bool] = False

    async def written(self) -> int:
        """Tell how many entries were ever added."""
        try:
            told: Any = await self.redis.xinfo_stream(self.stream)
        except ResponseError:  # there is no such stream yet
            return 0
        return int(told["entries-added"])


@dataclass(slots=True)
class RowLedger:
    """Counts a Redis stream whose entries hold many verdicts, as many as their field `rows` says.

    What is trimmed before it was counted is missing, and so is an entry without the field.
    """

    redis: Redis
    stream: str
    looks_often: ClassVar[bool] = True
    _rows: int = field(default=0, init=False)
    _last: str = field(default="0-0", init=False)

    async def written(self) -> int:
        """Add up what came since the last time."""
        server: Any = self.redis  # what a script gives has no type
        new = _AT_ONCE
        while new == _AT_ONCE:
            told = await server.eval(_ROWS, 1, self.stream, self._last, _AT_ONCE)
            rows, self._last, new = told
            self._rows += rows
        return self._rows


@asynccontextmanager
async def counting(ledger: Ledger) -> AsyncIterator[None]:
    """Count while there is load, where that is needed."""
    is_over = asyncio.Event()

    async def look() -> None:
        while not is_over.is_set():
            await ledger.written()
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), _LOOK_S)

    looking = asyncio.create_task(look()) if ledger.looks_often else None
    try:
        yield
    finally:
        is_over.set()
        if looking is not None:
            await looking


def pause_s(left: int, pace: float) -> float:
    """Say when to look again: after half the time it takes at this pace.

    Args:
        left: Verdicts that are not there yet.
        pace: Verdicts a second since the last look; 0: none came.
    """
    if pace <= 0:
        return POLL_S
    least, most = POLLS_S
    return min(most, max(least, left / pace / 2))


@asynccontextmanager
async def redis_alone(cores: set[int]) -> AsyncIterator[tuple[str, Redis, int]]:
    """Run a redis-server that writes nothing to disk; gives also a client and its process."""
    with tempfile.TemporaryDirectory(prefix="sw-") as directory:
        socket = f"{directory}/redis.sock"
        options = ("--port", "0", "--unixsocket", socket, "--save", "", "--logfile", "log")
        with on(cores):
            process = await asyncio.create_subprocess_exec("redis-server", *options, cwd=directory)
        try:
            async with Redis(unix_socket_path=socket) as client, asyncio.timeout(START_S):
                while True:
                    try:
                        await client.ping()
                        break
                    except RedisError:
                        await asyncio.sleep(0.05)
            async with Redis(unix_socket_path=socket, decode_responses=True) as client:
                yield f"unix://{socket}", client, process.pid
        finally:
            process.terminate()
            await process.wait()
