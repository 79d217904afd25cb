"""A store in memory that fails, waits or forgets when it is told to."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from service.engine.errors import StoreError
from service.engine.ports import Entry
from tests.stored import remember

IDS_A_PAGE = 3


class MemoryStore:
    """Keeps parts in a dict.

    Attributes:
        held: What is stored; outlives the instance if another one is given it.
        failing: Calls that fail, by name: `save`, `load`, `delete`, `list`.
        odd: Streams whose entries it refuses, and with them all that they are saved with.
        works: How often calls still work before they fail for good, by name.
        gates: Calls that wait until their event is set, by name.
        calls: Names of the calls so far, with the ids they were about.
        saves: Entries of each save that succeeded.
        is_closed: Whether it was closed.
    """

    def __init__(self, held: dict[str, dict[str, bytes]] | None = None) -> None:
        self.held = {} if held is None else held
        self.failing: set[str] = set()
        self.odd: set[str] = set()
        self.works: dict[str, int] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: list[tuple[str, list[str]]] = []
        self.saves: list[list[Entry]] = []
        self.is_closed = False

    @property
    def name(self) -> str:
        return "memory"

    async def save(self, entries: Sequence[Entry]) -> set[str]:
        await self._called("save", [entry.stream_id for entry in entries])
        if odd := self.odd & {entry.stream_id for entry in entries}:
            raise StoreError("other", f"this store was told to refuse {odd}")
        unknown = remember(self.held, tuple(entries))
        for entry in entries:  # the order of the keys is that of saving
            if entry.stream_id in self.held:
                self.held[entry.stream_id] = self.held.pop(entry.stream_id)
        self.saves.append(list(entries))
        return unknown

    async def load(self, stream_ids: Sequence[str]) -> dict[str, dict[str, bytes]]:
        await self._called("load", list(stream_ids))
        return {one: dict(self.held[one]) for one in stream_ids if one in self.held}

    async def delete(self, stream_ids: Sequence[str]) -> None:
        await self._called("delete", list(stream_ids))
        for stream_id in stream_ids:
            self.held.pop(stream_id, None)

    async def list(self) -> AsyncIterator[list[str]]:
        await self._called("list", [])
        stream_ids = [*reversed(self.held)]
        for first in range(0, len(stream_ids), IDS_A_PAGE):
            await self._called("page", [])
            yield stream_ids[first : first + IDS_A_PAGE]

    async def close(self) -> None:
        self.is_closed = True

    def wait(self, name: str) -> asyncio.Event:
        """Let calls of this name wait until the event given is set."""
        self.gates[name] = asyncio.Event()
        return self.gates[name]

    def times(self, name: str) -> int:
        """Count the calls of this name."""
        return sum(called == name for called, _ in self.calls)

    async def _called(self, name: str, stream_ids: Sequence[str]) -> None:
        self.calls.append((name, [*stream_ids]))
        if name in self.gates:
            await self.gates[name].wait()
        if name in self.works:
            self.works[name] -= 1
        if name in self.failing or self.works.get(name, 0) < 0:
            raise StoreError("down", f"this store was told to fail to {name}")
