"""Every Redis key and channel, and how long a key without an owner lives."""

from dataclasses import dataclass
from typing import Final

WRITTEN_TTL_S: Final = 86_400
"""How long the mark of what a sink or store wrote outlives its last write: longer than any outage
after which the same delivery is still repeated."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of one shard's keys and channels; the hash tag keeps them on one cluster node.

    Attributes:
        prefix: Begins every name, so that services can share a Redis.
        shard: Number of the shard, from 0.
    """

    prefix: str = "sw"
    shard: int = 0

    @property
    def scores(self) -> str:
        """Name the stream of verdicts."""
        return self._named("scores")

    @property
    def packed(self) -> str:
        """Name the stream of packed verdicts, many an entry.

        Not `scores`: who reads an entry there finds one verdict, whatever the settings were.
        """
        return self._named("packed")

    @property
    def alerts(self) -> str:
        """Name the stream of alert transitions."""
        return self._named("alerts")

    @property
    def live_scores(self) -> str:
        """Name the channel on which verdicts pass by, a JSON array a message."""
        return self._named("live:scores")

    @property
    def live_alerts(self) -> str:
        """Name the channel on which alert transitions pass by, a JSON object a message."""
        return self._named("live:alerts")

    @property
    def states(self) -> str:
        """Name the index of stored streams, a sorted set by time of saving."""
        return self._named("states")

    def state(self, stream_id: str) -> str:
        """Name the hash of one stream's snapshot, a field a part."""
        return self._named(f"state:{stream_id}")

    def written(self, writer_id: str) -> str:
        """Name the mark of what one sink or store wrote last; lives for `WRITTEN_TTL_S`."""
        return self._named(f"written:{writer_id}")

    def _named(self, name: str) -> str:
        return f"{self.prefix}:{{{self.shard}}}:{name}"
