"""Many streams of one model that send in turn, over one WebSocket, as Arrow."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from websockets.asyncio.client import ClientConnection

from models.blocks import Float64, Int
from models.checkpoint import Checkpoint

STEP_S: Final = 10.0
"""Seconds between two observations of a stream, in event time and in the steady load."""
FRAMES_A_SECOND: Final = 20
ROWS_AT_MOST: Final = 2000
"""In a frame."""
NOISE: Final = 0.01
_MICROSECONDS: Final = 1_000_000


def frame_of(stream_ids: Sequence[str], times_s: Float64, values: Float64) -> bytes:
    """Write observations, `[N]` ids and times, `[N, F]` values, as an Arrow IPC stream."""
    table = pa.table(
        {
            "stream_id": pa.array(stream_ids).dictionary_encode(),
            "timestamp": pa.array(
                np.rint(times_s * _MICROSECONDS).astype(np.int64), pa.timestamp("us", "UTC")
            ),
            "values": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def answer_of(data: str | bytes) -> Any:
    """Read a frame of verdicts as a table.

    Raises:
        RuntimeError: If the frame was answered with a problem, or a row was refused.
    """
    if isinstance(data, str):
        raise RuntimeError(f"a frame was refused: {data}")
    table = pa.ipc.open_stream(data).read_all()
    if "error" in table.column_names and table["error"].null_count < len(table):
        raise RuntimeError(f"a row was refused: {table['error'].drop_null()[0]}")
    return table


class Fleet:
    """What a number of streams send: each goes to and fro over the model's own normal steps.

    Args:
        socket: Where to.
        model: Directory of the model's checkpoint.
        streams: How many.

    Attributes:
        phases: Verdicts by phase.
    """

    def __init__(self, socket: ClientConnection, model: Path, streams: int) -> None:
        tail = Checkpoint.load(model).reference_tail
        self.phases: Counter[str] = Counter()
        self._socket = socket
        self._course = np.concatenate([tail, tail[-2:0:-1]])
        self._ids = [f"fleet/{number}" for number in range(streams)]
        self._sent: Int = np.zeros(streams, np.int64)
        self._next = 0
        self._random = np.random.default_rng(0)
        self._noise = NOISE * np.ptp(tail, axis=0)

    def go_on_at(self, socket: ClientConnection) -> None:
        """Send to another service from now on, what was sent before being known there."""
        self._socket = socket
        self.phases.clear()

    async def everyone(self) -> None:
        """Send one observation of each stream, as fast as it goes."""
        for begin in range(0, len(self._ids), ROWS_AT_MOST):
            streams = np.arange(begin, min(begin + ROWS_AT_MOST, len(self._ids)))
            await self._socket.send(self._frame(streams))
            self._count(await self._socket.recv())

    async def steadily(self, seconds: float, sent: Callable[[], None]) -> Float64:
        """Send each stream's observations when they are due, not waiting for answers.

        Args:
            seconds: For how long.
            sent: Called after each frame.

        Returns:
            Milliseconds from when each frame was due to when its verdicts were read.
        """
        loop, due = asyncio.get_running_loop(), deque[float]()
        frames, began = round(seconds * FRAMES_A_SECOND), loop.time()
        reading = asyncio.create_task(self._read(frames, due))
        for number, streams in zip(range(frames), self._in_turn(), strict=False):
            at = began + number / FRAMES_A_SECOND
            await asyncio.sleep(max(0.0, at - loop.time()))
            due.append(at)
            await self._socket.send(self._frame(streams))
            sent()
        return np.array(await reading) * 1e3

    async def _read(self, frames: int, due: deque[float]) -> list[float]:
        took, loop = [], asyncio.get_running_loop()
        for _ in range(frames):
            answer = await self._socket.recv()
            took.append(loop.time() - due.popleft())
            self._count(answer)
        return took

    def _in_turn(self) -> Iterator[Int]:
        """Choose whose observations are due, so that all are within a step."""
        a_frame = max(1, round(len(self._ids) / STEP_S / FRAMES_A_SECOND))
        while True:
            yield (self._next + np.arange(a_frame)) % len(self._ids)
            self._next += a_frame

    def _frame(self, streams: Int) -> bytes:
        sent = self._sent[streams]
        self._sent[streams] += 1
        # they begin at different places of the course
        values = self._course[(sent + 7 * streams) % len(self._course)]
        noise = self._noise * self._random.standard_normal(values.shape)
        return frame_of(
            [self._ids[at] for at in streams], STEP_S * sent.astype(np.float64), values + noise
        )

    def _count(self, answer: str | bytes) -> None:
        self.phases.update(answer_of(answer)["phase"].to_pylist())
