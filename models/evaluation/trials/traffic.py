"""A machine's test part through the bank, as live traffic goes: one stream, or many at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from models.bank import StreamBank
from models.blocks import (
    NO_SEQ,
    Anomaly,
    Bool,
    Float64,
    Int,
    ObservationBlock,
    Refusal,
    VerdictBlock,
    unfit,
)
from models.checkpoint import Checkpoint
from models.evaluation.recordings.machine import Machine
from models.options import StreamOptions

BLOCK_ROWS: Final = 256


class TrafficError(Exception):
    """The bank refused an observation, and not because it lacks values; says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the verdicts of one stream said, `[N]` each; see `figures.Run`."""

    score: Float64
    smoothed: Float64 | None
    threshold: Float64
    severity: Float64
    is_anomaly: Bool
    us_per_observation: float


def judged(checkpoint: Checkpoint, machine: Machine) -> Judged:
    """Let one stream go on from the training data, in blocks of 256 rows.

    Rows with more than half of their values missing are refused, as in live traffic: they have no
    score and are no anomaly, and the stream goes on after them.

    Raises:
        TrafficError: If the bank refuses a row for another reason.
    """
    bank = StreamBank(checkpoint)
    slot = np.zeros(1, np.int64)
    bank.start(slot, StreamOptions(start="reference"))
    verdicts, seconds = list[VerdictBlock](), 0.0
    for begin in range(0, len(machine.test), BLOCK_ROWS):
        rows = slice(begin, begin + BLOCK_ROWS)
        values = machine.test[rows]
        block = _block(np.repeat(slot, len(values)), machine.times[rows], values)
        began = perf_counter()
        verdicts.append(bank.advance(block))
        seconds += perf_counter() - began
        _check(verdicts[-1], machine, begin)
    return Judged(
        score=np.concatenate([one.score for one in verdicts]),
        smoothed=_smoothed(verdicts),
        threshold=np.concatenate([one.threshold for one in verdicts]),
        severity=np.concatenate([one.severity for one in verdicts]),
        is_anomaly=np.concatenate([one.is_anomaly for one in verdicts]) == Anomaly.YES,
        us_per_observation=1e6 * seconds / len(machine.test),
    )


def judged_under(
    checkpoint: Checkpoint, machine: Machine, options: Sequence[StreamOptions]
) -> Bool:
    """Let a stream for each of the options take the same observations, side by side.

    Returns:
        What the verdicts said of anomaly, `[N, S]`; false where a row lacks too many values.

    Raises:
        TrafficError: If the bank refuses a row for another reason.
    """
    bank, slots = StreamBank(checkpoint), np.arange(len(options))
    for slot, one in enumerate(options):
        bank.start(slots[slot : slot + 1], one)
    found = np.zeros((len(machine.test), len(slots)), np.bool_)
    for row, (time, values) in enumerate(zip(machine.times, machine.test, strict=True)):
        block = _block(slots, np.full(len(slots), time), np.tile(values, (len(slots), 1)))
        verdicts = bank.advance(block)
        _check(verdicts, machine, row)
        found[row] = verdicts.is_anomaly == Anomaly.YES
    return found


def unscored(machine: Machine) -> int:
    """Count the test rows that lack too many values to be scored."""
    return int(np.count_nonzero(unfit(machine.test, machine.times) == Refusal.TOO_MANY_MISSING))


def _block(slots: Int, times: Int, values: Float64) -> ObservationBlock:
    return ObservationBlock(
        slots=slots,
        times=times,
        seqs=np.full(len(slots), NO_SEQ),
        values=values,
        explain=np.zeros(len(slots), np.bool_),
        arrival=0,
    )


def _check(verdicts: VerdictBlock, machine: Machine, begin: int) -> None:
    if verdicts.n_taken == len(verdicts):
        return
    is_refused = (verdicts.refusal != 0) & (verdicts.refusal != Refusal.TOO_MANY_MISSING)
    if is_refused.any():
        at = int(np.flatnonzero(is_refused)[0])
        why = Refusal(verdicts.refusal[at]).name.lower().replace("_", " ")
        row = begin + at
        raise TrafficError(f"{machine.name}: test row {row} (counted from 0) was refused: {why}")


def _smoothed(verdicts: list[VerdictBlock]) -> Float64 | None:
    """Join the smoothed scores; None where the scoring has none."""
    smoothed = np.concatenate([one.smoothed for one in verdicts])
    return None if np.isnan(smoothed).all() else smoothed
