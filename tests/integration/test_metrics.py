"""The metrics page of a real service, read by promtool and a real Prometheus."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.integration.prometheus import prometheus
from tests.integration.running import (
    SPIKE,
    Running,
    eventually,
    metrics_of,
    observations,
    running_service,
    settings_of,
)
from tests.programs import require_program

pytestmark = pytest.mark.integration

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


async def send(service: Running, stream_ids: list[str], first: int, *, spike: bool = False) -> None:
    """Send one observation of each stream."""
    rows = [observations(stream_id, 1, first=first)[0] for stream_id in stream_ids]
    if spike:
        rows = [row | {"values": SPIKE} for row in rows]
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    assert answer.is_success


async def load(service: Running, stop: asyncio.Event) -> int:
    """Keep streams busy, their alerts opening and resolving; gives the rounds sent."""
    stream_ids, first = [f"plant/{at}" for at in range(50)], 0
    while not stop.is_set():
        await send(service, stream_ids, first, spike=first % 20 < 4)
        first += 1
    return first


async def checked(page: bytes) -> tuple[int | None, str]:
    """Let promtool look at a page; gives its status and its complaints."""
    promtool = await asyncio.create_subprocess_exec(
        require_program("promtool"),
        *("check", "metrics"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await promtool.communicate(page)
    return promtool.returncode, told.decode()


async def test_promtool_has_no_complaint_under_load(service: Running) -> None:
    """Pages read at once, while alerts open and resolve, are all without a fault."""
    require_program("promtool")
    stop = asyncio.Event()
    loading = asyncio.create_task(load(service, stop))
    pages: list[httpx.Response] = []
    for _ in range(8):
        pages += await asyncio.gather(*(service.http.get("/metrics") for _ in range(4)))
    stop.set()
    assert await loading > 0
    assert {page.status_code for page in pages} == {200}
    assert pages[0].headers["content-type"].startswith("text/plain; version=")
    assert await checked(pages[-1].content) == (0, "")


async def test_totals_match_what_was_sent(service: Running) -> None:
    """Every observation is counted once: by door, as scored or as refused with its reason."""
    for first in range(5):
        await send(service, ["a", "b"], first, spike=first < 3)
    async with service.websocket() as socket:
        for frame in ([*observations("a", 4, first=3)], [{"stream_id": "a", "values": [1]}], "{"):
            await socket.send(frame if isinstance(frame, str) else json.dumps(frame))
            await socket.recv()
    await service.http.get("/v1/streams/c")
    counted = await metrics_of(service)
    for name, value in {
        'observations_received_total{door="http-json"}': 10,
        'observations_received_total{door="websocket-json"}': 5,
        'observations_scored_total{model="pumps"}': 12,
        'observations_refused_total{reason="duplicate"}': 1,
        'observations_refused_total{reason="out-of-order"}': 1,
        'observations_refused_total{reason="wrong-width"}': 1,
        'problems_total{type="malformed-json"}': 1,
        'problems_total{type="unknown-stream"}': 1,
        'anomalies_total{model="pumps"}': 6,
        'alerts_total{status="opened"}': 2,
        "alerts_open": 2,
        "waiting_observations": 0,
        "waiting_observations_limit": 100_000,
        'score_count{model="pumps"}': 12,
        'model_reloads_total{outcome="failed"}': 0,
        "streams_limit": 100_000,
        "streams_shifted": 0,
        "ready": 1,
        "batch_rows_sum": 14,
        "ingest_to_verdict_seconds_count": 14,
        'streams{model="pumps",phase="live"}': 2,
        'stream_anomalies_total{model="pumps",stream="a"}': 3,
        "streams_not_exported": 0,
    }.items():
        assert counted[f"stepwatch_{name}"] == value, name
    stream = (await service.http.get("/v1/streams/a")).json()
    for name in ("score", "threshold"):
        sample = counted[f'stepwatch_stream_{name}{{model="pumps",stream="a"}}']
        assert sample == pytest.approx(stream[name])


async def test_sinks_are_counted(service: Running) -> None:
    """Once nothing waits, every verdict and transition is written to every sink."""
    for first in range(4):
        await send(service, ["a", "b"], first, spike=True)

    async def is_written() -> bool:
        counted = await metrics_of(service)
        kinds = ("stepwatch_sink_waiting_verdicts{", "stepwatch_sink_waiting_alerts{")
        waiting = [value for name, value in counted.items() if name.startswith(kinds)]
        return not any(waiting) and all(
            counted[f'stepwatch_sink_up{{sink="{name}"}}'] for name in ("log", "redis")
        )

    await eventually(is_written)
    counted = await metrics_of(service)
    for sink, scores in (("live", 8), ("log", 0), ("redis", 8)):
        for kind, value in (("scores", scores), ("alerts", 2)):
            name = f'{{kind="{kind}",sink="{sink}"}}'
            assert counted[f"stepwatch_sink_written_total{name}"] == value
            assert counted[f"stepwatch_sink_dropped_total{name}"] == 0


async def test_odd_ids_and_the_worst(tmp_path: Path) -> None:
    """Streams of the export patterns and the worst ones have series; the others are counted."""
    odd = "plant:1/x@y+z/._-"
    settings = settings_of(tmp_path, export=("plant:*/*", "["), worst=1)
    async with running_service(settings) as service:
        await send(service, [odd, "a", "b", "c"], 0)
        await send(service, ["b"], 1, spike=True)
        page = await service.http.get("/metrics")
        shown = set(re.findall(r'stepwatch_stream_score\{.*stream="(.*)"\}', page.text))
        assert shown == {odd, "b"}
        assert "stepwatch_streams_not_exported 2.0" in page.text
        assert (await service.http.delete("/v1/streams/b")).is_success
        assert 'stream="b"' not in (await service.http.get("/metrics")).text


async def test_every_metric_is_documented(service: Running) -> None:
    """The names on the page are those in the operations manual, no more and no fewer."""
    await send(service, ["a"], 0)
    page = (await service.http.get("/metrics")).text
    shown = set(re.findall(r"^# TYPE (stepwatch_\w+)", page, re.MULTILINE))
    documented = set(re.findall(r"`(stepwatch_\w+)`", OPERATIONS.read_text(encoding="utf-8")))
    assert shown == documented


async def test_a_real_prometheus_scrapes_it(service: Running, tmp_path: Path) -> None:
    """Prometheus reads the page and answers a query with the number that is on it."""
    await send(service, ["a", "plant:1/x@y+z"], 0)
    query = 'stepwatch_stream_threshold{stream="plant:1/x@y+z"}'
    async with prometheus(tmp_path, urlsplit(service.url).netloc) as client:

        async def is_scraped() -> bool:
            answer = await client.get("/api/v1/query", params={"query": query})
            return answer.is_success and bool(answer.json()["data"]["result"])

        await eventually(is_scraped)
        answer = await client.get("/api/v1/query", params={"query": query})
        up = await client.get("/api/v1/query", params={"query": "up"})
    ((_, value),) = [found["value"] for found in answer.json()["data"]["result"]]
    stream = (await service.http.get("/v1/streams/plant:1/x@y+z")).json()
    assert float(value) == pytest.approx(stream["threshold"])
    assert [found["value"][1] for found in up.json()["data"]["result"]] == ["1"]
