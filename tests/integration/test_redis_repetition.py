"""The Redis sink when the wire is cut or the server hangs: nothing lost, nothing twice."""

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from redis import Redis

from service.engine.errors import SinkError
from service.engine.ports import Delivery
from service.keys import Keys
from service.redis_connection import RETRY
from service.sinks import redis
from service.sinks.redis import ENTRIES_PER_TRANSACTION, RedisSink, ScoresMode
from service.sinks.rows import ROWS_AT_ONCE
from tests.deliveries import alert, scored
from tests.integration.cutting import CuttingWire, Fate, cutting_wire
from tests.integration.packed_reading import packed_entries
from tests.integration.servers import entries, process_id

pytestmark = pytest.mark.integration

KEYS = Keys()
TRIES = RETRY.get_retries() + 1
TIMEOUT_S = 0.2


@pytest.fixture(params=["each", "packed"])
def mode(request: pytest.FixtureRequest) -> ScoresMode:
    """Each way of writing verdicts."""
    return cast("ScoresMode", request.param)


@pytest.fixture
async def wired(url: str, mode: ScoresMode) -> AsyncIterator[tuple[CuttingWire, RedisSink]]:
    """An open sink, and the wire it hangs on."""
    with TemporaryDirectory(prefix="sw-") as directory:
        server = Path(url.removeprefix("unix://"))
        async with cutting_wire(server, Path(directory)) as (wire, near_url):
            sink = RedisSink(near_url, KEYS, scores=mode, socket_timeout_s=TIMEOUT_S)
            await sink.open()
            yield wire, sink
            await sink.close()


def long_delivery(mode: ScoresMode) -> Delivery:
    """Three transactions of verdicts and one of alerts."""
    rows = {"each": 3 * ENTRIES_PER_TRANSACTION, "packed": 3 * ROWS_AT_ONCE}[mode]
    return Delivery([scored([f"pump-{row}" for row in range(rows)])], [alert(0), alert(1)])


def written_ids(url: str, reader: Redis) -> list[str]:
    """Read the streams of all verdicts there are, written in whichever way."""
    each = [entry["stream_id"] for entry in entries(reader, KEYS.scores)]
    return each + [one for entry in packed_entries(url, KEYS.packed) for one in entry.stream_ids]


def assert_written_once(url: str, reader: Redis, delivery: Delivery) -> None:
    """Compare everything there is with one delivery."""
    ids = [stream_id for block in delivery.scored for stream_id in block.stream_ids]
    assert written_ids(url, reader) == ids
    events = [alert.event_id for alert in delivery.alerts]
    assert [entry["event_id"] for entry in entries(reader, KEYS.alerts)] == events


async def write_until_done(sink: RedisSink, delivery: Delivery) -> list[SinkError]:
    """Repeat a delivery as the dispatcher does; gives the errors on the way."""
    errors: list[SinkError] = []
    while len(errors) < 10:
        try:
            await sink.write_batch(delivery)
        except SinkError as error:
            errors.append(error)
        else:
            return errors
    raise AssertionError(f"never written: {errors[-1]}")


@pytest.mark.parametrize("fate", ["request lost", "half a request", "reply lost", "late"])
@pytest.mark.parametrize("before", [0, 1, 3], ids=["first", "second", "alerts"])
async def test_a_cut_wire_loses_and_doubles_nothing(
    wired: tuple[CuttingWire, RedisSink],
    url: str,
    reader: Redis,
    mode: ScoresMode,
    fate: Fate,
    before: int,
) -> None:
    """Wherever a transaction is lost, repeating the delivery completes it, each entry once."""
    wire, sink = wired
    wire.fates.extend(["passes"] * before)
    wire.fates.extend([fate] * TRIES)
    delivery = long_delivery(mode)
    errors = await write_until_done(sink, delivery)
    assert {error.kind for error in errors} <= {"connection", "timeout"}
    assert len(errors) == 1
    assert_written_once(url, reader, delivery)


async def test_the_client_tries_once_more_by_itself(
    wired: tuple[CuttingWire, RedisSink], url: str, reader: Redis, mode: ScoresMode
) -> None:
    """A single lost reply is no error at all, and doubles nothing."""
    wire, sink = wired
    wire.fates.append("reply lost")
    delivery = long_delivery(mode)
    await sink.write_batch(delivery)
    assert_written_once(url, reader, delivery)


async def test_what_arrives_late_is_ignored(
    wired: tuple[CuttingWire, RedisSink], url: str, reader: Redis, mode: ScoresMode
) -> None:
    """A request that reaches the server only after its repetition, or later ones, does nothing."""
    wire, sink = wired
    wire.fates.extend(["late"] * TRIES)
    delivery = long_delivery(mode)
    await write_until_done(sink, delivery)
    assert await wire.deliver_late() == [b":0\r\n"] * TRIES
    assert_written_once(url, reader, delivery)


async def test_a_delivery_given_up_does_not_hinder_the_next(
    wired: tuple[CuttingWire, RedisSink], url: str, reader: Redis, mode: ScoresMode
) -> None:
    """After a delivery whose reply was lost and that is not repeated the next is written whole."""
    wire, sink = wired
    wire.fates.extend(["reply lost"] * TRIES)
    with pytest.raises(SinkError):
        await sink.write_batch(Delivery([scored(["given up"])]))
    await sink.write_batch(Delivery([scored(["next"])]))
    assert written_ids(url, reader) == ["given up", "next"]


async def test_a_server_that_hangs_is_a_timeout(url: str, reader: Redis, mode: ScoresMode) -> None:
    """While the server hangs writing fails with `timeout`; when it goes on nothing is doubled."""
    sink = RedisSink(url, KEYS, scores=mode, socket_timeout_s=TIMEOUT_S)
    await sink.open()
    process = process_id(reader)
    delivery = long_delivery(mode)
    os.kill(process, signal.SIGSTOP)
    try:
        with pytest.raises(SinkError) as failed:
            await sink.write_batch(delivery)
    finally:
        os.kill(process, signal.SIGCONT)
    assert failed.value.kind == "timeout"
    await sink.write_batch(delivery)
    await sink.close()
    assert_written_once(url, reader, delivery)


async def test_a_transaction_that_can_not_be_made_is_made_again(
    url: str, reader: Redis, mode: ScoresMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before it is not written twice, and nothing behind it is lost."""
    name = {"each": "narrow", "packed": "wide"}[mode]
    make, made = getattr(redis, name), list[int]()

    def fails_once(*given: object) -> object:
        made.append(1)
        if len(made) == 2:
            raise ValueError("a bug")
        return make(*given)

    monkeypatch.setattr(redis, name, fails_once)
    delivery = long_delivery(mode)
    sink = RedisSink(url, KEYS, scores=mode)
    await sink.open()
    with pytest.raises(ValueError, match="a bug"):
        await sink.write_batch(delivery)
    await sink.write_batch(delivery)
    await sink.close()

    assert written_ids(url, reader) == list(delivery.scored[0].stream_ids)
    assert len(entries(reader, KEYS.alerts)) == len(delivery.alerts)
