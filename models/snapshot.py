"""Snapshots as bytes: what changes often in small parts, long rings in pieces or now and then."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.base import State, StateLayout
from models.blocks import Bool, Float32, Int
from models.numbers import OWN, WINDOW
from models.recent import RecentBlock
from models.shift import Held
from models.slots import Slots
from models.snapshot_block import SnapshotBlock
from models.spec import REFERENCE_STEPS

FORMAT_VERSION: Final = 3
SCORES_A_PIECE: Final = 100
WHOLE: Final = -1
"""Stands for "nothing is stored yet" where the scores of the last saving are counted."""
_HELD_HEAD: Final = 32

Parts = dict[str, bytes]
Rows = NDArray[Any]


class SnapshotError(Exception):
    """Bytes that are no snapshot of this kind; says what is wrong with them."""


@dataclass(frozen=True)
class SnapshotFormat:
    """How the snapshots of one bank look.

    Rows are structured arrays in the machine's byte order, which `layout` tells apart.

    Attributes:
        record, memory, window: Types of a stream's row of each; the window without its ring.
        n_scores: Scores a window holds.
        n_features: F.
    """

    record: np.dtype[Any]
    memory: np.dtype[Any]
    window: np.dtype[Any]
    n_scores: int
    n_features: int

    @classmethod
    def of(cls, slots: Slots) -> "SnapshotFormat":
        """Read the format off a bank's slabs."""
        slabs = slots.slabs
        record = slabs["record"].layout
        ((n_scores,), _) = slabs["scores"].layout["ring"]
        (_, n_features), _ = slabs["recent"].layout["ring"]
        return cls(
            record=_row_type({name: record[name] for name in OWN}),
            memory=_row_type(slabs["memory"].layout),
            window=_row_type({name: record[name] for name in WINDOW}),
            n_scores=n_scores,
            n_features=n_features,
        )

    @property
    def layout(self) -> str:
        """Name what memory and window look like: streams can go on only where it is the same."""
        told = f"{self.memory.descr} {self.window.descr} {self.n_scores}"
        return f"{crc32(told.encode()):08x}"

    def encode(self, block: SnapshotBlock, scores_saved: Int, with_recent: Bool) -> list[Parts]:
        """Give the parts of each stream that are not stored yet.

        Args:
            block: All of the streams.
            scores_saved: Scores that had entered each window when it was last stored, `[B]`;
                `WHOLE` where nothing is stored.
            with_recent: Whose last observations are wanted too, `[B]`.
        """
        rows = {
            "record": _rows(block.record, self.record, len(block)),
            "memory": _rows(block.memory, self.memory, len(block)),
            "window": _rows(block.window, self.window, len(block)),
        }
        encoded = []
        for at, saved in enumerate(scores_saved.tolist()):
            parts = {name: column[at].tobytes() for name, column in rows.items()}
            entered, ring = int(block.window["entered"][at]), block.window["ring"][at]
            for piece in self._pieces(saved, entered):
                begin = piece * SCORES_A_PIECE
                parts[f"scores/{piece}"] = ring[begin : begin + SCORES_A_PIECE].tobytes()
            held = block.held.get(at)
            if held is not None and saved <= held.entered:  # not since the episode began
                parts["held"] = _held_bytes(held)
            elif held is None and block.window["lasted"][at]:
                parts["held"] = b""  # what is stored may be of an earlier episode
            if at in block.scales:
                parts["scale"] = block.scales[at].tobytes()
            if with_recent[at]:
                parts["recent"] = _recent_bytes(block.recent, at)
            encoded.append(parts)
        return encoded

    def decode(self, stored: Sequence[Mapping[str, bytes]]) -> SnapshotBlock:
        """Read streams back that have this format, all parts there.

        Raises:
            SnapshotError: If a part is missing or has the wrong size.
        """
        window = self._read(stored, "window", self.window)
        pieces = range(-(-self.n_scores // SCORES_A_PIECE))
        rings = [b"".join(_part(parts, f"scores/{piece}") for piece in pieces) for parts in stored]
        ring = np.dtype((np.float32, (self.n_scores,)))
        return SnapshotBlock(
            record=self.decode_record(stored),
            memory=self._read(stored, "memory", self.memory),
            window=window | {"ring": _array(rings, ring, "scores")},
            held=self._read_held(stored, window["lasted"]),
            scales=self._read_scales(stored, window["rescaled"]),
            recent=self.decode_recent(stored),
        )

    def _read_held(self, stored: Sequence[Mapping[str, bytes]], lasted: Int) -> dict[int, Held]:
        """Read the windows that are held; where there is no episode, what stands there is old."""
        found = {}
        for row in np.flatnonzero(lasted).tolist():
            data = _part(stored[row], "held")
            if data:
                found[row] = _held_of(data, self.n_scores)
        return found

    def _read_scales(
        self, stored: Sequence[Mapping[str, bytes]], rescaled: Int
    ) -> dict[int, Float32]:
        found = {}
        for row in np.flatnonzero(rescaled).tolist():
            data = _part(stored[row], "scale")
            sigmas = np.frombuffer(data, np.float32) if len(data) == 4 * self.n_features else None
            if sigmas is None or not ((sigmas > 0) & np.isfinite(sigmas)).all():
                raise SnapshotError(f"'scale' has {len(data)} bytes, or no sigmas in them")
            found[row] = sigmas.copy()
        return found

    def decode_record(self, stored: Sequence[Mapping[str, bytes]]) -> State:
        """Read the part that is the same for every checkpoint.

        Raises:
            SnapshotError: If it is missing or has the wrong size.
        """
        return self._read(stored, "record", self.record)

    def decode_recent(self, stored: Sequence[Mapping[str, bytes]]) -> RecentBlock:
        """Read the last observations of streams, of any checkpoint with as many metrics.

        Raises:
            SnapshotError: If they are missing or have the wrong size.
        """
        features, before = self.n_features, 8 + 16 * self.n_features
        seen = np.zeros(len(stored), np.int64)
        shares = np.full((len(stored), REFERENCE_STEPS, features), np.nan, np.float32)
        held = np.zeros(len(stored), np.int64)
        ranges = np.empty((len(stored), 2, features))
        for at, parts in enumerate(stored):
            data = _part(parts, "recent")
            held[at], rest = divmod(len(data) - before, 4 * features)
            if rest or not 0 <= held[at] <= REFERENCE_STEPS:
                raise SnapshotError(f"'recent' has {len(data)} bytes")
            seen[at] = np.frombuffer(data[:8], np.int64)[0]
            ranges[at] = np.frombuffer(data[8:before]).reshape(2, features)
            rows = np.frombuffer(data[before:], np.float32).reshape(-1, features)
            shares[at, REFERENCE_STEPS - held[at] :] = rows
        return RecentBlock(
            shares=shares,
            held=held,
            minimum=ranges[:, 0],
            span=ranges[:, 1],
            begun=np.zeros_like(held),
            pushed=held.copy(),
            seen=seen,
        )

    def _pieces(self, saved: int, entered: int) -> list[int]:
        """Name the pieces of the ring that scores entered since the last saving."""
        fresh = entered - saved
        if saved == WHOLE or not 0 <= fresh < self.n_scores:
            return list(range(-(-self.n_scores // SCORES_A_PIECE)))
        places = {(saved + at) % self.n_scores // SCORES_A_PIECE for at in range(fresh)}
        return sorted(places)

    @staticmethod
    def _read(stored: Sequence[Mapping[str, bytes]], name: str, kind: np.dtype[Any]) -> State:
        rows = _array([_part(parts, name) for parts in stored], kind, name)
        return {column: rows[column].copy() for column in kind.names or ()}


def _row_type(layout: StateLayout) -> np.dtype[Any]:
    return np.dtype([(name, dtype, shape) for name, (shape, dtype) in layout.items()])


def _rows(state: State, kind: np.dtype[Any], size: int) -> Rows:
    rows = np.empty(size, kind)
    for name in kind.names or ():
        rows[name] = state[name]
    return rows


def _recent_bytes(recent: RecentBlock, at: int) -> bytes:
    """Count, range, what is held, the oldest first: it can be read without its checkpoint."""
    held = recent.shares[at, REFERENCE_STEPS - int(recent.held[at]) :]
    columns = (recent.seen[at], recent.minimum[at], recent.span[at], held)
    return b"".join(column.tobytes() for column in columns)


def _held_bytes(held: Held) -> bytes:
    sums = np.array([held.mean, held.m2, held.peak])
    return np.int64(held.entered).tobytes() + sums.tobytes() + held.ring.tobytes()


def _held_of(data: bytes, n_scores: int) -> Held:
    if len(data) != _HELD_HEAD + 4 * n_scores:
        raise SnapshotError(f"'held' has {len(data)} bytes")
    mean, m2, peak = np.frombuffer(data[8:_HELD_HEAD]).tolist()
    entered = int(np.frombuffer(data[:8], np.int64)[0])
    return Held(np.frombuffer(data[_HELD_HEAD:], np.float32).copy(), entered, mean, m2, peak)


def _part(parts: Mapping[str, bytes], name: str) -> bytes:
    try:
        return parts[name]
    except KeyError as error:
        raise SnapshotError(f"part '{name}' is missing") from error


def _array(parts: list[bytes], kind: np.dtype[Any], name: str) -> Rows:
    wrong = next((len(part) for part in parts if len(part) != kind.itemsize), None)
    if wrong is not None:
        raise SnapshotError(f"part '{name}' has {wrong} bytes where {kind.itemsize} are wanted")
    if not kind.itemsize:  # a scorer without memory
        return np.empty(len(parts), kind)
    return np.frombuffer(b"".join(parts), kind)
