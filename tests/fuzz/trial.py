"""Feeds frames to decoders and engine, in a process of its own: damaged Arrow data can fell one.

    python -m tests.fuzz.trial SEED FIRST COUNT DESK

feeds COUNT frames from number FIRST on and leaves on the DESK, a directory, the number at hand
and at the end a report. Frames of a chunk share an engine: to repeat one, begin with its chunk.
"""

import asyncio
import faulthandler
import os
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from models.bank import StreamBank
from models.blocks import Refusal
from models.spec import ThresholdSpec
from service.engine.columns import Answer, Request
from service.engine.engine import Engine
from service.engine.errors import RequestError
from service.engine.model import Model
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_writing import encode_stream
from service.ingest.decode import Decoded, JSONDecoder
from service.ingest.encode import answer_rows, encode_many
from service.ingest.ndjson import NDJSONDecoder, encode_lines
from tests.engines import columns, make_directory, make_engine, running, sent
from tests.fakes import FakeClock, make_checkpoint, normal_values
from tests.fuzz.frames import Frame, frame_of
from tests.fuzz.json_frames import KNOWN, METRICS, START_S

CHUNK: Final = 1000
"""Frames that share an engine."""
CHECKPOINT: Final = make_checkpoint(
    len(METRICS), threshold=ThresholdSpec(window=40, min_scores=20), validation_steps=40
)
MAX_ROWS, MAX_BYTES = 1000, 4 * 1024 * 1024
PLACE, REPORT = "place", "report.json"
_STREAMS: Final = 2 * len(KNOWN)
_PAST: Final = 5
"""Observations every known stream has behind it, so that there is a state to spoil."""
_HANGS_S: Final = 60.0
_FAILURES_TOLD: Final = 5


class Report(msgspec.Struct):
    """What came of some frames.

    Attributes:
        outcomes: How many frames were answered how, by kind, making and outcome.
        failures: Frames that did what none may do, with the traceback.
        slowest_s: Longest time any frame took, from bytes to encoded answer.
        slowest: That frame.
        grown_mib: How far the largest memory of the process grew meanwhile.
    """

    outcomes: dict[str, int]
    failures: list[str]
    slowest_s: float
    slowest: str
    grown_mib: float


class Trial:
    """One engine with streams that have a past; knows every state as it should be."""

    def __init__(self, engine: Engine, clock: FakeClock) -> None:
        self._engine, self._clock = engine, clock
        self.look()

    def look(self) -> None:
        """Take every state as it is for what it should be."""
        self._states = {name: array.copy() for name, array in _states(self._engine).items()}

    async def prepare(self) -> None:
        """Give the known streams a past."""
        values = normal_values(_PAST)
        for stream_id in KNOWN:
            seconds = [START_S - 60 * (_PAST - at) for at in range(_PAST)]
            part = columns(stream_id, values, times=[1_000_000 * one for one in seconds])
            await sent(self._engine, part)
        self.look()

    async def feed(self, frame: Frame) -> str:
        """Send one frame as a door does; gives how it was answered.

        Raises:
            AssertionError: If a state changed that no row taken belongs to.
        """
        self._clock.advance(1.0)
        try:
            decoded = _decoded(frame)
            request = decoded.request
            before = {stream.stream_id for stream in self._engine.directory}
            answer = await self._engine.submit(request).answer()
        except RequestError as error:
            self._check(set())
            return error.slug
        taken, rows_taken = _taken(answer)
        created = {stream.stream_id for stream in self._engine.directory} - before
        assert created <= taken, f"refused rows created streams: {created - taken}"
        self._check(taken)
        _encode(frame, request, answer)
        if self._engine.directory.is_full:
            await self._make_room()
        return _told(rows_taken, request.size)

    def _check(self, taken: set[str]) -> None:
        """Compare every array bit for bit, but for the rows of streams that took something."""
        now = _states(self._engine)
        slots = [self._engine.directory.find(stream_id).slot for stream_id in taken]
        for name, array in now.items():
            was = self._states[name]
            if array.tobytes() == was.tobytes():
                continue
            rows = array[: len(was)].view(np.uint8).reshape(len(was), -1)
            differing = (rows != was.view(np.uint8).reshape(len(was), -1)).any(axis=1)
            changed = set(np.flatnonzero(differing).tolist()) - set(slots)
            assert not changed, f"{name} of the slots {changed} changed, taken were rows of {slots}"
        if taken:
            self.look()

    async def _make_room(self) -> None:
        """Forget the streams that frames created, so that others may be created."""
        for stream in list(self._engine.directory):
            if stream.stream_id not in KNOWN:
                await self._engine.streams.delete(stream)
        self.look()


