"""Waiting for a moment, or until told to stop."""

import asyncio


async def wait_until(due_s: float, stop: asyncio.Event) -> None:
    """Wait until the running loop's clock shows `due_s`, or until told to stop."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping}, timeout=max(due_s - asyncio.get_running_loop().time(), 0.0))
    finally:
        stopping.cancel()
