"""Restarts that do not find what was left: other models, damaged snapshots."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest
from redis import Redis
from structlog.testing import capture_logs

from service.engine.snapshots import Head, opened, sealed
from service.keys import Keys
from service.stores.redis_scripts import WRITER
from tests.fakes import make_checkpoint
from tests.integration.restarts import (
    outcomes_of,
    view_of,
)
from tests.integration.running import (
    METRICS,
    observations,
    pumps,
    running_service,
    settings_of,
)
from tests.integration.servers import RedisServer, redis_server

pytestmark = pytest.mark.integration

ROWS = 80
STREAMS = ("a", "plant/b", "c")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A real redis-server, not yet started."""
    with redis_server() as lent:
        yield lent


async def send(client: httpx.AsyncClient, stream_id: str, first: int, count: int = ROWS) -> Any:
    """Send normal observations of one stream."""
    rows = observations(stream_id, count, first=first)
    return await client.post("/v1/observations", json={"observations": rows})


async def judged(client: httpx.AsyncClient, stream_id: str, first: int = ROWS) -> list[Any]:
    """Send one more observation to a stream, and give phase and score."""
    answer = await send(client, stream_id, first, 1)
    assert answer.status_code == httpx.codes.OK, answer.text
    (row,) = answer.json()["verdicts"]
    return [row["phase"], row["score"]]


async def left_behind(directory: Path, url: str, **changes: Any) -> None:
    """Let a service run, judge some observations of each stream, and stop in order."""
    async with running_service(settings_of(directory, redis_url=url, **changes)) as service:
        for stream_id in STREAMS:
            assert (await send(service.http, stream_id, 0)).status_code == httpx.codes.OK


def retrain(directory: Path, name: str = "pumps") -> str:
    """Put another checkpoint of the same metrics in place; gives its hash."""
    other = make_checkpoint(len(METRICS), seed=1)
    spec = msgspec.structs.replace(other.spec, metrics=METRICS)
    return replace(other, spec=spec).save(directory / "models" / name).spec.content_hash


@pytest.mark.parametrize("start", ["own", "reference"])
async def test_another_checkpoint(
    tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    """Streams of a retrained model are live at once, with their record and a primed window."""
    url = redis.start()
    await left_behind(tmp_path, url, start=start)
    settings = settings_of(tmp_path, redis_url=url, start=start)
    content_hash = retrain(tmp_path)
    async with running_service(settings) as service:
        assert await outcomes_of(service.http) == {"washed-out": len(STREAMS)}
        models = {one["name"]: one for one in (await service.http.get("/v1/models")).json()}
        assert models["pumps"]["content_hash"] == content_hash
        view = await view_of(service.http, "plant/b")
        assert view["phase"] == "live"
        assert (view["observations"], view["last_seq"]) == (ROWS, ROWS - 1)
        assert view["scores_held"] == len(pumps().validation_scores)
        refused = (await send(service.http, "plant/b", ROWS - 1, 1)).json()
        assert refused["type"] == "duplicate"
        phase, score = await judged(service.http, "plant/b")
        assert phase == "live"
        assert score is not None


async def test_another_checkpoint_that_primes_nothing(tmp_path: Path, redis: RedisServer) -> None:
    """Without priming a stream of a retrained model is scored at once, and says warm-up."""
    url = redis.start()
    await left_behind(tmp_path, url, prime=False)
    settings = settings_of(tmp_path, redis_url=url, prime=False)
    retrain(tmp_path)
    async with running_service(settings) as service:
        assert (await view_of(service.http, "a"))["phase"] == "warmup"
        phase, score = await judged(service.http, "a")
        assert phase == "warmup"
        assert score is not None


def parts_of(client: Redis, key: str) -> dict[str, bytes]:
    """Read what is stored of a stream."""
    stored = cast("dict[bytes, bytes]", client.hgetall(key))
    return {name.decode(): data for name, data in stored.items() if name != WRITER}


def spoil_part(client: Redis, key: str) -> str:
    """Turn one bit of a part round."""
    data = parts_of(client, key)["window"]
    client.hset(key, "window", bytes([data[0] ^ 1]) + data[1:])
    return "damaged"


def spoil_by_loss(client: Redis, key: str) -> str:
    """Take a part away."""
    client.hdel(key, "memory")
    return "damaged"


def spoil_version(client: Redis, key: str) -> str:
    """Let a program of another time have written it."""
    head, parts = opened("plant/b", parts_of(client, key))
    other: Head = msgspec.structs.replace(head, version=head.version + 1)
    client.hset(key, mapping=sealed("plant/b", other, parts))  # type: ignore[arg-type]
    return "foreign"


def spoil_by_copying(client: Redis, key: str) -> str:
    """Put another stream's snapshot in its place."""
    client.copy(Keys().state("a"), key, replace=True)
    return "damaged"


@pytest.mark.parametrize("spoil", [spoil_part, spoil_by_loss, spoil_version, spoil_by_copying])
async def test_a_snapshot_that_is_no_good(tmp_path: Path, redis: RedisServer, spoil: Any) -> None:
    """It is counted and logged, its stream starts as new, and the others go on."""
    url = redis.start()
    await left_behind(tmp_path, url, start="own")
    with Redis.from_url(url) as client:
        outcome = spoil(client, Keys().state("plant/b"))
    with capture_logs() as logs:
        async with running_service(settings_of(tmp_path, redis_url=url, start="own")) as service:
            assert await outcomes_of(service.http) == {outcome: 1, "restored": 2}
            assert (await service.http.get("/v1/streams/plant/b")).status_code == 404
            assert (await judged(service.http, "plant/b"))[0] == "washout"
            assert (await judged(service.http, "a"))[0] == "live"
            assert (await judged(service.http, "c"))[0] == "live"
    told = [(log["stream"], log["reason"]) for log in logs if log["event"] == "snapshot refused"]
    assert told == [("plant/b", outcome)]
    async with running_service(settings_of(tmp_path, redis_url=url, start="own")) as service:
        assert await outcomes_of(service.http) == {"restored": 3}
        assert (await view_of(service.http, "plant/b"))["observations"] == 1


async def test_a_checkpoint_that_is_gone(tmp_path: Path, redis: RedisServer) -> None:
    """Streams that nothing serves any more are counted and kept for when their model is back."""
    url = redis.start()
    await left_behind(tmp_path, url)
    settings = settings_of(tmp_path, redis_url=url, default_model=None)
    shutil.move(tmp_path / "models" / "pumps", tmp_path / "pumps")
    with capture_logs() as logs:
        async with running_service(settings) as service:
            assert await outcomes_of(service.http) == {"no-model": len(STREAMS)}
            answer = await send(service.http, "a", ROWS, 1)
            assert answer.json()["type"] == "no-model"
    refused = [log["reason"] for log in logs if log["event"] == "snapshot refused"]
    assert refused == ["no-model"] * len(STREAMS)
    async with running_service(settings_of(tmp_path, redis_url=url)) as service:
        assert await outcomes_of(service.http) == {"restored": len(STREAMS)}


async def test_metrics_that_are_others(tmp_path: Path, redis: RedisServer) -> None:
    """A model that takes other metrics does not get the streams of its namesake."""
    url = redis.start()
    await left_behind(tmp_path, url)
    settings = settings_of(tmp_path, redis_url=url)
    make_checkpoint(3).save(tmp_path / "models" / "pumps")
    async with running_service(settings) as service:
        assert await outcomes_of(service.http) == {"other-metrics": len(STREAMS)}
