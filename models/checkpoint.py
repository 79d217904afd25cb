"""Checkpoints on disk: a directory of safetensors and JSON, written beside and then renamed."""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models import registry
from models.base import Weights
from models.blocks import Float32, Float64
from models.scoring import scoring
from models.spec import FORMAT_VERSION, REFERENCE_STEPS, Spec, TrainingFacts

SPEC_FILE: Final = "spec.json"
WEIGHTS_FILE: Final = "weights.safetensors"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WEIGHT: Final = "weight/"


class CheckpointError(Exception):
    """A checkpoint that is not there, is damaged or does not fit; says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A trained scorer and what a stream needs to start with it.

    Attributes:
        spec: Names, sizes, scaler, rules and defaults.
        weights: The scorer's tensors by name, float32.
        reference_tail: The last normal observations of the training data, raw, `[60, F]`.
        residual_scale: Sigma of each residual on the validation part, > 0, `[K]`.
        validation_scores: Scores of the validation part in order, `[N]`.
    """

    spec: Spec
    weights: Weights
    reference_tail: Float64
    residual_scale: Float32
    validation_scores: Float32

    def save(self, directory: Path) -> "Checkpoint":
        """Write the whole checkpoint beside `directory`, then put it in its place.

        Returns:
            The checkpoint with its content hash.

        Raises:
            CheckpointError: If the checkpoint is not sound, or the directory holds something that
                is no checkpoint; nothing is written.
            OSError: If the disk does not take it; what stood there before stays.
        """
        tensors = save(self.tensors())
        spec = _as_read_back(self.spec, directory)
        spec = msgspec.structs.replace(spec, content_hash=_content_hash(spec, tensors))
        hashed = replace(self, spec=spec)
        _check(hashed, directory)
        place = directory.resolve()
        if place.exists() and not _may_be_replaced(place):
            raise CheckpointError(f"{directory}: holds something else; name another directory")
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=place.parent))
        try:
            (beside / WEIGHTS_FILE).write_bytes(tensors)
            (beside / SPEC_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(spec)))
            beside.chmod(0o755)
            _put_in_place(beside, place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        return hashed

    @classmethod
    def load(cls, directory: Path) -> "Checkpoint":
        """Read a checkpoint and check version, hash, shapes and finiteness.

        Raises:
            CheckpointError: If it is not there, damaged or of another format.
        """
        try:
            spec_bytes = (directory / SPEC_FILE).read_bytes()
            tensor_bytes = (directory / WEIGHTS_FILE).read_bytes()
            version = msgspec.json.decode(spec_bytes, type=dict[str, Any]).get("format_version")
            if version != FORMAT_VERSION:
                raise CheckpointError(
                    f"{directory}: format version {version}, this program reads {FORMAT_VERSION}; "
                    "train it again with this version"
                )
            spec = msgspec.json.decode(spec_bytes, type=Spec)
            tensors = load(tensor_bytes)
        except FileNotFoundError as error:
            raise CheckpointError(f"{directory}: no checkpoint here ({error.filename})") from error
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise CheckpointError(f"{directory}: unreadable: {error}; train it again") from error
        if spec.content_hash != _content_hash(spec, tensor_bytes):
            raise CheckpointError(f"{directory}: content does not match its hash; train it again")
        return cls._assembled(directory, spec, tensors)

    @classmethod
    def _assembled(cls, directory: Path, spec: Spec, tensors: dict[str, Any]) -> "Checkpoint":
        weights = {
            name.removeprefix(_WEIGHT): tensor
            for name, tensor in tensors.items()
            if name.startswith(_WEIGHT)
        }
        try:
            checkpoint = cls(
                spec=spec,
                weights=weights,
                reference_tail=tensors["reference_tail"],
                residual_scale=tensors["residual_scale"],
                validation_scores=tensors["validation_scores"],
            )
        except KeyError as error:
            raise CheckpointError(f"{directory}: tensor {error} is missing") from error
        _check(checkpoint, directory)
        return checkpoint

    def with_threshold(self, **changes: Any) -> "Checkpoint":
        """Override threshold defaults for this process, by their names in the spec.

        z takes the place of false alarms per day.

        Raises:
            CheckpointError: If `min_scores` no longer fits into `window`.
        """
        if "z" in changes:
            changes = {"false_alarms_per_day": None} | changes
        threshold = msgspec.structs.replace(self.spec.threshold, **changes)
        if threshold.min_scores > threshold.window:
            raise CheckpointError(
                f"min_scores {threshold.min_scores} do not fit into a window of {threshold.window}"
            )
        return replace(self, spec=msgspec.structs.replace(self.spec, threshold=threshold))

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Name everything that stands in the safetensors file."""
        weights = {
            _WEIGHT + name: np.asarray(weight, np.float32, order="C")
            for name, weight in self.weights.items()
        }
        return weights | {
            "reference_tail": np.ascontiguousarray(self.reference_tail, np.float64),
            "residual_scale": np.ascontiguousarray(self.residual_scale, np.float32),
            "validation_scores": np.ascontiguousarray(self.validation_scores, np.float32),
        }


def checkpoints(directory: Path) -> dict[str, Path]:
    """Find the checkpoints in a directory, by name."""
    if not directory.is_dir():
        return {}
    found = sorted(path.parent for path in directory.glob(f"*/{SPEC_FILE}"))
    return {path.name: path for path in found if NAME.fullmatch(path.name)}


def _as_read_back(spec: Spec, directory: Path) -> Spec:
    """Give the spec as it will be decoded: a 5 where a 5.0 is meant would change the hash."""
    try:
        return msgspec.json.decode(msgspec.json.encode(spec), type=Spec)
    except msgspec.MsgspecError as error:
        raise CheckpointError(f"{directory}: the spec can't be written: {error}") from error


def _may_be_replaced(directory: Path) -> bool:
    """Whether this is an older checkpoint or an empty directory, nothing else of anybody's."""
    if not directory.is_dir():
        return False
    return {path.name for path in directory.iterdir()} <= {SPEC_FILE, WEIGHTS_FILE}


def _put_in_place(beside: Path, directory: Path) -> None:
    """Rename, moving an older checkpoint aside first, and back if the rename fails."""
    if not directory.exists():
        beside.rename(directory)
        return
    aside = beside.with_name(f"{beside.name}-replaced")
    directory.rename(aside)
    try:
        beside.rename(directory)
    except BaseException:
        aside.rename(directory)
        raise
    # the new one stands: a leftover that can't be removed is no reason to call that a failure
    shutil.rmtree(aside, ignore_errors=True)


def _content_hash(spec: Spec, tensors: bytes) -> str:
    plain = msgspec.structs.replace(spec, content_hash="", training=TrainingFacts())
    return hashlib.sha256(msgspec.json.encode(plain) + tensors).hexdigest()


def _check(checkpoint: Checkpoint, directory: Path) -> None:
    """Refuse what does not fit the spec or is not finite."""
    try:
        scorer = registry.build(checkpoint.spec, checkpoint.weights)
        scoring(checkpoint.spec.scoring)
    except ValueError as error:
        raise CheckpointError(f"{directory}: {error}") from error
    if wrong := _misfits(checkpoint, scorer.n_residuals):
        raise CheckpointError(f"{directory}: does not fit the spec: {', '.join(wrong)}")


def _misfits(checkpoint: Checkpoint, n_residuals: int) -> list[str]:
    """Name the parts whose size, order or values can't be."""
    spec = checkpoint.spec
    features = len(spec.metrics)
    fits = {
        "metrics": features > 0 and len(set(spec.metrics)) == features,
        "scaler": len(spec.scaler.minimum) == len(spec.scaler.maximum) == features,
        "clip": spec.scaler.clip[0] < spec.scaler.clip[1],
        "threshold": spec.threshold.min_scores <= spec.threshold.window,
        "reference_tail": checkpoint.reference_tail.shape == (REFERENCE_STEPS, features),
        "residual_scale": checkpoint.residual_scale.shape == (n_residuals,)
        and bool((checkpoint.residual_scale > 0).all()),
        "validation_scores": checkpoint.validation_scores.ndim == 1,
    }
    wrong = [name for name, is_so in fits.items() if not is_so]
    return wrong + [
        f"{name} (not finite)"
        for name, tensor in checkpoint.tensors().items()
        if not np.isfinite(tensor).all()
    ]
