"""Answers of one connection: in the order asked, whole, and to the end, however requests come."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.engines import until
from tests.integration.running import Running, observations, running_service, settings_of
from tests.integration.wire import LONG, get, known, post, wired

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

CLOSE = "Connection: close\r\n"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One service for all: every test has streams of its own."""
    async with running_service(settings_of(tmp_path_factory.mktemp("service"))) as running:
        yield running


async def test_many_requests_in_one_packet(service: Running) -> None:
    """Requests sent without waiting are answered one after another, and scored in their order."""
    rows = await known(service, "packet", 150)
    async with wired(service) as wire:
        wire.send(*map(post, rows))
        answers = await wire.answers(len(rows))
    assert [answer.json["seq"] for answer in answers] == [row["seq"] for row in rows]


async def test_requests_that_come_byte_by_byte(service: Running) -> None:
    """However a request is cut, it is the same request, known head or not."""
    rows = await known(service, "bytes", 4)
    async with wired(service) as wire:
        for row in rows:
            for byte in post(row):
                wire.send(bytes([byte]))
                await wire.writer.drain()
                await asyncio.sleep(0)
            assert (await wire.answer()).json["seq"] == row["seq"]


@pytest.mark.parametrize("size", [1, 7, 100, 513, 4096])
async def test_requests_cut_anywhere(service: Running, size: int) -> None:
    """Packets that end amid heads and bodies, several requests in each or one in several."""
    rows = await known(service, f"cut-{size}", 12)
    data = b"".join(map(post, rows))
    async with wired(service) as wire:
        for begin in range(0, len(data), size):
            wire.send(data[begin : begin + size])
            await asyncio.sleep(0)
        answers = await wire.answers(len(rows))
    assert [answer.json["seq"] for answer in answers] == [row["seq"] for row in rows]


async def test_both_ways_alternate_on_one_connection(service: Running) -> None:
    """What goes past ASGI and what does not keep their order, in answers and in what they do."""
    rows = await known(service, "mixed", 8)
    path = "/v1/streams/mixed"
    async with wired(service) as wire:
        wire.send(
            post(rows[0]),
            get(path),
            post(rows[1]),
            post({"observations": rows[2:4]}),
            post(rows[4]),
            get("/healthz", "HEAD"),
            post(rows[5], "/v1/observations?verdict=full"),
            post(rows[6]),
            get(f"{path}/reset", "POST"),
            post(b"{"),
            post(rows[7]),
            get(path),
        )
        one, shown, two, many, three = await wire.answers(5)
        assert (one.json["seq"], shown.json["last_seq"], two.json["seq"]) == (1, 1, 2)
        assert [row["seq"] for row in many.json["verdicts"]] == [3, 4]
        assert three.json["seq"] == 5
        assert (await wire.answer(has_body=False)).status == 405
        four, five, reset, bad, six, last = await wire.answers(6)
    assert [four.json["seq"], five.json["seq"], six.json["seq"]] == [6, 7, 8]
    assert (reset.json["observations"], bad.status, last.json["observations"]) == (0, 400, 1)


async def test_a_batch_does_not_overtake_nor_is_overtaken(service: Running) -> None:
    """Behind a batch on its way, also one whose stream is new, what follows waits."""
    rows = observations("batch", LONG + 3)
    async with wired(service) as wire:
        wire.send(
            post({"observations": rows[:LONG]}), *map(post, rows[LONG:]), get("/v1/streams/batch")
        )
        many, *ones, shown = await wire.answers(5)
    assert len(many.json["verdicts"]) == LONG
    assert [one.json["seq"] for one in ones] == [LONG, LONG + 1, LONG + 2]
    assert shown.json["observations"] == LONG + 3


async def test_chunked_and_expecting_requests_between_others(service: Running) -> None:
    """Bodies of unknown length and clients that wait for a word are served as ever."""
    rows = await known(service, "forms", 4)
    plain = post(rows[1])
    body = plain.partition(b"\r\n\r\n")[2]
    chunked = get("/v1/observations", "POST", "Transfer-Encoding: chunked\r\n")
    for part in (body[:9], body[9:], b""):
        chunked += b"%x\r\n%b\r\n" % (len(part), part)
    async with wired(service) as wire:
        wire.send(post(rows[0]), chunked, post(rows[2]))
        assert [answer.json["seq"] for answer in await wire.answers(3)] == [1, 2, 3]
        head, _, body = post(rows[3], headers="Expect: 100-continue\r\n").partition(b"\r\n\r\n")
        wire.send(head + b"\r\n\r\n")
        assert (await wire.answer()).status == 100
        wire.send(body)
        assert (await wire.answer()).json["seq"] == 4


