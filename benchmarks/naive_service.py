"""What one would write by hand: FastAPI, pydantic, one `nn.GRU` call and one XADD per observation.

    python -m benchmarks.naive_service CHECKPOINT REDIS_URL PORT

It reads one of our checkpoints, so that both services do the same arithmetic: min-max scaling, a
next-step GRU whose hidden state is carried, mean squared error, mean + z * sigma over the last
1000 scores, a score above the threshold entering as the threshold. It has no washout, alerts,
order of time, missing values, snapshots or limits.
"""

import math
import sys
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from prometheus_client import Gauge, make_asgi_app
from pydantic import BaseModel
from redis.asyncio import Redis
from torch import Tensor, nn

from models.checkpoint import Checkpoint

SCORES = "naive:scores"
MAXLEN = 1_000_000
LATEST = Gauge("naive_stream_score", "Last score of a stream.", ["stream"])


class Observation(BaseModel):
    """One vector of metrics."""

    stream_id: str
    timestamp: float | None = None
    values: list[float]


class Batch(BaseModel):
    """Many of them."""

    observations: list[Observation]


class Verdict(BaseModel):
    """What an observation gets."""

    stream_id: str
    timestamp: float
    score: float
    threshold: float
    is_anomaly: bool


class Verdicts(BaseModel):
    """Many of them, in the order sent."""

    verdicts: list[Verdict]


class Stream:
    """What is kept of a stream: hidden state, expectation, last scores with their running sums."""

    def __init__(self, hidden: Tensor, expected: Tensor, scores: list[float], window: int) -> None:
        self.hidden = hidden
        self.expected = expected
        self.scores = deque(scores[-window:], maxlen=window)
        self.total = math.fsum(self.scores)
        self.squares = math.fsum(score * score for score in self.scores)

    def threshold(self, z: float) -> float:
        """Give mean + z * sigma of the last scores."""
        mean = self.total / len(self.scores)
        return mean + z * math.sqrt(max(self.squares / len(self.scores) - mean * mean, 0.0))

    def enter(self, score: float) -> None:
        """Let a score in; the oldest leaves."""
        if len(self.scores) == self.scores.maxlen:
            oldest = self.scores[0]
            self.total -= oldest
            self.squares -= oldest * oldest
        self.scores.append(score)
        self.total += score
        self.squares += score * score


class Detector:
    """The network, and a dictionary of streams."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        spec = checkpoint.spec
        features, hidden = len(spec.metrics), spec.scorer.sizes["hidden"]
        self.gru, self.head = nn.GRU(features, hidden), nn.Linear(hidden, features)
        weights = {name: torch.from_numpy(one.copy()) for name, one in checkpoint.weights.items()}
        self.gru.load_state_dict(
            {f"{at.removeprefix('gru.')}_l0": weights[at] for at in weights if at[:4] == "gru."}
        )
        self.head.load_state_dict({at: weights[f"head.{at}"] for at in ("weight", "bias")})
        self.minimum = torch.tensor(spec.scaler.minimum)
        self.span = torch.tensor(spec.scaler.maximum) - self.minimum
        self.clip = spec.scaler.clip
        self.z, self.window = spec.threshold.z, spec.threshold.window
        self.first_scores: list[float] = checkpoint.validation_scores.tolist()
        self.first_hidden, self.first_expected = self._after(checkpoint.reference_tail)
        self.streams: dict[str, Stream] = {}

    @torch.inference_mode()
    def score(self, stream_id: str, values: list[float]) -> tuple[float, float]:
        """Score an observation; gives the threshold as it stood before it, too."""
        stream = self.streams.get(stream_id)
        if stream is None:
            begin = (self.first_hidden, self.first_expected, self.first_scores)
            stream = self.streams[stream_id] = Stream(*begin, self.window)
        x = self._scaled(torch.tensor(values))
        score = ((x - stream.expected) ** 2).mean().item()
        threshold = stream.threshold(self.z)
        output, stream.hidden = self.gru(x.unsqueeze(0), stream.hidden)
        stream.expected = self.head(output).squeeze(0)
        stream.enter(min(score, threshold))
        return score, threshold

    @torch.inference_mode()
    def _after(self, tail: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[Tensor, ...]:
        """Give the hidden state and the expectation that the reference tail leaves."""
        output, hidden = self.gru(self._scaled(torch.from_numpy(tail).float()))
        return hidden, self.head(output[-1])

    def _scaled(self, values: Tensor) -> Tensor:
        return ((values - self.minimum) / self.span).clamp(*self.clip)


async def _judged(detector: Detector, redis: Redis, one: Observation) -> Verdict:
    score, threshold = detector.score(one.stream_id, one.values)
    LATEST.labels(one.stream_id).set(score)
    verdict = Verdict(
        stream_id=one.stream_id,
        timestamp=time.time() if one.timestamp is None else one.timestamp,
        score=score,
        threshold=threshold,
        is_anomaly=score > threshold,
    )
    fields = verdict.model_dump() | {"is_anomaly": int(verdict.is_anomaly)}
    await redis.xadd(SCORES, cast("Any", fields), maxlen=MAXLEN, approximate=True)
    return verdict


def build_app(detector: Detector, redis: Redis) -> FastAPI:
    """Make the web application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        torch.set_num_threads(1)
        yield
        await redis.aclose()

    app = FastAPI(lifespan=lifespan)
    app.mount("/metrics", make_asgi_app())

    judged = partial(_judged, detector, redis)

    @app.post("/observations")
    async def score_one(one: Observation) -> Verdict:
        return await judged(one)

    @app.post("/batches")
    async def score_many(batch: Batch) -> Verdicts:
        return Verdicts(verdicts=[await judged(one) for one in batch.observations])

    @app.websocket("/ingest")
    async def ingest(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                one = Observation.model_validate_json(await socket.receive_text())
                await socket.send_text((await judged(one)).model_dump_json())

    return app


def main(checkpoint: Path, redis_url: str, port: int) -> None:
    """Serve until a signal comes."""
    app = build_app(Detector(Checkpoint.load(checkpoint)), Redis.from_url(redis_url))
    uvicorn.run(app, port=port, loop="uvloop", http="httptools", log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
