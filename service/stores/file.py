"""The store that keeps snapshots in an SQLite file, for a service without a Redis of its own."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import structlog

from service.engine.errors import StoreError
from service.engine.ports import Entry

_log = structlog.get_logger("stepwatch.stores")

T = TypeVar("T")

IDS_PER_PAGE: Final = 500
BUSY_S: Final = 1.0
APPLICATION_ID: Final = 0x53746570  # "Step": tells our files from those of others
FORMAT: Final = 1

SCHEMA: Final = (
    "CREATE TABLE streams (stream_id TEXT PRIMARY KEY, saved_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE parts (stream_id TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,"
    " PRIMARY KEY (stream_id, name)) WITHOUT ROWID",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
KIND_OF_CODE: Final = {
    sqlite3.SQLITE_FULL: "full",
    sqlite3.SQLITE_IOERR: "full",
    sqlite3.SQLITE_CANTOPEN: "full",
    sqlite3.SQLITE_READONLY: "full",
    sqlite3.SQLITE_BUSY: "locked",
    sqlite3.SQLITE_LOCKED: "locked",
}
DAMAGES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class _ForeignFile(Exception):  # noqa: N818 - told on as a reason, not as an error
    """The file is a database, but not one of ours."""


class FileStore:
    """Keeps parts in one SQLite file, in a thread of its own; a call is one transaction.

    A stream is there while it has parts, so a whole entry without any forgets it. A file that is
    damaged or not ours is moved aside, which fails the call that found it; the next one begins a
    new file. Only one store at a time has the file, so what one loaded no other changes.

    Args:
        path: The file; its directory is made where it is missing.
    """

    name: Final = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stepwatch-store")
        self._database: sqlite3.Connection | None = None
        self._is_closed = False

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        """Store entries, all of them or none.

        Args:
            entries: No stream twice.

        Returns:
            Streams of which nothing is stored, although their entries were not whole.

        Raises:
            StoreError: If nothing was written; `kind` is full (no room, or no right to write),
                locked (another process has the file), damaged (the file was moved aside) or other.
        """
        return await self._do(partial(_save, entries=entries))

    async def load(self, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        """Read snapshots; streams that are not there are left out.

        Raises:
            StoreError: If that is not possible now; `kind` as for `save`.
        """
        return await self._do(partial(_load, stream_ids=stream_ids))

    async def delete(self, stream_ids: Sequence[str]) -> None:
        """Forget streams; the file keeps its size, their room is used again.

        Raises:
            StoreError: If nothing was deleted; `kind` as for `save`.
        """
        await self._do(partial(_delete, stream_ids=stream_ids))

    async def list(self) -> AsyncIterator[list[str]]:
        """Go through the ids of all streams as they are now, those saved last first.

        Raises:
            StoreError: If that is not possible now; `kind` as for `save`.
        """
        stream_ids = await self._do(_list)
        for first in range(0, len(stream_ids), IDS_PER_PAGE):
            yield stream_ids[first : first + IDS_PER_PAGE]

    async def close(self) -> None:
        """Close the file and end the thread; twice does no harm."""
        if not self._is_closed:
            self._is_closed = True
            await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
            self._thread.shutdown()

    async def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_turn, work)

    def _in_turn(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return self._transaction(work)
            except (_ForeignFile, sqlite3.DatabaseError) as error:
                if isinstance(error, sqlite3.Error) and _code(error) not in DAMAGES:
                    raise
                raise self._set_aside(error) from error
        except (sqlite3.Error, OSError) as error:
            kind = "full" if isinstance(error, OSError) else KIND_OF_CODE.get(_code(error), "other")
            raise StoreError(kind, f"{self._path}: {error}") from error

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is None:
            self._database = _open(self._path)
        with self._database as database:  # commits, or rolls back where something is raised
            database.execute("BEGIN")
            return work(database)

    def _set_aside(self, found: Exception) -> StoreError:
        """Move a file that cannot be used out of the way; gives the error that tells of it."""
        self._let_go()
        what = "foreign" if isinstance(found, _ForeignFile) else "damaged"
        aside = f"{self._path}.{what}-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
        for suffix in ("-wal", "-shm", "-journal", ""):  # what belongs to a file goes with it
            beside = Path(f"{self._path}{suffix}")
            if beside.exists():
                beside.rename(f"{aside}{suffix}")
        _log.error(f"snapshots {what}, a new file is begun", reason=str(found), kept_as=aside)
        told = f"{self._path} is {what} ({found}): it is kept as {aside} and a new file is begun"
        return StoreError("damaged", told)

    def _let_go(self) -> None:
        database, self._database = self._database, None
        if database is None:
            return
        try:
            database.close()
        except sqlite3.Error as error:
            _log.warning("store not closed in order", store=self.name, detail=str(error))


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(0o600)  # the log beside it gets the same
    elif path.stat().st_mode & 0o077:
        path.chmod(0o600)
    database = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        _prepare(database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    # a second service on the same file is told so at once, and the log's index lies in memory, so
    # that what is stored can be read even where the disk has no room for another file
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (owner,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    is_new = (tables, owner, version) == (0, 0, 0)
    if not is_new and (owner, version) != (APPLICATION_ID, FORMAT):
        raise _ForeignFile(f"application id {owner:#x}, format {version}, {tables} tables")
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    if is_new:
        with database:
            for statement in ("BEGIN", *SCHEMA):
                database.execute(statement)


def _code(error: sqlite3.Error) -> int:
    """Give SQLite's primary code; 0 where the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _save(database: sqlite3.Connection, entries: Sequence[Entry]) -> set[str]:
    partials = [entry.stream_id for entry in entries if not entry.is_whole]
    unknown = set(partials) - _known(database, partials)
    _delete(database, [entry.stream_id for entry in entries if entry.is_whole])
    written = [entry for entry in entries if entry.stream_id not in unknown]
    parts = (
        (entry.stream_id, name, part) for entry in written for name, part in entry.parts.items()
    )
    database.executemany("REPLACE INTO parts VALUES (?, ?, ?)", parts)
    (newest,) = database.execute("SELECT max(saved_at) FROM streams").fetchone()
    # only ever grows, even where the clock is set back: the order is that of the calls
    now = max(time.time_ns() // 1000, (newest or 0) + 1)
    there = ((entry.stream_id, now) for entry in written if entry.parts or not entry.is_whole)
    database.executemany("REPLACE INTO streams VALUES (?, ?)", there)
    return unknown


def _known(database: sqlite3.Connection, stream_ids: Sequence[str]) -> set[str]:
    query = "SELECT stream_id FROM streams WHERE stream_id IN (SELECT value FROM json_each(?))"
    return {stream_id for (stream_id,) in database.execute(query, (json.dumps([*stream_ids]),))}


def _load(database: sqlite3.Connection, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
    query = "SELECT * FROM parts WHERE stream_id IN (SELECT value FROM json_each(?))"
    loaded: dict[str, dict[str, bytes]] = {}
    for stream_id, name, part in database.execute(query, (json.dumps([*stream_ids]),)):
        loaded.setdefault(stream_id, {})[name] = part
    return loaded


def _delete(database: sqlite3.Connection, stream_ids: Sequence[str]) -> None:
    for statement in (
        "DELETE FROM parts WHERE stream_id = ?",
        "DELETE FROM streams WHERE stream_id = ?",
    ):
        database.executemany(statement, ((stream_id,) for stream_id in stream_ids))


def _list(database: sqlite3.Connection) -> list[str]:
    query = "SELECT stream_id FROM streams ORDER BY saved_at DESC"
    return [stream_id for (stream_id,) in database.execute(query)]
