"""Damage to bytes that were fine: flips, cuts, insertions, splices, numbers out of all bounds."""

import struct
from collections.abc import Callable
from random import Random
from typing import Final

Mutation = Callable[[Random, bytes, bytes], bytes]
"""Damages the first bytes; the second are those of another frame, to splice with."""

TELLING_BYTES: Final = b'\x00\x01\x7f\x80\xff"\\{}[],:-+.eE0 \n\r\xc3\xe2\xed\xf0'
NUMBERS: Final = (
    0, 1, 2, 3, 7, 8, 9, 63, 64, 255, 256, 10_000, 10_001, 2**15, 2**16, 2**31 - 1, 2**31,
    2**32 - 1, 2**32, 2**40, 2**60, 2**61, 2**62, 2**63 - 1, -1, -2, -8, -(2**31), -(2**63),
)  # fmt: skip
"""Lengths, offsets and counts that readers get wrong."""
_MOST_INSERTED: Final = 40


def _place(random: Random, data: bytes) -> int:
    return random.randrange(len(data) + 1)


def _part(random: Random, data: bytes) -> tuple[int, int]:
    start = _place(random, data)
    return start, min(len(data), start + random.choice((1, 2, 4, 8, 16, 64, 512)))


def _flipped(random: Random, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwritten(random: Random, data: bytes, _: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + bytes([random.choice(TELLING_BYTES)]) + data[at + 1 :]


def _cut_short(random: Random, data: bytes, _: bytes) -> bytes:
    return data[: _place(random, data)]


def _cut_out(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _part(random, data)
    return data[:start] + data[stop:]


def _inserted(random: Random, data: bytes, _: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + random.randbytes(random.randint(1, _MOST_INSERTED)) + data[at:]


def _repeated(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _part(random, data)
    return data[:stop] + data[start:stop] * random.randint(1, 3) + data[stop:]


def _moved(random: Random, data: bytes, _: bytes) -> bytes:
    start, stop = _part(random, data)
    rest = data[:start] + data[stop:]
    at = _place(random, rest)
    return rest[:at] + data[start:stop] + rest[at:]


def _spliced(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)] + other[_place(random, other) :]


def _appended(_: Random, data: bytes, other: bytes) -> bytes:
    return data + other


def _renumbered(random: Random, data: bytes, _: bytes) -> bytes:
    """Put a number where binary formats may have one: four or eight bytes, aligned."""
    size, code = random.choice(((2, "h"), (4, "i"), (8, "q")))
    if len(data) < size:
        return data
    at = random.randrange(len(data) // size) * size
    (old,) = struct.unpack_from(f"<{code}", data, at)
    new = random.choice((*NUMBERS, old + 1, old - 1, 2 * old, -old))
    wrapped = (new % (1 << 8 * size)).to_bytes(size, "little")
    return data[:at] + wrapped + data[at + size :]


ANY: Final[tuple[Mutation, ...]] = (
    _flipped, _overwritten, _cut_short, _cut_out, _inserted, _repeated, _moved, _spliced, _appended,
)  # fmt: skip
BINARY: Final[tuple[Mutation, ...]] = (*ANY, _renumbered, _renumbered, _renumbered, _flipped)


def mutated(random: Random, data: bytes, other: bytes, known: tuple[Mutation, ...]) -> bytes:
    """Apply some mutations, mostly one: a frame damaged in many places fails at the first."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        data = random.choice(known)(random, data, other)
    return data
