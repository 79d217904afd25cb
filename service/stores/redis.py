"""The store that keeps each stream's snapshot in a Redis hash, with an index beside them."""

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import count
from typing import Any, Final

import msgspec
import structlog
from redis import ResponseError
from redis.asyncio import Redis

from service.engine.errors import StoreError
from service.engine.ports import Entry
from service.keys import WRITTEN_TTL_S, Keys
from service.redis_connection import ERRORS, TIMEOUT_S, RedisLink, detail_of, kind_of

_log = structlog.get_logger("stepwatch.stores")

# What one script or pipeline handles: some ms of the server and of the event loop at a time.
ENTRIES_PER_SCRIPT: Final = 200
BYTES_PER_SCRIPT: Final = 128_000
STREAMS_PER_LOAD: Final = 20
IDS_PER_DELETE: Final = 500
IDS_PER_PAGE: Final = 500

# Each script that changes something begins with its number: one that was given up for lost and
# arrives after its successors would put old parts beside new ones, or bring back what was deleted.
# The same number may come twice, a client's own repetition: that does the same once more.
MARK: Final = """
local sequence, ttl = ARGV[1], ARGV[2]
local written = tonumber(redis.call('GET', KEYS[1]) or '0')
if written > tonumber(sequence) then return {} end
"""
# SET comes first, so that a server at its maxmemory refuses before anything is changed: of a
# script that has written once Redis lets all the rest pass. Times of saving only ever grow, even
# where the server's clock is set back: the order of the index is that of the calls. HSET goes by
# parts because Lua's stack is bounded.
SAVE: Final = f"""
{MARK}
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
local clock = redis.call('TIME')
local newest = redis.call('ZRANGE', KEYS[2], 0, 0, 'REV', 'WITHSCORES')[2] or '0'
local now = math.max(clock[1] * 1000000 + clock[2], tonumber(newest) + 1)
local unknown = {{}}
for at, entry in ipairs(cmsgpack.unpack(ARGV[3])) do
  local key, stream_id, is_whole, parts = KEYS[at + 2], unpack(entry)
  if is_whole then redis.call('DEL', key) end
  if is_whole and #parts == 0 then
    redis.call('ZREM', KEYS[2], stream_id)
  elseif is_whole or redis.call('EXISTS', key) == 1 then
    redis.call('ZADD', KEYS[2], now, stream_id)
    for first = 1, #parts, 1000 do
      redis.call('HSET', key, unpack(parts, first, math.min(first + 999, #parts)))
    end
  else
    unknown[#unknown + 1] = at
  end
end
return unknown
"""
# UNLINK comes first: SET alone would be refused at maxmemory, where deleting makes room.
DELETE: Final = f"""
{MARK}
for at = 3, #KEYS do
  redis.call('UNLINK', KEYS[at])
  redis.call('ZREM', KEYS[2], ARGV[at])
end
redis.call('SET', KEYS[1], sequence, 'EX', ttl)
return {{}}
"""
# The whole index at once, or a stream saved or deleted between two pages would move others past
# the listing. Packed it is one reply: 100,000 ids cost the server 30 ms and the client 5.
LIST: Final = "return cmsgpack.pack(redis.call('ZRANGE', KEYS[1], 0, -1, 'REV'))"


