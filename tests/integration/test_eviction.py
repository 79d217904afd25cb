"""More streams than there is room for: idle ones make room, and come back as they were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.agreement import difference
from benchmarks.ways import Verdicts
from service.settings import Settings
from tests.integration.restarts import numbers_of, outcomes_of, view_of
from tests.integration.running import SPIKE, Running, observations, running_service, settings_of

pytestmark = pytest.mark.integration

ROOM = 4
STREAMS = [f"plant/{number}" for number in range(3 * ROOM)]
PIECE = 25
PIECES = 5
"""Sent of each stream in turn, so that every one of them goes and comes back often."""


def tight(directory: Path, **changes: Any) -> Settings:
    """Leave little room, and take streams for idle almost at once."""
    given = {"max_streams": ROOM, "evict_after_s": 1e-6, "start": "own", **changes}
    return settings_of(directory, **given)


async def send(client: httpx.AsyncClient, stream_id: str, first: int, count: int = PIECE) -> Any:
    """Send normal observations of one stream."""
    rows = observations(stream_id, count, first=first)
    return await client.post("/v1/observations", json={"observations": rows})


async def in_turn(
    client: httpx.AsyncClient, begin: int, end: int, ids: Sequence[str] = STREAMS
) -> dict[str, Verdicts]:
    """Send pieces to one stream after another; gives the verdicts."""
    found: dict[str, Verdicts] = {stream_id: [] for stream_id in ids}
    for piece in range(begin, end):
        for stream_id in ids:
            answer = await send(client, stream_id, piece * PIECE)
            assert answer.status_code == httpx.codes.OK, answer.text
            found[stream_id] += answer.json()["verdicts"]
    return found


@pytest.fixture
async def expected(tmp_path: Path) -> dict[str, Verdicts]:
    """What a service says that has room for all."""
    settings = tight(tmp_path, max_streams=100, store="off")
    async with running_service(settings) as service:
        return await in_turn(service.http, 0, PIECES)


@pytest.mark.parametrize("store", ["redis", "file"])
async def test_streams_come_back_as_they_were(
    tmp_path: Path, expected: dict[str, Verdicts], store: str
) -> None:
    """Streams that take turns in too little room get the verdicts of those that never went."""
    settings = tight(tmp_path, store=store)
    half = PIECES // 2
    async with running_service(settings) as service:
        found = await in_turn(service.http, 0, half)
        numbers = await numbers_of(service.http)
        assert numbers["stepwatch_streams_evicted_total"] == half * len(STREAMS) - ROOM
        assert numbers["stepwatch_streams_away"] == len(STREAMS) - ROOM
        assert await outcomes_of(service.http) == {"restored": (half - 1) * len(STREAMS)}
    async with running_service(settings) as service:  # those that are away survive a restart
        numbers = await numbers_of(service.http)
        assert numbers["stepwatch_streams_away"] == len(STREAMS) - ROOM
        for stream_id, part in (await in_turn(service.http, half, PIECES)).items():
            found[stream_id] += part
    for stream_id in STREAMS:
        assert difference(expected[stream_id], found[stream_id]).is_none
        phases = [row["phase"] for row in found[stream_id]]
        assert phases == ["washout"] * 60 + ["live"] * (PIECE * PIECES - 60)


async def filled(service: Running) -> None:
    """Send to all streams, so that all but the last few are away."""
    await in_turn(service.http, 0, 1)
    assert len(service.engine.directory.away) == len(STREAMS) - ROOM


async def test_looking_at_a_stream_brings_it_back(tmp_path: Path) -> None:
    """GET shows a stream that was away as it stood; another one made room for it."""
    async with running_service(tight(tmp_path)) as service:
        await filled(service)
        view = await view_of(service.http, STREAMS[0])
        assert (view["observations"], view["last_seq"]) == (PIECE, PIECE - 1)
        assert STREAMS[0] not in service.engine.directory.away
        assert len(service.engine.directory) == ROOM
        listed = (await service.http.get("/v1/streams")).json()
        assert STREAMS[0] in listed["streams"]
        assert listed["total"] == ROOM


async def test_what_was_put_on_a_stream_goes_along(tmp_path: Path) -> None:
    """A stream that comes back is judged as its PUT said, and can be PUT upon while away."""
    async with running_service(tight(tmp_path)) as service:
        await service.http.put(f"/v1/streams/{STREAMS[0]}", json={"z": 5.0})
        await filled(service)
        assert (await view_of(service.http, STREAMS[0]))["z"] == 5.0
        await in_turn(service.http, 1, 2, STREAMS[1:])
        changed = await service.http.put(f"/v1/streams/{STREAMS[0]}", json={"z": 6.0})
        assert changed.status_code == httpx.codes.OK
        assert (changed.json()["z"], changed.json()["observations"]) == (6.0, PIECE)


async def test_deleting_a_stream_that_is_away(tmp_path: Path) -> None:
    """DELETE forgets it here and in the store: it begins as new, also after a restart."""
    async with running_service(tight(tmp_path)) as service:
        await filled(service)
        gone = await service.http.delete(f"/v1/streams/{STREAMS[0]}")
        assert gone.status_code == httpx.codes.NO_CONTENT
        assert (await service.http.get(f"/v1/streams/{STREAMS[0]}")).status_code == 404
        gone = await service.http.delete(f"/v1/streams/{STREAMS[1]}")
        assert gone.status_code == httpx.codes.NO_CONTENT
        await send(service.http, STREAMS[1], 0, 1)
        assert (await view_of(service.http, STREAMS[1]))["observations"] == 1
    async with running_service(tight(tmp_path)) as service:
        assert (await service.http.get(f"/v1/streams/{STREAMS[0]}")).status_code == 404
        assert (await view_of(service.http, STREAMS[1]))["observations"] == 1


async def test_a_stream_with_an_open_alert_stays(tmp_path: Path) -> None:
    """The others make room; when nobody can any more, a new stream is refused and told why."""
    settings = tight(tmp_path, start="reference")
    async with running_service(settings) as service:
        rows = [row | {"values": SPIKE} for row in observations("alarming", 3)]
        answer = await service.http.post("/v1/observations", json={"observations": rows})
        assert answer.json()["verdicts"][-1]["alert"]["status"] == "opened"
        await in_turn(service.http, 0, 1)
        assert "alarming" not in service.engine.directory.away
        alerts = (await service.http.get("/v1/alerts")).json()["alerts"]
        assert [alert["stream_id"] for alert in alerts] == ["alarming"]


async def test_streams_that_are_not_idle_stay(tmp_path: Path) -> None:
    """Nobody goes who was heard of lately: the new one is refused, and nothing else happens."""
    async with running_service(tight(tmp_path, evict_after_s=3600)) as service:
        for stream_id in STREAMS[:ROOM]:
            assert (await send(service.http, stream_id, 0)).status_code == httpx.codes.OK
        refused = await send(service.http, STREAMS[ROOM], 0)
        assert refused.status_code == httpx.codes.UNPROCESSABLE_ENTITY
        assert refused.json()["type"] == "too-many-streams"
        numbers = await numbers_of(service.http)
        assert numbers["stepwatch_streams_evicted_total"] == 0


async def test_a_restart_with_less_room(tmp_path: Path) -> None:
    """What there is no room for at the start is away, not lost."""
    async with running_service(tight(tmp_path, max_streams=100)) as service:
        await in_turn(service.http, 0, 1)
    async with running_service(tight(tmp_path)) as service:
        assert await outcomes_of(service.http) == {"restored": ROOM}
        numbers = await numbers_of(service.http)
        assert numbers["stepwatch_streams_away"] == len(STREAMS) - ROOM
        for stream_id in STREAMS:
            assert (await view_of(service.http, stream_id))["observations"] == PIECE
