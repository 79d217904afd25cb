"""Entries to store, and what a store says it holds."""

from service.engine.ports import Entry, SnapshotStore


def whole(stream_id: str, **parts: bytes) -> Entry:
    """Make an entry that is all of its snapshot."""
    return Entry(stream_id, parts, is_whole=True)


def part(stream_id: str, **parts: bytes) -> Entry:
    """Make an entry that leaves the stream's other parts as they are."""
    return Entry(stream_id, parts, is_whole=False)


async def pages(store: SnapshotStore) -> list[list[str]]:
    """Go through a whole listing, page by page."""
    return [page async for page in store.list()]


async def listed(store: SnapshotStore) -> list[str]:
    """Give the ids of a whole listing, in its order."""
    return [stream_id for page in await pages(store) for stream_id in page]


def remember(held: dict[str, dict[str, bytes]], entries: tuple[Entry, ...]) -> set[str]:
    """Do with a dict what `save` promises; gives the ids it refuses."""
    refused = {one.stream_id for one in entries if not one.is_whole and one.stream_id not in held}
    for entry in entries:
        kept = {} if entry.is_whole else held.get(entry.stream_id, {})
        if entry.stream_id not in refused and (kept or entry.parts):
            held[entry.stream_id] = {**kept, **entry.parts}
        else:
            held.pop(entry.stream_id, None)
    return refused
