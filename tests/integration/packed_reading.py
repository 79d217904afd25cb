"""What packed verdicts a server holds, for tests."""

from typing import cast

from redis import Redis

from service.sinks.packed import PackedVerdicts, unpacked

RawEntries = list[tuple[bytes, dict[bytes, bytes]]]


def raw_entries(url: str, stream: str) -> list[dict[bytes, bytes]]:
    """Read the fields of a whole stream undecoded, oldest entry first."""
    with Redis.from_url(url, socket_timeout=5.0) as client:
        found = cast("RawEntries", client.xrange(stream))
    return [fields for _, fields in found]


def packed_entries(url: str, stream: str) -> list[PackedVerdicts]:
    """Read a whole stream of packed verdicts, oldest entry first."""
    return [unpacked(fields) for fields in raw_entries(url, stream)]