class RedisStore:
    """Keeps a hash a stream, its parts as fields, and lists streams from a sorted set.

    A stream is there while it has parts, so a whole entry without any forgets it.

    Args:
        url: `redis://`, `rediss://` or `unix://`; its password appears in no error.
        keys: Names of the hashes and the index.
        socket_timeout_s: Longest wait for a connection or an answer, in seconds.

    Raises:
        ValueError: If the URL cannot be read.
    """

    name: Final = "redis"

    def __init__(self, url: str, keys: Keys, *, socket_timeout_s: float = TIMEOUT_S) -> None:
        self._link = RedisLink(url, socket_timeout_s)
        self._keys = keys
        self._mark = keys.written(secrets.token_hex(8))
        self._sequence = count(1)

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        """Store entries, some hundreds in each transaction.

        Args:
            entries: No stream twice.

        Returns:
            Streams of which nothing is stored, although their entries were not whole.

        Raises:
            StoreError: If it is not known that all were written; those of a transaction are
                written together. `kind` is connection, timeout, auth, full or other.
        """
        unknown: set[str] = set()
        for chunk in _chunks(entries):
            stream_ids = [entry.stream_id for entry in chunk]
            positions: list[int] = await self._change(SAVE, stream_ids, _packed(chunk))
            unknown.update(stream_ids[position - 1] for position in positions)
        return unknown

    async def load(self, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Read snapshots; streams that are not there are left out.

        Raises:
            StoreError: If that is not possible now; `kind` as for `save`.
        """
        loaded = {}
        for chunk in _slices(stream_ids, STREAMS_PER_LOAD):
            for stream_id, fields in zip(chunk, await self._hashes(chunk), strict=True):
                if fields:
                    loaded[stream_id] = {name.decode(): value for name, value in fields.items()}
        return loaded

    async def delete(self, stream_ids: Sequence[str]) -> None:
        """Forget streams; those that are not there do no harm.

        Raises:
            StoreError: If it is not known that all are gone; `kind` as for `save`.
        """
        for chunk in _slices(stream_ids, IDS_PER_DELETE):
            await self._change(DELETE, chunk, *chunk)

    async def list(self) -> AsyncIterator[list[str]]:
        """Go through the ids of all streams as they are now, those saved last first.

        Raises:
            StoreError: If that is not possible now; `kind` as for `save`.
        """
        packed: bytes = await self._ask("EVAL", LIST, 1, self._keys.states)
        stream_ids = msgspec.msgpack.decode(packed, type=list[str])
        for page in _slices(stream_ids, IDS_PER_PAGE):
            yield list(page)

    async def close(self) -> None:
        """Close the connections; one that cannot be closed in order is let go of all the same."""
        try:
            await self._link.close()
        except ERRORS as error:
            _log.warning("store not closed in order", store=self.name, detail=str(error))

    async def _change(self, script: str, stream_ids: Sequence[str], *what: str | bytes) -> Any:
        hashes = map(self._keys.state, stream_ids)
        where = (self._mark, self._keys.states, *hashes)
        how = (next(self._sequence), WRITTEN_TTL_S)
        return await self._ask("EVAL", script, len(where), *where, *how, *what)

    async def _ask(self, *command: str | int | bytes) -> Any:
        try:
            return await self._link.command(*command)
        except ERRORS as error:
            raise StoreError(kind_of(error), detail_of(error)) from error

    async def _hashes(self, stream_ids: Sequence[str]) -> Sequence[dict[bytes, bytes]]:
        names = [self._keys.state(stream_id) for stream_id in stream_ids]

        async def read(client: Redis) -> Sequence[dict[bytes, bytes]]:
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.hgetall(name)
            answers = await pipeline.execute(raise_on_error=False)
            return [_hash_in(answer) for answer in answers]

        try:
            return await self._link.ask(read)
        except ERRORS as error:
            raise StoreError(kind_of(error), detail_of(error)) from error


def _hash_in(answer: Any) -> dict[bytes, bytes]:
    """Take what was answered; a key of somebody else's where a hash should be holds nothing."""
    if isinstance(answer, Exception):
        if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
            return {}
        raise answer
    found: dict[bytes, bytes] = answer
    return found


def _slices(stream_ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(stream_ids), size):
        yield stream_ids[first : first + size]


def _chunks(entries: Sequence[Entry]) -> Iterator[Sequence[Entry]]:
    """Cut entries by number and by bytes; one that is larger than that stands alone."""
    first = size = 0
    for position, entry in enumerate(entries):
        more = sum(map(len, entry.parts.values()))
        is_full = position - first == ENTRIES_PER_SCRIPT or size + more > BYTES_PER_SCRIPT
        if is_full and position > first:
            yield entries[first:position]
            first, size = position, 0
        size += more
    if first < len(entries):
        yield entries[first:]


def _packed(entries: Sequence[Entry]) -> bytes:
    return msgspec.msgpack.encode(
        [
            (
                entry.stream_id,
                entry.is_whole,
                [packed for name, part in entry.parts.items() for packed in (name, _raw(part))],
            )
            for entry in entries
        ]
    )


def _raw(part: bytes) -> msgspec.Raw:
    """Write bytes as msgpack's text of 32 bits length: the server's reader knows no binary."""
    return msgspec.Raw(b"\xdb" + len(part).to_bytes(4) + part)