async def test_the_connection_ends_when_asked_to(service: Running) -> None:
    """With the last answer, which says so; what comes behind is not taken."""
    rows = await known(service, "closing", 4)
    for ending in (post(rows[1], headers=CLOSE), post(b"{", headers=CLOSE)):
        async with wired(service) as wire:
            row = rows.pop(0)
            wire.send(post(row), ending, post(rows[-1]), get("/v1/streams/closing/reset", "POST"))
            first, last = await wire.answers(2)
            assert first.json["seq"] == row["seq"]
            assert "connection" not in first.headers
            assert last.headers["connection"] == "close"
            assert await wire.rest() == b""
        if last.status == 200:
            rows.pop(0)
    shown = (await service.http.get("/v1/streams/closing")).json()
    assert (shown["last_seq"], shown["observations"]) == (3, 4)


async def test_what_is_no_http_behind_a_request(service: Running) -> None:
    """The request is answered, then the rest is refused and the connection ends."""
    (row,) = await known(service, "garbage", 1)
    async with wired(service) as wire:
        wire.send(post(row), b"\x16\x03\x01 hello\r\n\r\n")
        assert (await wire.answer()).json["seq"] == 1
        assert (await wire.answer()).status == 400
        assert await wire.rest() == b""


async def test_an_upgrade_behind_a_request(service: Running) -> None:
    """A connection becomes a WebSocket after what was asked before."""
    (row,) = await known(service, "upgrade", 1)
    upgrade = (
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: c3RlcHdhdGNoIGxvYWQgIQ==\r\n"
    )
    async with wired(service) as wire:
        wire.send(post(row), get("/v1/ingest", headers=upgrade))
        assert (await wire.answer()).json["seq"] == 1
        assert (await wire.answer(has_body=False)).status == 101


async def test_too_large_behind_a_request(service: Running) -> None:
    """A length beyond the limit is refused unread, in its turn."""
    (row,) = await known(service, "large", 1)
    head = b"POST /v1/observations HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    async with wired(service) as wire:
        wire.send(post(row), head)
        assert [answer.status for answer in await wire.answers(2)] == [200, 413]


async def test_who_leaves_harms_nobody(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Answers for who has gone are for nobody; what was asked is done, and nothing is logged."""
    rows = await known(service, "leaving", 40)
    with capture_logs() as logs:
        async with wired(service) as wire:
            wire.send(*map(post, rows[:39]), post({"observations": rows[39:]}))
            await wire.answer()
            wire.writer.transport.abort()
        async with wired(service) as wire:
            wire.send(post({"observations": observations("left", LONG)}))
            await until(lambda: service.engine.waiting_rows)
            wire.writer.transport.abort()
        await until(lambda: not service.engine.waiting_rows)
        shown = (await service.http.get("/v1/streams/left")).json()
        assert shown["observations"] == LONG
    assert not [entry for entry in logs if entry["log_level"] in ("warning", "error")]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_who_does_not_read_is_not_read(service: Running) -> None:
    """While answers are not read no requests are, and nothing is lost when they are again."""
    rows = await known(service, "deaf", 1)
    batch: dict[str, Any] = {"observations": [{"values": []}] * 2000}
    count = 30
    async with wired(service) as wire:
        wire.send(post(rows[0]), *[post(batch)] * (count - 1), post(batch, headers=CLOSE))
        sending = asyncio.create_task(wire.writer.drain())
        assert (await service.http.get("/healthz")).is_success
        assert (await wire.answer()).json["seq"] == 1
        answers = await wire.answers(count)
        await sending
        assert await wire.rest() == b""
    assert {answer.status for answer in answers} == {422}
    assert {len(answer.json["verdicts"]) for answer in answers} == {2000}
