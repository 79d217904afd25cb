"""The scorer's step and `advance`, as multiples of the arithmetic they cannot do without."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from benchmarks.load_rows import METRICS, STEP_S, time_of, values_of
from benchmarks.micro_figures import Figure, Target
from benchmarks.speed_model import HIDDEN
from benchmarks.timing import AT_LEAST_S, REPEATS, in_turn_us
from models.bank import StreamBank
from models.blocks import NO_SEQ, Float64, Int, ObservationBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from models.spec import REFERENCE_STEPS

BATCHES: Final = (1, 8, 64, 256, 1024, 4096)
FEW: Final = 2_000
MANY: Final = 100_000
GROWN: Final = (1_000, MANY)
GROWN_BATCHES: Final = (1, 100, 1_000)
TOUCHED: Final = REFERENCE_STEPS + 1
"""Observations after which the rings of a stream are full."""
LARGE: Final = 1024
"""Rows and columns of the large matrix product."""
TARGETS: Final = {
    (FEW, 1): Target("us", 65),
    (FEW, 1024): Target("times", 2.8),
    (MANY, 1024): Target("times", 3.2),
}
"""Of `advance`, by resident streams and rows."""
_GROWTH: Final = Target("times", 1.3)
_FLOPS_A_ROW: Final = 2 * (3 * HIDDEN * (METRICS + HIDDEN) + HIDDEN * METRICS)
_MICROSECONDS: Final = 1_000_000


class Resident:
    """A bank of so many streams, and how much each has seen.

    Each has seen so much that all of its memory is there: a page that is touched for the first time
    costs more than an observation does. And its pace is known, as that of a stream that just began
    is not.
    """

    def __init__(self, model: Checkpoint, count: int, seen: int = TOUCHED) -> None:
        self.count: Final = count
        self.bank: Final = StreamBank(model)
        self.bank.start(np.arange(count), StreamOptions(start="reference"))
        self._seen = np.zeros(count, np.int64)
        self._made: deque[ObservationBlock] = deque()
        self._jitter = np.random.default_rng(0)
        values = usual_values()[: min(count, BATCHES[-1])]
        for _ in range(seen):
            for first in range(0, count, len(values)):
                slots = np.arange(first, min(first + len(values), count))
                self.bank.advance(self.block(slots, values[: len(slots)]))

    def block(self, slots: Int, values: Float64) -> ObservationBlock:
        """Make a block of the next row of each of these streams."""
        block = block_of(slots, values, 0)
        block.times[:] = (time_of(0) + STEP_S * self._seen[slots]) * _MICROSECONDS
        self._seen[slots] += 1
        # arrivals jitter by some milliseconds, as they do
        return replace(block, arrival=int(block.times.max() + self._jitter.integers(5_000)))

    def waiting(self) -> deque[ObservationBlock]:
        """Give a place for blocks that are made before they are timed.

        What was left of those before is advanced: streams that leave rows out wash out anew.
        """
        for block in self._made:
            self.bank.advance(block)
        self._made = deque()
        return self._made


class Banks:
    """Banks with so many streams, made when they are asked for."""

    def __init__(self, model: Checkpoint) -> None:
        self._model = model
        self._there: dict[int, Resident] = {}

    def of(self, count: int) -> Resident:
        """Give the bank of so many streams, which may have been used before."""
        if count not in self._there:
            self._there[count] = Resident(self._model, count)
        return self._there[count]


class Floor:
    """What a step of so many rows costs at least.

    Its matrix products at the rate of a large float32 one, plus sigmoid and tanh at their own.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        one, other = torch.randn(2, LARGE, LARGE).unbind()
        product = torch.empty(LARGE, LARGE)
        gates, candidate = torch.randn(size, 2 * HIDDEN), torch.randn(size, HIDDEN)
        gates_out, candidate_out = torch.empty_like(gates), torch.empty_like(candidate)
        self.calls: Final[list[Callable[[], object]]] = [
            lambda: torch.mm(one, other, out=product),
            lambda: torch.sigmoid(gates, out=gates_out),
            lambda: torch.tanh(candidate, out=candidate_out),
        ]

    def us(self, product: list[float], sigmoid: list[float], tanh: list[float]) -> list[float]:
        """Put together what its calls took, for each repeat."""
        share = self._size * _FLOPS_A_ROW / (2 * LARGE**3)
        parts = zip(product, sigmoid, tanh, strict=True)
        return [share * large + first + second for large, first, second in parts]


class Advancing:
    """Blocks of rows of streams that come in no order, most of them made before they are timed."""

    def __init__(self, resident: Resident, size: int) -> None:
        self._resident = resident
        self._size = size
        self._order = np.random.default_rng(0).permutation(resident.count)
        self._values = usual_values()
        self._next = 0
        # as many as are taken in all repeats, should a row cost a microsecond and a block fifty
        wanted = (REPEATS + 2) * AT_LEAST_S / (50e-6 + size * 1e-6)
        self._blocks = resident.waiting()
        self._blocks.extend(self._block() for _ in range(int(wanted)))

    def advance(self) -> None:
        """Advance the next block."""
        block = self._blocks.popleft() if self._blocks else self._block()
        self._resident.bank.advance(block)

    def _block(self) -> ObservationBlock:
        """Take the next streams, after the last the first again, and the next values."""
        places = np.arange(self._next, self._next + self._size)
        self._next += self._size
        slots = self._order.take(places, mode="wrap")
        return self._resident.block(slots, self._values.take(places, 0, mode="wrap"))


def usual_values() -> Float64:
    """Give rows as the model knows them, few of them anomalies, `[N, F]`."""
    return values_of().reshape(-1, METRICS)


def block_of(slots: Int, values: Float64, step: int) -> ObservationBlock:
    """Make a block of a row each of these streams, all at the time of one step."""
    time, size = time_of(step) * _MICROSECONDS, len(slots)
    return ObservationBlock(
        slots=slots,
        times=np.full(size, time),
        seqs=np.full(size, NO_SEQ),
        values=values,
        explain=np.zeros(size, np.bool_),
        arrival=time,
    )


@torch.inference_mode()
def steps(model: Checkpoint) -> Iterator[Figure]:
    """Measure the scorer's step alone."""
    scorer = StreamBank(model).scorer
    for size in BATCHES:
        floor, state = Floor(size), scorer.initial_state(size)
        x = np.random.default_rng(0).random((size, METRICS), np.float32)
        took, *parts = in_turn_us([lambda s=state, x=x: scorer.step(s, x), *floor.calls])  # type: ignore[misc]
        yield Figure.of(("Step", "step", size), took, floor.us(*parts))


@torch.inference_mode()
def advances(banks: Banks) -> Iterator[Figure]:
    """Measure `advance` as a whole, among few and many resident streams."""
    for resident in (FEW, MANY):
        for size in BATCHES:
            there = max(resident, size)
            floor, advancing = Floor(size), Advancing(banks.of(there), size)
            took, *parts = in_turn_us([advancing.advance, *floor.calls])
            where = ("Advance, times the step's floor", f"{there:,} resident", size)
            yield Figure.of(where, took, floor.us(*parts), TARGETS.get((resident, size)))


def growth(banks: Banks) -> Iterator[Figure]:
    """Measure what a row costs among many streams beside what it costs among few."""
    for size in GROWN_BATCHES:
        both = [Advancing(banks.of(resident), size) for resident in GROWN]
        few, many = in_turn_us([one.advance for one in both])
        where = ("Growth: the floor is the cost among 1,000", f"{MANY:,} resident", size)
        yield Figure.of(where, many, few, _GROWTH)
