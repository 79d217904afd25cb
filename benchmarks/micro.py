"""What does each part cost, as a multiple of what its arithmetic or its bytes cost at least?

    python -m benchmarks.micro

The floor of a step is its matrix products at the rate of a large float32 one, plus sigmoid and
tanh at their own; the floor of decoding and encoding is one copy of the bytes. All on one core,
in one process, measured in this run.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.load_rows import IDS, METRICS, STREAMS, Format, bodies, time_of, values_of
from benchmarks.speed_model import HIDDEN, write_model
from models.bank import StreamBank
from models.blocks import NO_SEQ, Float64, ObservationBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from service.engine.columns import Answer, Judged, Request
from service.engine.ports import Scored
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_writing import encode_stream
from service.ingest.decode import Decoder, JSONDecoder
from service.ingest.encode import answer_rows, encode, encode_many

BATCHES: Final = (1, 8, 64, 256, 1024, 4096)
RESIDENT: Final = (2_000, 100_000)
LARGE: Final = 1024
"""Rows and columns of the large matrix product."""
REPEATS: Final = 7
AT_LEAST_S: Final = 0.03
"""That one repeat takes."""
_MICROSECONDS: Final = 1_000_000
console = Console()


def took_us(call: Callable[[], object]) -> float:
    """Time a call, median of some repeats."""
    call()
    began, times = perf_counter(), 0
    while perf_counter() - began < AT_LEAST_S:
        call()
        times += 1
    found = []
    for _ in range(REPEATS):
        began = perf_counter()
        for _ in range(times):
            call()
        found.append((perf_counter() - began) / times * 1e6)
    return median(found)


def floors_us(sizes: tuple[int, ...]) -> dict[int, float]:
    """Measure the floor of a step of so many rows, in all."""
    one, other = torch.randn(2, LARGE, LARGE).unbind()
    out = torch.empty(LARGE, LARGE)
    flops_a_us = 2 * LARGE**3 / took_us(lambda: torch.mm(one, other, out=out))
    console.print(f"a float32 product of {LARGE} x {LARGE}: {flops_a_us / 1e3:.0f} GFLOP/s")
    flops_a_row = 2 * (3 * HIDDEN * (METRICS + HIDDEN) + HIDDEN * METRICS)
    found = {}
    for size in sizes:
        gates, candidate = torch.randn(size, 2 * HIDDEN), torch.randn(size, HIDDEN)
        gates_out, out = torch.empty_like(gates), torch.empty_like(candidate)
        curves = took_us(lambda g=gates, o=gates_out: torch.sigmoid(g, out=o))  # type: ignore[misc]
        curves += took_us(lambda c=candidate, o=out: torch.tanh(c, out=o))  # type: ignore[misc]
        found[size] = size * flops_a_row / flops_a_us + curves
    return found


def steps(bank: StreamBank, floors: dict[int, float]) -> Table:
    """Measure the scorer's step alone."""
    table = Table("rows", "step, us a row", "floor, us a row", "times", title="Step")
    for size, floor in floors.items():
        state = bank.scorer.initial_state(size)
        x = np.random.default_rng(0).random((size, METRICS), np.float32)
        took = took_us(lambda s=state, x=x: bank.scorer.step(s, x))  # type: ignore[misc]
        table.add_row(str(size), f"{took / size:.2f}", f"{floor / size:.2f}", f"{took / floor:.2f}")
    return table


class Advancing:
    """Blocks of rows of streams that come in no order, each later than the one before."""

    def __init__(self, bank: StreamBank, resident: int, size: int) -> None:
        random = np.random.default_rng(0)
        self._bank = bank
        order = random.permutation(resident)
        self._slots = [order[at : at + size] for at in range(0, resident - size + 1, size)]
        self._values = random.random((size, METRICS))
        self._step = 0

    def advance(self) -> None:
        """Advance the next block."""
        turn, at = divmod(self._step, len(self._slots))
        self._step += 1
        self._bank.advance(_block(self._slots[at], self._values, turn))


def _block(
    slots: np.ndarray[tuple[int], np.dtype[np.int64]], values: Float64, step: int
) -> ObservationBlock:
    time, size = time_of(step) * _MICROSECONDS, len(slots)
    return ObservationBlock(
        slots=slots,
        times=np.full(size, time),
        seqs=np.full(size, NO_SEQ),
        values=values,
        explain=np.zeros(size, np.bool_),
        arrival=time,
    )


def advances(model: Checkpoint, floors: dict[int, float]) -> Table:
    """Measure `advance` as a whole, among few and many resident streams."""
    table = Table("rows", "resident", "advance, us a row", "times the step's floor")
    table.title = "Advance"
    for resident in RESIDENT:
        for size in (1, 64, 1024):
            bank = StreamBank(model)
            bank.start(np.arange(resident), StreamOptions(start="reference"))
            took = took_us(Advancing(bank, resident, size).advance)
            times = f"{took / floors[size]:.2f}"
            table.add_row(str(size), f"{resident:,}", f"{took / size:.2f}", times)
    return table


def codecs(model: Checkpoint) -> Table:
    """Measure decoding and encoding for each format."""
    table = Table("format", "rows", "bytes a row", "us a row", "times one copy")
    table.title = "Decode and encode"
    for name, rows, data, call in _coded(model):
        took, floor = took_us(call), took_us(lambda data=data: bytearray(data))  # type: ignore[misc]
        size = f"{len(data) / rows:.0f}"
        table.add_row(name, str(rows), size, f"{took / rows:.2f}", f"{took / floor:.0f}")
    return table


def _coded(model: Checkpoint) -> Iterator[tuple[str, int, bytes, Callable[[], object]]]:
    """Give each format's decoding and encoding, with the bytes that it reads or writes."""
    many: dict[Format, Decoder] = {
        "json": JSONDecoder(door="http-json", max_rows=STREAMS),
        "arrow": ArrowDecoder(door="http-arrow", max_rows=STREAMS, max_bytes=1 << 24),
    }
    for kind, decoder in many.items():
        for rows in (1, 100, 1000):
            data, _, _ = next(bodies(values_of()[0], rows, kind, is_plain=rows == 1))
            yield f"decode {kind}", rows, data, lambda d=decoder, data=data: d.body(data)  # type: ignore[misc]
            decoded = decoder.body(data)
            answer = _answer(model, decoded.request)
            call = _encoding(kind, decoded.request, answer)
            yield f"encode {kind}", rows, call(), call


def _encoding(kind: Format, request: Request, answer: Answer) -> Callable[[], bytes]:
    if kind == "arrow":
        return lambda: encode_stream(request, answer)
    if request.size == 1:
        return lambda: encode(answer_rows(answer)[0])
    return lambda: encode_many(answer_rows(answer))


def _answer(model: Checkpoint, request: Request) -> Answer:
    bank, (columns,) = StreamBank(model), request.columns
    slots = np.arange(request.size)
    bank.start(slots, StreamOptions(start="reference"))
    verdicts = bank.advance(_block(slots, columns.values, 0))
    scored = Scored("bench", model.spec.metrics, IDS[: request.size], verdicts)
    return Answer(request.size, [(slots, Judged(scored, 0, request.size))], {})


def main() -> int:
    """Measure and print."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        model = Checkpoint.load(write_model(Path(home) / "bench"))
    with torch.inference_mode():
        floors = floors_us(BATCHES)
    console.print(steps(StreamBank(model), floors))
    console.print(advances(model, floors))
    console.print(codecs(model))
    return 0


if __name__ == "__main__":
    sys.exit(main())
