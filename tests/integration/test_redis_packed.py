"""Packed verdicts on real servers: what comes back, what is trimmed, what is not sent live."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Phase, Refusal
from service.engine.errors import SinkError
from service.engine.ports import Delivery, Scored
from service.keys import Keys
from service.sinks.packed import PackedError, unpacked
from service.sinks.redis import RedisSink
from service.sinks.rows import ROWS_AT_ONCE
from tests.deliveries import MINUTE, TIME, alert, scored, verdicts
from tests.integration.packed_reading import packed_entries, raw_entries
from tests.integration.servers import entries

pytestmark = pytest.mark.integration

KEYS = Keys()
COLUMNS = {
    "times": "timestamp",
    "seqs": "seq",
    "phase": "phase",
    "score": "score",
    "smoothed": "smoothed_score",
    "threshold": "threshold",
    "severity": "severity",
    "is_anomaly": "is_anomaly",
    "shifted_since": "level_shift_since",
}


async def write(url: str, *deliveries: Delivery, maxlen: int = 1_000_000) -> None:
    """Write deliveries in packed mode."""
    sink = RedisSink(url, KEYS, scores="packed", maxlen=maxlen)
    await sink.open()
    for delivery in deliveries:
        await sink.write_batch(delivery)
    await sink.close()


def random_block(size: int, model: str) -> Scored:
    """Make a block with something of everything."""
    chance = np.random.default_rng(size)
    numbers = chance.exponential(size=(4, size)) * 10.0 ** chance.integers(-300, 300, (4, size))
    numbers[chance.random((4, size)) < 0.2] = nan
    score, smoothed, threshold, severity = numbers.tolist()
    block = verdicts(
        size,
        seqs=np.where(chance.random(size) < 0.5, NO_SEQ, np.arange(size)).tolist(),
        phase=chance.choice(list(Phase), size).tolist(),
        refusal=chance.choice([Refusal.NONE, Refusal.NONE, Refusal.DUPLICATE], size).tolist(),
        is_anomaly=chance.choice(list(Anomaly), size).tolist(),
        score=score,
        smoothed=smoothed,
        threshold=threshold,
        severity=severity,
        shifted_since=np.where(chance.random(size) < 0.5, NO_TIME, TIME).tolist(),
    )
    return replace(scored([f"größe/{row}-泵" for row in range(size)], block), model=model)


@pytest.mark.parametrize("size", [1, 17, 1000, 3001])
async def test_columns_come_back_as_they_were(url: str, size: int) -> None:
    """What was taken of random blocks of two models is read bit for bit, in its order."""
    blocks = [random_block(size + more, model) for more in (0, 1) for model in ("a", "b")]
    await write(url, Delivery(blocks))
    found = packed_entries(url, KEYS.packed)
    for model in ("a", "b"):
        mine = [one for one in found if one.model == model]
        of_model = [block for block in blocks if block.model == model]
        is_taken = np.concatenate([block.verdicts.refusal == Refusal.NONE for block in of_model])
        ids = [one for block in of_model for one in block.stream_ids]
        assert [one for entry in mine for one in entry.stream_ids] == [
            ids[row] for row in np.flatnonzero(is_taken)
        ]
        for ours, theirs in COLUMNS.items():
            sent = np.concatenate([getattr(block.verdicts, ours) for block in of_model])
            came = np.concatenate([getattr(entry, theirs) for entry in mine] or [sent[:0]])
            np.testing.assert_array_equal(came, sent[is_taken])


async def test_rows_can_be_added_up_without_reading_columns(url: str, reader: Redis) -> None:
    """Each entry says as text how many verdicts it holds; `scores` stays empty."""
    await write(url, Delivery([scored(["a"] * 2500)]), Delivery([scored(["a"]), scored(["b"])]))
    found = raw_entries(url, KEYS.packed)
    assert [int(fields[b"rows"]) for fields in found] == [1000, 1000, 500, 2]
    assert not reader.exists(KEYS.scores)


async def test_nothing_taken_is_no_entry(url: str, reader: Redis) -> None:
    """Neither empty blocks nor refused rows make an entry."""
    refused = verdicts(1, refusal=[Refusal.DUPLICATE])
    await write(url, Delivery(), Delivery([scored([]), scored(["a"], refused)]))
    assert not reader.exists(KEYS.packed)


async def test_packed_entries_are_trimmed(url: str, reader: Redis) -> None:
    """About as many full entries stay as hold the verdicts that may stay."""
    blocks = [scored(["pump"] * ROWS_AT_ONCE) for _ in range(20)]
    await write(url, Delivery(blocks), maxlen=5 * ROWS_AT_ONCE)
    assert 5 <= len(packed_entries(url, KEYS.packed)) < 10


async def test_at_least_one_entry_stays(url: str) -> None:
    """However short the stream may be, what was written last can be read."""
    await write(url, Delivery([scored(["a"])]), maxlen=1)
    (last,) = packed_entries(url, KEYS.packed)
    assert last.timestamp.tolist() == [TIME]


async def test_only_alerts_are_sent_live(url: str, reader: Redis) -> None:
    """Who listens hears of alerts, which are entries as always, and of no verdict."""
    async with AsyncRedis.from_url(url) as client, client.pubsub() as listener:
        await listener.subscribe(KEYS.live_scores, KEYS.live_alerts)
        for _ in range(2):
            await listener.get_message(timeout=5)
        await write(url, Delivery([scored(["a"])], [alert(0)]))
        first = await listener.get_message(timeout=5)
        assert first is not None
        assert first["channel"].decode() == KEYS.live_alerts
    assert [entry["event_id"] for entry in entries(reader, KEYS.alerts)] == ["0000000000000000"]


async def test_a_full_server_takes_packed_entries_later(url: str, reader: Redis) -> None:
    """Beyond `maxmemory` nothing is written, and with room each row once."""
    sink = RedisSink(url, KEYS, scores="packed")
    await sink.open()
    delivery = Delivery([scored(["pump"] * 2500)])
    reader.config_set("maxmemory", "1")
    with pytest.raises(SinkError) as failed:
        await sink.write_batch(delivery)
    assert failed.value.kind == "full"
    reader.config_set("maxmemory", "0")
    assert not reader.exists(KEYS.packed)
    await sink.write_batch(delivery)
    await sink.close()
    assert [len(entry) for entry in packed_entries(url, KEYS.packed)] == [1000, 1000, 500]


async def test_an_entry_of_scores_is_not_read_as_packed(url: str) -> None:
    """An entry of the other stream is told apart, not misread."""
    sink = RedisSink(url, KEYS)
    await sink.write_batch(Delivery([scored(["a"], verdicts(1, first_time=TIME + MINUTE))]))
    await sink.close()
    (fields,) = raw_entries(url, KEYS.scores)
    with pytest.raises(PackedError, match="no field format"):
        unpacked(fields)
