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
from service.stores.redis_scripts import CLAIM, DELETE, LIST, SAVE, WRITER

_log = structlog.get_logger("stepwatch.stores")

# What one script or pipeline handles: some ms of the server and of the event loop at a time.
ENTRIES_PER_SCRIPT: Final = 200
BYTES_PER_SCRIPT: Final = 128_000
STREAMS_PER_LOAD: Final = 20
IDS_PER_DELETE: Final = 500
IDS_PER_PAGE: Final = 500


class RedisStore:
    """Keeps a hash a stream, its parts as fields, and lists streams from a sorted set.

    A stream is there while it has parts, so a whole entry without any forgets it. In each hash
    stands which store wrote it last: after another one only a whole entry is taken.

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
        self._writer = secrets.token_hex(8) + ":"
        self._mark = keys.written(self._writer[:-1])
        self._sequence = count(1)

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        """Store entries, some hundreds in each transaction.

        Args:
            entries: No stream twice.

        Returns:
            Streams whose entries were not whole, and of which nothing is stored, or what another
            store was the last to load or save, or a key that is no hash.

        Raises:
            StoreError: If it is not known that all were written; those of a transaction are
                written together. `kind` is connection, timeout, auth, full or other.
        """
        unknown: set[str] = set()
        for chunk in _chunks(entries):
            stream_ids = [entry.stream_id for entry in chunk]
            positions: list[int] = await self._change(
                SAVE, stream_ids, _packed(chunk), self._writer
            )
            unknown.update(stream_ids[position - 1] for position in positions)
        return unknown

    async def load(self, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Read snapshots and claim them; streams that are not there are left out.

        Raises:
            StoreError: If that is not possible now; `kind` as for `save`.
        """
        loaded = {}
        for chunk in _slices(stream_ids, STREAMS_PER_LOAD):
            writers = {}
            for stream_id, fields in zip(chunk, await self._hashes(chunk), strict=True):
                writer = fields.pop(WRITER, b"")
                if fields:
                    loaded[stream_id] = {name.decode(): value for name, value in fields.items()}
                    writers[stream_id] = writer
            await self._claim(writers)
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

    async def _claim(self, writers: dict[str, bytes]) -> None:
        """Take over hashes that were read, unless they have changed since or nobody signed them."""
        ours = self._writer.encode()
        others = {one: by for one, by in writers.items() if by and not by.startswith(ours)}
        if others:
            keys, by = map(self._keys.state, others), f"{self._writer}{next(self._sequence)}"
            await self._ask("EVAL", CLAIM, len(others), *keys, by, *others.values())

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
        more = entry.size
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
