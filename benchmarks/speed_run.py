"""One stretch of load on one service by one path, and what was measured in it."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.load import Answers, Line, load
from benchmarks.load_check import COUNTS, is_kept, watched_scores
from benchmarks.load_rows import STREAMS, Template, frame_templates, http_templates
from benchmarks.speed_cores import busy_s, cpu_s
from benchmarks.speed_paths import Path
from benchmarks.speed_redis import counting
from benchmarks.speed_site import Contender


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What was measured.

    Attributes:
        rows: Verdicts answered.
        rate: Verdicts a second, until the last of them is in Redis.
        answered_rate: Verdicts a second, until the last is answered.
        server_us: CPU of the server for an observation, its writing to Redis included.
        redis_us: CPU of Redis for an observation.
        client_us: CPU of the client for an observation.
        p50_ms: Latency of a request or frame.
        p99_ms: As above.
        errors: Rows without a verdict.
        trouble: The answer to the last row that got no verdict.
        missing: Verdicts that are not in Redis, in all so far; below 0: too many are.
        others: Cores that were busy with something else.
    """

    rows: int
    rate: float
    answered_rate: float
    server_us: float
    redis_us: float
    client_us: float
    p50_ms: float
    p99_ms: float
    errors: int
    trouble: str
    missing: int = 0
    others: float = 0.0

    def told(self) -> dict[str, Any]:
        """Give it for JSON."""
        return asdict(self)

    def measure(self, name: str) -> float:
        """Give what a path is compared by; lower is better but for the rate."""
        return {"rate": self.rate, "p50": self.p50_ms, "p99": self.p99_ms}[name]


async def stretch(at: Contender, path: Path, steps: int, rate: float | None = None) -> Stretch:
    """Send so many observations of every stream; the clock runs until they are in Redis.

    Args:
        at: The service.
        path: How to send.
        steps: Observations of each stream.
        rate: Requests a second whether or not there are answers; None: as fast as it goes.
    """
    answers = Answers(wanted=steps * STREAMS, count=COUNTS[path.kind], keep=is_kept)
    pids = (at.pid, at.redis_pid, os.getpid())
    messages = at.feed.messages(_templates(at, path), steps)
    with _no_collection():
        before, busy, began = [cpu_s(pid) for pid in pids], busy_s(), perf_counter()
        async with counting(at.ledger):
            seconds = await load(_line(at, path, rate), messages, answers)
            ended = perf_counter()
        at.answered += answers.rows
        drain_s = await at.drained(ended)
    used_s = [cpu_s(pid) - then for pid, then in zip(pids, before, strict=True)]
    others = (busy_s() - busy - sum(used_s)) / (perf_counter() - began)
    at.scores |= watched_scores(answers.kept, path.kind)
    missing = at.answered - await at.ledger.written()
    found = _measured(answers, seconds, drain_s, used_s)
    return replace(found, missing=missing, others=max(0.0, others))


def _line(at: Contender, path: Path, rate: float | None) -> Line:
    return Line(
        port=at.port,
        connections=path.connections,
        window=path.window,
        path=at.socket if path.is_socket else None,
        rate=rate,
    )


def _measured(answers: Answers, seconds: float, drain_s: float, used_s: list[float]) -> Stretch:
    server_us, redis_us, client_us = (used / answers.wanted * 1e6 for used in used_s)
    p50, p99 = (np.percentile(answers.took_s, (50, 99)) * 1e3).tolist()
    return Stretch(
        rows=answers.rows,
        rate=answers.rows / (seconds + drain_s),
        answered_rate=answers.rows / seconds,
        server_us=server_us,
        redis_us=redis_us,
        client_us=client_us,
        p50_ms=p50,
        p99_ms=p99,
        errors=answers.errors,
        trouble=answers.trouble,
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the client's own garbage collection, 100 ms at times, out of what is measured."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _templates(at: Contender, path: Path) -> list[list[Template]]:
    """Write what is sent once for each service and path."""
    if path.title not in at.templates:
        where = at.batch if path.is_batch else at.single
        at.templates[path.title] = (
            frame_templates(path.rows, path.kind)
            if path.is_socket
            else http_templates(where, path.rows, path.kind, is_plain=not path.is_batch)
        )
    return at.templates[path.title]