def _states(engine: Engine) -> dict[str, NDArray[Any]]:
    """Give every array of every slab, not copied."""
    slabs = engine.directory.models["pumps"].bank.slabs
    return {
        f"{part} {name}": np.ascontiguousarray(slab[name])
        for part, slab in slabs.items()
        for name in slab.layout
    }


def _decoded(frame: Frame) -> Decoded:
    if frame.kind == "arrow":
        arrow = ArrowDecoder(door="test", max_rows=MAX_ROWS, max_bytes=MAX_BYTES)
        return arrow.body(frame.data, stream_id=frame.stream_id, explain=frame.explain)
    if frame.kind == "ndjson":
        lines = NDJSONDecoder(door="test", max_rows=MAX_ROWS)
        return lines.body(frame.data, stream_id=frame.stream_id, explain=frame.explain)
    decoder = JSONDecoder(door="test", max_rows=MAX_ROWS)
    if frame.kind == "text-frame":
        return decoder.frame(frame.data, explain=frame.explain)
    return decoder.body(frame.data, stream_id=frame.stream_id, explain=frame.explain)


def _encode(frame: Frame, request: Request, answer: Answer) -> None:
    """Write the answer as the door would, which has to be possible whatever was sent."""
    if frame.kind == "arrow":
        encode_stream(request, answer)
        return
    rows = answer_rows(answer)
    assert len(rows) == request.size
    (encode_lines if frame.kind == "ndjson" else encode_many)(rows)


def _taken(answer: Answer) -> tuple[set[str], int]:
    """Tell which streams took rows, and how many rows were taken."""
    streams: set[str] = set()
    count = 0
    for _, judged in answer.parts:
        refusal = judged.scored.verdicts.refusal[judged.start : judged.stop]
        rows = np.flatnonzero(refusal == Refusal.NONE).tolist()
        streams |= {judged.scored.stream_ids[judged.start + row] for row in rows}
        count += len(rows)
    return streams, count


def _told(taken: int, size: int) -> str:
    if taken == size:
        return "all rows taken"
    return "some rows taken" if taken else "all rows refused"


async def _attempt(trial: Trial, frame: Frame, report: Report) -> None:
    """Feed a frame; whatever else it does than what it may stands in the report."""
    began = time.perf_counter()
    try:
        outcome = await trial.feed(frame)
    except Exception:
        outcome = "failed"
        trial.look()
        if len(report.failures) < _FAILURES_TOLD:
            report.failures.append(f"{frame}\n{traceback.format_exc()}")
    took = time.perf_counter() - began
    name = f"{frame.kind} {frame.made}: {outcome}"
    report.outcomes[name] = report.outcomes.get(name, 0) + 1
    if took > report.slowest_s:
        report.slowest_s, report.slowest = took, str(frame)


async def _chunk(seed: int, numbers: range, place: int, report: Report) -> None:
    """Feed the frames of one chunk to an engine of their own."""
    clock = FakeClock()
    model = Model("pumps", StreamBank(CHECKPOINT))
    engine = make_engine(make_directory(model, max_streams=_STREAMS), clock=clock)
    async with running(engine):
        trial = Trial(engine, clock)
        await trial.prepare()
        for number in numbers:
            os.pwrite(place, f"{number:20}".encode(), 0)
            await _attempt(trial, frame_of(seed, number), report)


def run(seed: int, numbers: range, desk: Path) -> Report:
    """Feed frames, chunk by chunk."""
    report = Report({}, [], 0.0, "", 0.0)
    begun_kib = 0
    place = os.open(desk / PLACE, os.O_WRONLY | os.O_CREAT)
    for first in range(numbers.start, numbers.stop, CHUNK):
        # what hangs ends the process, and says where
        faulthandler.dump_traceback_later(_HANGS_S, exit=True)
        chunk = range(first, min(first + CHUNK, numbers.stop))
        asyncio.run(_chunk(seed, chunk, place, report))
        now_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # the first chunk brings what any engine needs
        begun_kib = begun_kib or now_kib
        report.grown_mib = (now_kib - begun_kib) / 1024
    os.close(place)
    faulthandler.cancel_dump_traceback_later()
    return report


def main(seed: str, first: str, count: str, desk: str) -> None:
    """Do what the command line asks for."""
    faulthandler.enable()
    torch.set_num_threads(1)
    numbers = range(int(first), int(first) + int(count))
    report = run(int(seed), numbers, Path(desk))
    (Path(desk) / REPORT).write_bytes(msgspec.json.encode(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
