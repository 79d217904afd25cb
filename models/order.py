"""Which rows a stream takes: dated, in range, of finite values, each after the one before."""

from typing import Final

import numpy as np

from models.blocks import (
    MAX_ABSOLUTE,
    MAX_TIME,
    NO_SEQ,
    NO_TIME,
    Float64,
    Int,
    ObservationBlock,
    Refusal,
    unfit,
)
from models.numbers import Columns, Numbers

_TAKEN: Final = int(Refusal.NONE)
_WIDTH: Final = np.uint64(2 * MAX_TIME)


def is_plain(block: ObservationBlock, columns: Columns, *, is_whole: bool) -> bool:
    """Tell whether every row came with a time and can be taken, and no value is missing.

    Nearly every block is so: this costs a tenth of finding out what is wrong with which row.

    Args:
        block: Rows of different streams.
        columns: Their streams.
        is_whole: Whether it is known that every value is there and in range.
    """
    times, seqs = block.times, block.seqs
    # a time before the range, and `NO_TIME` too, wraps around and lies above it
    fits = (times + MAX_TIME).view(np.uint64) <= _WIDTH
    fits &= times > columns.last_time
    fits &= (seqs > columns.last_seq) | (seqs == NO_SEQ)
    return np.count_nonzero(fits) == len(fits) and (is_whole or _are_whole(block.values))


def wholes(values: Float64) -> list[bool]:
    """Tell which rows `[B, F]` have every value, and none too large."""
    if _are_whole(values):
        return [True] * len(values)
    found: list[bool] = np.all(np.abs(values) <= MAX_ABSOLUTE, axis=1).tolist()
    return found


def _are_whole(values: Float64) -> bool:
    # a NaN is neither
    return bool(values.min() >= -MAX_ABSOLUTE and values.max() <= MAX_ABSOLUTE)


def date(block: ObservationBlock, columns: Columns) -> Int:
    """Give rows that came without a time one: that of arrival, or just after the last, `[B]`."""
    after = np.maximum(block.arrival, columns.last_time + 1)
    return np.where(block.times == NO_TIME, after, block.times)


def refusals(block: ObservationBlock, times: Int, columns: Columns) -> Int:
    """Find why rows can't be taken, `Refusal` codes `[B]`.

    Args:
        block: Rows of different streams.
        times: Their times, those given to them included, `[B]`.
        columns: Their streams.
    """
    seqs, last_time, last_seq = block.seqs, columns.last_time, columns.last_seq
    numbered = seqs != NO_SEQ
    refusal = unfit(block.values, times)
    fits = refusal == _TAKEN
    is_before = (times < last_time) | (numbered & (seqs < last_seq))
    is_again = (times == last_time) | (numbered & (seqs == last_seq))
    refusal[fits & is_again] = Refusal.DUPLICATE
    refusal[fits & is_before] = Refusal.OUT_OF_ORDER
    return refusal


def next_time(one: Numbers[int, float], given: int, arrival: int) -> int:
    """Give the time of a row of one stream, as `date` does."""
    return max(arrival, one.last_time + 1) if given == NO_TIME else given


def is_next(one: Numbers[int, float], time: int, seq: int) -> bool:
    """Tell whether a row of one stream can be taken, as far as its time and number say."""
    is_after = seq == NO_SEQ or seq > one.last_seq
    return is_after and one.last_time < time and -MAX_TIME <= time <= MAX_TIME
