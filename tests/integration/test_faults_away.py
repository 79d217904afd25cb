"""A Redis that hangs while one stream of a request is live and another is in the store."""

import os
import signal
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
import pytest

from tests.integration.restarts import outcomes_of, view_of
from tests.integration.running import Running, eventually, observations
from tests.integration.servers import process_id
from tests.integration.site import site

pytestmark = pytest.mark.integration

LIVE, AWAY, OTHER = "plant/live", "plant/away", "plant/other"
ROWS = 80
"""Enough to be live after a stream's own washout; one that begins anew is not."""


async def send(service: Running, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Send observations of some streams at once; gives a verdict or a refusal of each."""
    answer = await service.http.post("/v1/observations", json={"observations": rows})
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # not ready for the only row
        return [{"error": answer.json()}]
    assert answer.status_code == httpx.codes.OK, answer.text
    verdicts: list[dict[str, Any]] = answer.json()["verdicts"]
    return verdicts


async def test_a_store_that_hangs_delays_no_live_stream(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    """Live rows are answered, those away are refused at once, and come back as they were."""
    changes = {"max_streams": 2, "evict_after_s": 1e-6, "start": "own"}
    async with site(tmp_path, unused_tcp_port, **changes) as at:
        for stream_id in (AWAY, OTHER, LIVE):  # the first makes room for the last
            (*_, last) = await send(at.service, *observations(stream_id, ROWS))
            assert last["phase"] == "live"
        assert list(at.service.engine.directory.away) == [AWAY]
        await at.stores(0)
        process, sent = process_id(at.control), ROWS
        (away,) = observations(AWAY, 1, first=ROWS)
        os.kill(process, signal.SIGSTOP)
        try:

            async def has_failed() -> bool:
                nonlocal sent
                began = perf_counter()
                live, refused = await send(at.service, *observations(LIVE, 1, first=sent), away)
                assert perf_counter() - began < 1
                assert (live["phase"], live["seq"]) == ("live", sent)
                assert refused["error"]["type"] == "snapshot-unavailable"
                sent += 1
                return await at.has_store_failed("timeout")

            await eventually(has_failed)
        finally:
            os.kill(process, signal.SIGCONT)

        async def is_back() -> bool:
            (found,) = await send(at.service, away)
            if "error" in found:
                assert found["error"]["type"] == "not-ready"
                return False
            assert (found["phase"], found["seq"]) == ("live", ROWS)
            return True

        await eventually(is_back)
        assert (await view_of(at.service.http, AWAY))["observations"] == ROWS + 1
        assert (await view_of(at.service.http, OTHER))["observations"] == ROWS
        assert (await view_of(at.service.http, LIVE))["observations"] == sent
        assert "lost" not in await outcomes_of(at.service.http)
        await at.stores(0)
