"""Any sequence of requests, cut anywhere: the short way answers what uvicorn and ASGI alone do."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.wire import get, post, wired

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SEQUENCES = 60
LENGTH = 12
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for all: every sequence has streams of its own."""
    async with running_service(settings_of(tmp_path_factory.mktemp("service"))) as running:
        yield running


def in_chunks(row: Any) -> bytes:
    """Write a request whose length is not told."""
    body = post(row).partition(b"\r\n\r\n")[2]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:], b""))
    return get("/v1/observations", "POST", CHUNKED) + chunks


KINDS: dict[str, Callable[[str, list[Any]], bytes]] = {
    "one": lambda _, rows: post(rows.pop(0)),
    "one by path": lambda stream_id, rows: post(
        {"values": rows.pop(0)["values"], "timestamp": rows[0]["timestamp"] - 1},
        f"/v1/streams/{stream_id}/observations",
    ),
    "many": lambda _, rows: post({"observations": [rows.pop(0), rows.pop(0)]}),
    "twice": lambda _, rows: post(rows[0]) + post(rows.pop(0)),
    "with more": lambda _, rows: post(rows.pop(0), headers="X: y\r\n"),
    "asked for": lambda _, rows: post(rows.pop(0), "/v1/observations?explain=true"),
    "chunked": lambda _, rows: in_chunks(rows.pop(0)),
    "bad": lambda _, rows: post(b'{"values": ['),
    "wrong": lambda _, rows: post({**rows[0], "values": [1]}),
    "page": lambda _, rows: post(rows[0], headers="Origin: https://evil.example\r\n"),
    "shown": lambda stream_id, _: get(f"/v1/streams/{stream_id}"),
    "reset": lambda stream_id, _: get(f"/v1/streams/{stream_id}/reset", "POST"),
    "nowhere": lambda _, rows: post(rows[0], "/v1/nowhere"),
    "empty": lambda *_: get("/v1/observations", "POST"),
    "closing": lambda _, rows: post(rows.pop(0), headers="Connection: close\r\n"),
    "old": lambda _, rows: post(rows.pop(0)).replace(b"HTTP/1.1", b"HTTP/1.0"),
}
LAST = ("closing", "old")


def told(data: bytes, stream_id: str) -> str:
    """Leave out what differs: the date, the name of the stream, and the last digits of scores.

    Those depend on which rows were scored together.
    """
    text = data.decode("latin-1").replace(stream_id, "STREAM")
    text = re.sub(r"(date|content-length): .*\r\n|\"created_at\":[^,]*,", "", text)
    return re.sub(
        r"\d+\.\d+(e-\d+)?",
        lambda found: f"{float(found[0]):.4g}" if float(found[0]) < 1e6 else found[0],
        text,
    )


async def answered(service: Running, data: bytes, cuts: list[int]) -> bytes:
    """Send bytes cut in places; gives all that comes back until the other side closes."""
    async with wired(service) as wire:
        reading = asyncio.create_task(wire.rest())
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            wire.send(data[begin:end])
            await asyncio.sleep(0)
        return await reading


@pytest.mark.parametrize("seed", range(SEQUENCES))
async def test_both_ways_answer_alike(service: Running, seed: int) -> None:
    """To the end of the connection."""
    chosen = random.Random(seed)
    kinds = [name for name in KINDS if name not in LAST]
    names = [*chosen.choices(kinds, k=LENGTH), chosen.choice(LAST), chosen.choice(kinds)]
    shares = sorted(chosen.random() for _ in range(chosen.choice([0, 1, 5, 50])))
    found = []
    config = service.server.config
    for way, concurrency in (("hot", None), ("old", 1_000_000)):
        config.limit_concurrency = concurrency  # with one, all goes the ordinary way
        stream_id = f"{way}-{seed:03d}"
        first, *rows = observations(stream_id, 3 * LENGTH)
        assert (await service.http.post("/v1/observations?explain=true", json=first)).is_success
        parts = [KINDS[name](stream_id, rows) for name in names]
        data = b"".join(parts)
        # what comes alone behind the end is answered with a reset, which may overtake answers
        cuts = [int(share * len(b"".join(parts[:LENGTH]))) for share in shares]
        found.append(told(await answered(service, data, cuts), stream_id))
    config.limit_concurrency = None
    assert found[0] == found[1]
    assert found[0].count("HTTP/1.1 ") >= LENGTH
