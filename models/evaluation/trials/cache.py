"""Results kept by what they were made of: data, choice, options, and the source of `models`."""

import hashlib
import os
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

import models
from models.checkpoint import Checkpoint, CheckpointError
from models.evaluation.recordings.machine import Machine
from models.evaluation.trials.figures import Figures, Run
from models.reading import npz_array, npz_names
from models.recording import ReadingError

_ARRAYS: Final = ("score", "smoothed", "threshold", "severity", "is_anomaly")
_FACTS: Final = tuple(one.name for one in fields(Run) if one.name not in _ARRAYS)
_PACKED: Final = "packed"
_REPORT: Final = "evaluation/report"
"""Draws what was found, and finds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A directory of results, a file each, and of trained weights, a directory each.

    What is damaged is as good as not there, and what can't be written is not kept; either is told.
    Old entries are never looked at again and may be deleted at any time.

    Attributes:
        directory: Where they lie.
        told: What was damaged or could not be written.
    """

    directory: Path
    told: list[str] = field(default_factory=list)

    def result(self, key: str) -> tuple[Run, Figures] | None:
        """Give a result back, if it is there and whole."""
        path = self._result_path(key)
        if not path.exists():
            return None
        try:
            arrays = {name: npz_array(path, name) for name in npz_names(path)}
            return _unpacked(arrays)
        except (ReadingError, ValueError, KeyError, TypeError) as error:
            told = str(error) if isinstance(error, ReadingError) else f"{path}: {error!r}"
            self.told.append(f"damaged in the cache, computed anew: {told}")
            return None

    def keep_result(self, key: str, run: Run, figures: Figures) -> None:
        """Write a result beside its place, then rename it."""
        path = self._result_path(key)
        beside = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with beside.open("wb") as file:
                    np.savez(file, allow_pickle=False, **_packed(run, figures))
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as error:
            self.told.append(f"not kept for the next time: {path}: {error}")

    def checkpoint(self, key: str) -> Checkpoint | None:
        """Give trained weights back, if they are there and whole."""
        path = self._checkpoint_path(key)
        if not path.exists():
            return None
        try:
            return Checkpoint.load(path)
        except CheckpointError as error:
            self.told.append(f"damaged in the cache, trained anew: {error}")
            return None

    def keep_checkpoint(self, key: str, checkpoint: Checkpoint) -> None:
        """Write trained weights, whole or not at all."""
        try:
            checkpoint.save(self._checkpoint_path(key))
        except (OSError, CheckpointError) as error:
            self.told.append(f"not kept for the next time: {error}")

    def _result_path(self, key: str) -> Path:
        return self.directory / "results" / f"{key}.npz"

    def _checkpoint_path(self, key: str) -> Path:
        return self.directory / "weights" / key


def key_of(*parts: bytes | str | NDArray[Any]) -> str:
    """Hash parts, and with them all that results depend on beside them; hexadecimal.

    The source of `models` is hashed whole: any change of the code computes anew.
    """
    hashed = hashlib.sha256()
    for part in (_program(), *parts):
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype.str}{part.shape}", np.ascontiguousarray(part).tobytes()
        else:
            head, body = type(part).__name__, part.encode() if isinstance(part, str) else part
        hashed.update(f"{head}:{len(body)}:".encode())
        hashed.update(body)
    return hashed.hexdigest()


def facts_of(machine: Machine) -> bytes:
    """Write down what is no array of a machine."""
    facts = (machine.name, machine.dataset, machine.metrics, machine.step_s, machine.windows)
    return msgspec.msgpack.encode(facts)


@cache
def _program() -> bytes:
    """Hash the source of `models`, without the report, and the versions it computes with."""
    root = Path(models.__file__).parent
    hashed = hashlib.sha256(f"{np.__version__} {torch.__version__}".encode())
    for path in sorted(set(root.rglob("*.py")) - set(root.glob(f"{_REPORT}/*"))):
        source = path.read_bytes()
        hashed.update(f"{path.relative_to(root).as_posix()}:{len(source)}:".encode())
        hashed.update(source)
    return hashed.digest()


def _packed(run: Run, figures: Figures) -> dict[str, NDArray[Any]]:
    """Lay a result out as arrays; what is none is msgpack, because JSON has no NaN."""
    facts = {name: getattr(run, name) for name in _FACTS}
    packed = msgspec.msgpack.encode((facts, figures))
    arrays = {name: getattr(run, name) for name in _ARRAYS if getattr(run, name) is not None}
    return arrays | {_PACKED: np.frombuffer(packed, np.uint8)}


def _unpacked(arrays: dict[str, NDArray[Any]]) -> tuple[Run, Figures]:
    """Read a result back.

    Raises:
        KeyError, TypeError, ValueError: If something is missing or can't be.
    """
    facts, figures = msgspec.msgpack.decode(
        arrays.pop(_PACKED).tobytes(), type=tuple[dict[str, str | float], Figures]
    )
    run: dict[str, Any] = {"smoothed": None, **facts, **arrays}
    return Run(**run), figures
