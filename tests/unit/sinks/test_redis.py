"""The Redis sink with nothing to write: it asks no server, and lets others have the loop."""

import asyncio
from pathlib import Path

import pytest

from models.blocks import Refusal
from service.engine.ports import Delivery, Scored
from service.keys import Keys
from service.sinks.redis import RedisSink, ScoresMode
from service.sinks.rows import BLOCKS_AT_ONCE
from tests.deliveries import scored, verdicts

GROUPS = 5


def refused() -> Scored:
    """Make a block of a row that no mode writes."""
    return scored(["a"], verdicts(1, refusal=[Refusal.DUPLICATE]))


@pytest.mark.parametrize("mode", ["each", "anomalies"])
async def test_others_have_their_turn_where_nothing_is_written(
    tmp_path: Path, mode: ScoresMode
) -> None:
    """After every group of blocks without a wanted row another task runs; no server is asked."""
    sink = RedisSink(f"unix://{tmp_path}/nobody.sock", Keys(), scores=mode)
    blocks = [refused()] * (GROUPS * BLOCKS_AT_ONCE)
    writing = asyncio.create_task(sink.write_batch(Delivery(blocks)))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0)
        turns += 1
    await writing
    await sink.close()
    assert turns >= GROUPS


@pytest.mark.parametrize("mode", ["each", "packed", "anomalies", "off"])
async def test_nothing_to_write_asks_no_server(tmp_path: Path, mode: ScoresMode) -> None:
    """Empty deliveries and refused rows need no connection, so nothing can fail."""
    sink = RedisSink(f"unix://{tmp_path}/nobody.sock", Keys(), scores=mode)
    await sink.write_batch(Delivery())
    await sink.write_batch(Delivery([scored([]), refused()]))
    await sink.close()
