"""The store as the engine sees it: every failure is counted, and told once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from models.snapshot import Parts
from service.engine.clock import Clock
from service.engine.errors import StoreError
from service.engine.ports import Entry, SnapshotStore

_log = structlog.get_logger("stepwatch.store")


class WatchedStore:
    """Hands on to a store and remembers how that went.

    Args:
        store: Where snapshots live.
        clock: For how long it has failed.

    Attributes:
        is_up: Whether the last attempt succeeded.
        errors: Failed attempts by kind.
        saved: Snapshots written, whole or in part.
        saved_bytes: Bytes of their parts.
        restored: Snapshots read at start or when their stream came back, by what became of them.
    """

    def __init__(self, store: SnapshotStore, clock: Clock) -> None:
        self._store: Final = store
        self._clock: Final = clock
        self._failing_since: float | None = None
        self._using = asyncio.Lock()
        self.is_up = False
        self.errors: Counter[str] = Counter()
        self.saved = 0
        self.saved_bytes = 0
        self.restored: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The store's."""
        return self._store.name

    @property
    def failing_s(self) -> float:
        """For how many seconds it has failed; 0 while it works."""
        since = self._failing_since
        return 0.0 if since is None else self._clock.monotonic() - since

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        """As `SnapshotStore.save`."""
        async with self._watching():
            unknown = await self._store.save(entries)
        written = [entry for entry in entries if entry.stream_id not in unknown]
        self.saved += len(written)
        self.saved_bytes += sum(entry.size for entry in written)
        return unknown

    async def load(self, stream_ids: Sequence[str]) -> dict[str, Parts]:
        """As `SnapshotStore.load`."""
        async with self._watching():
            return await self._store.load(stream_ids)

    async def delete(self, stream_ids: Sequence[str]) -> None:
        """As `SnapshotStore.delete`."""
        async with self._watching():
            await self._store.delete(stream_ids)

    async def list(self) -> AsyncIterator[list[str]]:
        """As `SnapshotStore.list`."""
        pages = aiter(self._store.list())
        while True:
            async with self._watching():
                page = await anext(pages, None)
            if page is None:
                return
            yield page

    async def close(self) -> None:
        """As `SnapshotStore.close`."""
        await self._store.close()

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Let one at a time use the store, and note how that went."""
        try:
            async with self._using:
                yield
        except StoreError as error:
            self._failed(error.kind, str(error), None)
            raise
        except Exception as error:  # whatever a store does, streams are served on
            self._failed("bug", str(error), error)
            raise StoreError("bug", str(error)) from error
        self._failing_since = None
        if not self.is_up:
            _log.info("store up", store=self.name)
        self.is_up = True

    def _failed(self, kind: str, detail: str, bug: Exception | None) -> None:
        self.errors[kind] += 1
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()
            _log.warning("store down", store=self.name, kind=kind, detail=detail, exc_info=bug)
        self.is_up = False
