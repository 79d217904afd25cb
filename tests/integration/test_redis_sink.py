"""The Redis sink against real servers: what is written, and what failure leaves."""

import json
from collections.abc import AsyncIterator
from math import nan

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Phase, Refusal
from service.engine.errors import SinkError
from service.engine.ports import Delivery
from service.keys import Keys
from service.sinks.redis import RedisSink
from tests.deliveries import TIME, alert, scored, verdicts
from tests.integration.servers import Server, client_of, entries

pytestmark = pytest.mark.integration

KEYS = Keys()


@pytest.fixture
async def sink(url: str) -> AsyncIterator[RedisSink]:
    """A sink that is open, with the usual settings."""
    opened = RedisSink(url, KEYS)
    await opened.open()
    yield opened
    await opened.close()


def mixed() -> Delivery:
    """Four verdicts: washing out, warming up, an anomaly with a seq, and a refused one."""
    block = verdicts(
        4,
        seqs=[NO_SEQ, NO_SEQ, 7, NO_SEQ],
        phase=[Phase.WASHOUT, Phase.WARMUP, Phase.LIVE, Phase.LIVE],
        score=[nan, 0.1, 1 / 3, 0.1],
        smoothed=[nan, 0.1, 0.2, 0.1],
        threshold=[nan, nan, 1e-05, 0.4],
        severity=[nan, nan, 33333.333333333336, 0.25],
        is_anomaly=[Anomaly.UNKNOWN, Anomaly.UNKNOWN, Anomaly.YES, Anomaly.NO],
        shifted_since=[NO_TIME, NO_TIME, TIME, NO_TIME],
        refusal=[Refusal.NONE, Refusal.NONE, Refusal.NONE, Refusal.OUT_OF_ORDER],
    )
    return Delivery([scored(["new", "young", "odd", "refused"], block)])


async def test_each_taken_verdict_is_an_entry(sink: RedisSink, reader: Redis) -> None:
    """Large and small blocks come out as one entry a verdict, in order."""
    ids = [f"pump-{row}" for row in range(1201)]
    await sink.write_batch(Delivery([scored(ids), *[scored([name]) for name in ids[:30]]]))
    assert [entry["stream_id"] for entry in entries(reader, KEYS.scores)] == ids + ids[:30]


async def test_unknown_fields_are_left_out(sink: RedisSink, reader: Redis) -> None:
    """Entries have exact times and numbers, and no field for what is unknown."""
    await sink.write_batch(mixed())
    assert entries(reader, KEYS.scores) == [
        {
            "stream_id": "new",
            "model": "pumps",
            "timestamp": "1763762400.123456",
            "phase": "washout",
        },
        {
            "stream_id": "young",
            "model": "pumps",
            "timestamp": "1763762460.123456",
            "phase": "warmup",
            "score": "0.1",
            "smoothed_score": "0.1",
        },
        {
            "stream_id": "odd",
            "model": "pumps",
            "timestamp": "1763762520.123456",
            "seq": "7",
            "phase": "live",
            "score": "0.3333333333333333",
            "smoothed_score": "0.2",
            "threshold": "1e-05",
            "severity": "33333.333333333336",
            "is_anomaly": "1",
            "level_shift_since": "1763762400.123456",
        },
    ]


async def test_only_anomalies_when_told(url: str, reader: Redis) -> None:
    """With `anomalies` normal and unknown verdicts are not written, alerts are."""
    sink = RedisSink(url, KEYS, scores="anomalies")
    await sink.write_batch(Delivery(mixed().scored, [alert()]))
    await sink.close()
    assert [entry["stream_id"] for entry in entries(reader, KEYS.scores)] == ["odd"]
    assert reader.xlen(KEYS.alerts) == 1


async def test_no_scores_when_told(url: str, reader: Redis) -> None:
    """With `off` no verdict is written, alerts are."""
    sink = RedisSink(url, KEYS, scores="off")
    await sink.write_batch(Delivery(mixed().scored, [alert()]))
    await sink.close()
    assert not reader.exists(KEYS.scores)
    assert reader.xlen(KEYS.alerts) == 1


async def test_each_alert_is_an_entry(sink: RedisSink, reader: Redis) -> None:
    """An alert's entry says what, where, since when, how bad and why."""
    await sink.write_batch(Delivery(alerts=[alert(0), alert(1)]))
    first, second = entries(reader, KEYS.alerts)
    contributors = json.loads(first.pop("contributors"))
    assert first == {
        "event_id": "0000000000000000",
        "stream_id": "plant-a/pump-0",
        "model": "pumps",
        "status": "opened",
        "timestamp": "1763762520.123456",
        "since": "1763762400.123456",
        "opened_at": "1763762520.123456",
        "severity": "2.5",
        "peak_severity": "3.125",
        "anomalies": "3",
    }
    assert contributors == [
        {"metric": "flow", "actual": None, "expected": 1.5, "share": 0.75},
        {"metric": "pressure", "actual": 2.0, "expected": 1.0, "share": 0.25},
    ]
    assert second["event_id"] == "0000000000000001"


