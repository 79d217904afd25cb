from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.reading import read
from models.recording import ReadingError


def _saved(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "plant.npz", **arrays)
    return tmp_path / "plant.npz"


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.uint8])
def test_numbers_are_read_as_float64(tmp_path: Path, dtype: type) -> None:
    """Any array of numbers `[T, F]` becomes float64, with default names and no times."""
    path = _saved(tmp_path, train=np.arange(6).reshape(3, 2).astype(dtype))
    recording = read(path, part="train")
    assert recording.values.dtype == np.float64
    assert recording.values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert recording.metrics == ["m00", "m01"]
    assert recording.times is None
    assert recording.step_s is None


def test_the_named_part_is_taken(tmp_path: Path) -> None:
    """Training and test part of one file are told apart."""
    path = _saved(tmp_path, train=np.zeros((2, 1)), test=np.ones((3, 1)))
    assert read(path, part="test").values.tolist() == [[1], [1], [1]]


def test_a_missing_part_names_what_there_is(tmp_path: Path) -> None:
    """Who gave the wrong file sees what is in it."""
    path = _saved(tmp_path, beats=np.zeros((2, 1)), classes=np.zeros(2))
    with pytest.raises(ReadingError, match="no array 'train' in it; there are: beats, classes"):
        read(path, part="train")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(5),
        np.zeros((2, 2, 2)),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.zeros((2, 2), np.complex128),
        np.zeros((2, 2), np.bool_),
        np.array([["a", "b"]]),
    ],
    ids=["1d", "3d", "no-rows", "no-columns", "complex", "bool", "text"],
)
def test_other_shapes_and_kinds_are_refused(tmp_path: Path, array: Any) -> None:
    """What is no table of numbers is refused with its dtype and shape."""
    with pytest.raises(ReadingError, match=r"numbers \[time, metric\] needed"):
        read(_saved(tmp_path, train=array), part="train")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e301])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    """The first one is named by row and column."""
    values = np.zeros((4, 3))
    values[2, 1] = values[3, 0] = bad
    with pytest.raises(ReadingError, match=r"'train' row 2, column 1 \(counted from 0\) is"):
        read(_saved(tmp_path, train=values), part="train")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    """An array of objects could run code when loaded; it is refused unread."""
    path = _saved(tmp_path, train=np.array([[object()]], dtype=object))
    with pytest.raises(ReadingError, match="Object arrays cannot be loaded"):
        read(path, part="train")


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    """Empty, truncated, overwritten or of another kind: never anything but a ReadingError."""
    whole = _saved(tmp_path, train=np.ones((100, 3))).read_bytes()
    np.savez_compressed(tmp_path / "packed.npz", train=np.random.default_rng(0).random((50, 3)))
    packed = bytearray((tmp_path / "packed.npz").read_bytes())
    packed[200:300] = bytes(100)
    np.save(tmp_path / "plain.npy", np.ones((3, 3)))
    plain = (tmp_path / "plain.npy").read_bytes()
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:-10], bytes(packed), plain):
        (tmp_path / "broken.npz").write_bytes(content)
        with pytest.raises(ReadingError, match="not a readable npz file"):
            read(tmp_path / "broken.npz", part="train")
