"""Times of Arrow columns as microseconds: nothing overflows, or reads as "none given"."""

from typing import Final

import numpy as np

from models.blocks import Float64, Int

_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_MICROSECONDS: Final = 1_000_000
_FAR_SECONDS: Final = 9e12
"""Seconds beyond which microseconds would leave 64 bits; refused later as out of range."""


def whole_microseconds(raw: Int, unit: str) -> Int:
    """Make microseconds of whole numbers of a unit, at least one; the array is a new one."""
    per_second = _PER_SECOND[unit]
    if per_second > _MICROSECONDS:
        raw = raw // (per_second // _MICROSECONDS)
    far = int(_FAR_SECONDS) * min(per_second, _MICROSECONDS)
    if raw.min() < -far or raw.max() > far:
        raw = np.clip(raw, -far, far)
    return raw * max(_MICROSECONDS // per_second, 1)


def rounded_microseconds(seconds: Float64) -> Int:
    """Make microseconds of epoch seconds; of what is no number 0."""
    finite = np.nan_to_num(seconds, posinf=_FAR_SECONDS, neginf=-_FAR_SECONDS)
    far = np.clip(finite, -_FAR_SECONDS, _FAR_SECONDS)
    times: Int = np.rint(far * _MICROSECONDS).astype(np.int64)
    return times