async def test_streams_are_trimmed(url: str, reader: Redis) -> None:
    """A stream does not grow far beyond its longest length."""
    sink = RedisSink(url, KEYS, maxlen=200)
    await sink.write_batch(Delivery([scored(["pump"] * 2000)]))
    await sink.close()
    length = reader.xlen(KEYS.scores)
    assert isinstance(length, int)
    assert 200 <= length < 400


async def test_live_channels_carry_what_is_written(sink: RedisSink, url: str) -> None:
    """Who listens gets one array of verdicts for a write and one object for each alert."""
    async with AsyncRedis.from_url(url) as client, client.pubsub() as listener:
        await listener.subscribe(KEYS.live_scores, KEYS.live_alerts)
        for _ in range(2):
            await listener.get_message(timeout=5)
        await sink.write_batch(Delivery(mixed().scored, [alert(0), alert(1)]))
        messages = [await listener.get_message(timeout=5) for _ in range(3)]
    channels = [message["channel"].decode() for message in messages if message is not None]
    assert channels == [KEYS.live_scores, KEYS.live_alerts, KEYS.live_alerts]
    live, first_alert, _ = [json.loads(message["data"]) for message in messages if message]
    assert live[0] == {
        "stream_id": "new",
        "model": "pumps",
        "timestamp": 1763762400.123456,
        "phase": "washout",
    }
    assert live[2]["seq"] == 7
    assert live[2]["score"] == 1 / 3
    assert live[2]["is_anomaly"] is True
    assert len(live) == 3
    assert first_alert["event_id"] == "0000000000000000"
    assert first_alert["contributors"][0]["actual"] is None


async def test_a_stopped_server_is_an_error_until_it_is_back(
    server: Server, sink: RedisSink
) -> None:
    """Without the server writing fails with `connection`; with it again all is written, once."""
    await sink.write_batch(Delivery([scored(["before"])]))
    server.stop()
    delivery = Delivery([scored(["meanwhile"] * 700)], [alert()])
    for _ in range(2):
        with pytest.raises(SinkError) as failed:
            await sink.write_batch(delivery)
        assert failed.value.kind == "connection"
    url = server.start()
    await sink.write_batch(delivery)
    with client_of(url) as reader:
        written = [entry["stream_id"] for entry in entries(reader, KEYS.scores)]
        assert written == ["before"] + ["meanwhile"] * 700
        assert reader.xlen(KEYS.alerts) == 1


async def test_a_wrong_password_is_an_error_that_hides_it(url: str, reader: Redis) -> None:
    """A wrong or missing password fails with `auth`, and no text holds it."""
    reader.config_set("requirepass", "right-secret")
    for wrong in (url, url.replace("unix://", "unix://:wrong-secret@")):
        sink = RedisSink(wrong, KEYS)
        with pytest.raises(SinkError) as failed:
            await sink.open()
        assert failed.value.kind == "auth"
        assert "secret" not in f"{failed.value} {failed.value.__cause__!r} {sink!r}"
        await sink.close()
    right = RedisSink(url.replace("unix://", "unix://:right-secret@"), KEYS)
    await right.open()
    await right.close()
    reader.config_set("requirepass", "")


async def test_a_full_server_is_an_error_until_it_has_room(sink: RedisSink, reader: Redis) -> None:
    """Beyond `maxmemory` writing fails with `full` and writes nothing; with room it goes on."""
    reader.config_set("maxmemory", "1")
    delivery = Delivery([scored(["pump"] * 700)], [alert()])
    with pytest.raises(SinkError) as failed:
        await sink.write_batch(delivery)
    assert failed.value.kind == "full"
    reader.config_set("maxmemory", "0")
    assert not reader.exists(KEYS.scores)
    await sink.write_batch(delivery)
    assert reader.xlen(KEYS.scores) == 700
    assert reader.xlen(KEYS.alerts) == 1


async def test_a_key_of_another_type_is_another_error(sink: RedisSink, reader: Redis) -> None:
    """An error that is none of the known kinds is `other`, and what could be written stays once."""
    reader.set(KEYS.alerts, "no stream")
    delivery = Delivery([scored(["pump"])], [alert()])
    for _ in range(2):
        with pytest.raises(SinkError) as failed:
            await sink.write_batch(delivery)
        assert failed.value.kind == "other"
    reader.delete(KEYS.alerts)
    await sink.write_batch(delivery)
    assert reader.xlen(KEYS.scores) == 1
    assert reader.xlen(KEYS.alerts) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1", "redis://:pa/word@127.0.0.1", "redis://:x@[", "nonsense-word"]
)
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    """A malformed URL is refused at once, with an error that shows nothing of it."""
    with pytest.raises(ValueError, match="the Redis URL cannot be read") as refused:
        RedisSink(url, KEYS)
    assert "word" not in str(refused.value).replace("[:password@]", "")
    assert refused.value.__context__ is None
