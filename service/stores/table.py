"""The stores there are, by the name that the settings choose them with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from service.engine.ports import SnapshotStore
from service.keys import Keys
from service.redis_connection import TIMEOUT_S
from service.stores.file import FileStore
from service.stores.redis import RedisStore


@dataclass(frozen=True, slots=True)
class StorePlace:
    """Where a store may put things; each takes what it needs.

    Attributes:
        redis_url: Of the Redis that the sinks write to as well.
        keys: Names of its keys.
        redis_timeout_s: Longest wait for a connection or an answer of it, in seconds.
        data_dir: The service's own directory; the file store lies in it.
    """

    redis_url: str
    keys: Keys
    data_dir: Path
    redis_timeout_s: float = TIMEOUT_S


STORES: Final[dict[str, Callable[[StorePlace], SnapshotStore]]] = {
    "redis": lambda place: RedisStore(
        place.redis_url, place.keys, socket_timeout_s=place.redis_timeout_s
    ),
    "file": lambda place: FileStore(place.data_dir / "snapshots.sqlite"),
}
