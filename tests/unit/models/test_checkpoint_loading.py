import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from safetensors.numpy import load, save

from models import checkpoint as checkpoint_module
from models.checkpoint import SPEC_FILE, WEIGHTS_FILE, Checkpoint, CheckpointError, checkpoints
from tests.fakes import make_checkpoint


@pytest.fixture
def plain() -> Checkpoint:
    return make_checkpoint()


@pytest.fixture
def place(plain: Checkpoint, tmp_path: Path) -> Path:
    plain.save(tmp_path / "pumps")
    return tmp_path / "pumps"


def _forge(plain: Checkpoint, directory: Path, tensors: dict[str, Any]) -> None:
    """Write a checkpoint whose hash is right, as another program might."""
    plain.save(directory)
    written = save(load((directory / WEIGHTS_FILE).read_bytes()) | tensors)
    _rewrite(plain, directory, written)


def _rewrite(plain: Checkpoint, directory: Path, tensors: bytes) -> None:
    content_hash = checkpoint_module._content_hash(plain.spec, tensors)
    spec = msgspec.structs.replace(plain.spec, content_hash=content_hash)
    (directory / WEIGHTS_FILE).write_bytes(tensors)
    (directory / SPEC_FILE).write_bytes(msgspec.json.encode(spec))


def test_a_place_without_a_checkpoint_is_named(tmp_path: Path, place: Path) -> None:
    """Nothing there, half of it there, or a file there: each is refused with the path."""
    with pytest.raises(CheckpointError, match=r"none: no checkpoint here .*spec\.json"):
        Checkpoint.load(tmp_path / "none")
    (place / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint here .*weights\.safetensors"):
        Checkpoint.load(place)
    with pytest.raises(CheckpointError, match="unreadable"):
        Checkpoint.load(place / SPEC_FILE)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"a": "\xff"}', b'{"format_version": 1}']
)
def test_a_damaged_spec_is_refused(place: Path, content: bytes) -> None:
    """Whatever stands in spec.json, the answer is a CheckpointError that says what to do."""
    (place / SPEC_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="train it again"):
        Checkpoint.load(place)


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 30])
def test_damaged_weights_are_refused(place: Path, content: bytes) -> None:
    """Weights that are no safetensors are refused."""
    (place / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(CheckpointError, match="unreadable"):
        Checkpoint.load(place)


def test_a_changed_number_is_found(place: Path) -> None:
    """One byte flipped in the weights, or a default edited by hand, no longer fits the hash."""
    weights = bytearray((place / WEIGHTS_FILE).read_bytes())
    weights[-1] ^= 1
    original = (place / WEIGHTS_FILE).read_bytes()
    (place / WEIGHTS_FILE).write_bytes(weights)
    with pytest.raises(CheckpointError, match="content does not match its hash"):
        Checkpoint.load(place)
    (place / WEIGHTS_FILE).write_bytes(original)
    spec = (place / SPEC_FILE).read_text().replace('"washout": 60', '"washout": 6')
    (place / SPEC_FILE).write_text(spec)
    with pytest.raises(CheckpointError, match="content does not match its hash"):
        Checkpoint.load(place)


def test_another_format_version_is_named(place: Path) -> None:
    """A checkpoint of a later program says so, whatever else is in it."""
    (place / SPEC_FILE).write_text('{"format_version": 99, "layers": []}')
    with pytest.raises(CheckpointError, match="format version 99, this program reads 2"):
        Checkpoint.load(place)


def test_a_missing_tensor_is_named(plain: Checkpoint, place: Path) -> None:
    """A checkpoint without a part a stream needs is refused by that part's name."""
    tensors = load((place / WEIGHTS_FILE).read_bytes())
    del tensors["residual_scale"]
    _rewrite(plain, place, save(tensors))
    with pytest.raises(CheckpointError, match="'residual_scale' is missing"):
        Checkpoint.load(place)


def test_a_kind_of_number_numpy_lacks_is_refused(plain: Checkpoint, place: Path) -> None:
    """Tensors in bfloat16 are unreadable here, not a crash."""
    header = b'{"weight/head.bias":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]}}'
    _rewrite(plain, place, struct.pack("<Q", len(header)) + header + bytes(6))
    with pytest.raises(CheckpointError, match="unreadable"):
        Checkpoint.load(place)


def test_checkpoints_are_listed_by_name(plain: Checkpoint, tmp_path: Path, place: Path) -> None:
    """Complete directories with a proper name are found; leftovers and other things are not."""
    plain.save(tmp_path / "boilers")
    plain.save(tmp_path / "odd name")
    plain.save(tmp_path / ".unfinished-x1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    assert checkpoints(tmp_path) == {"boilers": tmp_path / "boilers", "pumps": place}
    assert checkpoints(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("reference_tail", np.full((60, 3), np.nan)),
        ("reference_tail", np.zeros((59, 3))),
        ("reference_tail", np.zeros((60, 2))),
        ("residual_scale", np.array([1, np.inf, 1], np.float32)),
        ("residual_scale", np.ones(2, np.float32)),
        ("validation_scores", np.full(5, np.inf, np.float32)),
        ("validation_scores", np.ones((5, 1), np.float32)),
    ],
)
def test_tensors_that_do_not_fit_are_refused(
    plain: Checkpoint, tmp_path: Path, name: str, tensor: Any
) -> None:
    """Neither saving nor loading takes a wrong shape or a number that is not finite."""
    tensors: dict[str, Any] = {name: tensor}
    with pytest.raises(CheckpointError, match=name):
        replace(plain, **tensors).save(tmp_path / "pumps")
    assert list(tmp_path.iterdir()) == []
    _forge(plain, tmp_path / "pumps", tensors)
    with pytest.raises(CheckpointError, match=name):
        Checkpoint.load(tmp_path / "pumps")
