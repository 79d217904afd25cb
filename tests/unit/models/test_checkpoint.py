import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.checkpoint import SPEC_FILE, WEIGHTS_FILE, Checkpoint, CheckpointError, checkpoints
from models.spec import ScalerSpec, ScoringSpec, ThresholdSpec, TrainingFacts
from tests.fakes import make_checkpoint


@pytest.fixture
def plain() -> Checkpoint:
    return make_checkpoint()


def _with_spec(checkpoint: Checkpoint, **changes: Any) -> Checkpoint:
    return replace(checkpoint, spec=msgspec.structs.replace(checkpoint.spec, **changes))


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def _same(left: Checkpoint, right: Checkpoint) -> bool:
    pairs = zip(sorted(left.tensors().items()), sorted(right.tensors().items()), strict=True)
    return left.spec == right.spec and all(
        one == other and np.array_equal(a, b) and a.dtype == b.dtype
        for (one, a), (other, b) in pairs
    )


def test_what_was_saved_is_loaded(plain: Checkpoint, tmp_path: Path) -> None:
    """Spec and tensors come back bit for bit, with a content hash, from two files alone."""
    saved = plain.save(tmp_path / "made" / "pumps")
    assert len(saved.spec.content_hash) == 64
    assert _names(tmp_path / "made" / "pumps") == [SPEC_FILE, WEIGHTS_FILE]
    assert _names(tmp_path / "made") == ["pumps"]
    assert _same(Checkpoint.load(tmp_path / "made" / "pumps"), saved)


def test_whole_numbers_in_the_spec_are_loaded(plain: Checkpoint, tmp_path: Path) -> None:
    """A 60 where a 60.0 is meant neither changes the hash nor spoils the checkpoint."""
    bounds = ScalerSpec(minimum=[0, 0, 0], maximum=[1, 1, 1], clip=(-3, 3))
    whole = _with_spec(plain, step_s=60, scaler=bounds).save(tmp_path / "whole")
    assert _same(Checkpoint.load(tmp_path / "whole"), whole)
    assert whole.spec.content_hash == plain.save(tmp_path / "plain").spec.content_hash


def test_the_hash_covers_content_but_not_the_training(plain: Checkpoint, tmp_path: Path) -> None:
    """Another weight or default changes the hash; when and how it was trained does not."""
    weights = plain.weights | {"head.bias": plain.weights["head.bias"] + np.float32(1e-6)}
    variants = [
        plain,
        _with_spec(plain, training=TrainingFacts(source="elsewhere", seconds=3.0)),
        _with_spec(plain, threshold=ThresholdSpec(window=300, z=9.0)),
        replace(plain, weights=weights),
    ]
    saved = [made.save(tmp_path / str(at)) for at, made in enumerate(variants)]
    hashes = [made.spec.content_hash for made in saved]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_saving_replaces_an_older_checkpoint(plain: Checkpoint, tmp_path: Path) -> None:
    """The newer one stands in its place, nothing is left beside it."""
    plain.save(tmp_path / "pumps")
    newer = make_checkpoint(seed=1).save(tmp_path / "pumps")
    assert _same(Checkpoint.load(tmp_path / "pumps"), newer)
    assert _names(tmp_path) == ["pumps"]


def test_saving_goes_through_a_symbolic_link(plain: Checkpoint, tmp_path: Path) -> None:
    """Where a link names the place, what it points to is replaced and the link stays."""
    plain.save(tmp_path / "pumps-1")
    (tmp_path / "current").symlink_to("pumps-1")
    newer = make_checkpoint(seed=1).save(tmp_path / "current")
    assert _same(Checkpoint.load(tmp_path / "pumps-1"), newer)
    assert (tmp_path / "current").is_symlink()


def test_saving_never_replaces_anything_else(plain: Checkpoint, tmp_path: Path) -> None:
    """A directory that holds other files, or a file, is refused and left as it was."""
    (tmp_path / "notes.txt").write_text("keep me")
    for place in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(CheckpointError, match="holds something else"):
            plain.save(place)
    assert (tmp_path / "notes.txt").read_text() == "keep me"
    assert _names(tmp_path) == ["notes.txt"]


def test_an_empty_directory_is_filled(plain: Checkpoint, tmp_path: Path) -> None:
    """A directory made beforehand is taken."""
    (tmp_path / "pumps").mkdir()
    assert _same(plain.save(tmp_path / "pumps"), Checkpoint.load(tmp_path / "pumps"))


@pytest.mark.parametrize("failing", ["write_bytes", "rename"])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_interrupted_saving_leaves_the_older_checkpoint(
    plain: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str, error: Any
) -> None:
    """Whatever breaks off on the way, the older one stays whole and nothing is left beside it."""
    older = plain.save(tmp_path / "pumps")
    original = getattr(Path, failing)

    def broken(path: Path, *args: Any) -> Any:
        is_new = path.name == SPEC_FILE or (args and args[0] == tmp_path / "pumps")
        if is_new and "replaced" not in path.name:
            raise error
        return original(path, *args)

    monkeypatch.setattr(Path, failing, broken)
    with pytest.raises(type(error)):
        make_checkpoint(seed=1).save(tmp_path / "pumps")
    monkeypatch.undo()
    assert _same(Checkpoint.load(tmp_path / "pumps"), older)
    assert _names(tmp_path) == ["pumps"]


def test_an_older_checkpoint_that_stays_behind_is_no_failure(
    plain: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the new one stands, saving succeeds, and the leftover is not listed."""
    plain.save(tmp_path / "pumps")
    monkeypatch.setattr(os, "rmdir", _refuse)
    newer = make_checkpoint(seed=1).save(tmp_path / "pumps")
    assert _same(Checkpoint.load(tmp_path / "pumps"), newer)
    assert list(checkpoints(tmp_path)) == ["pumps"]


def _refuse(*_: Any, **__: Any) -> None:
    raise PermissionError("not yours")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metrics": ["a", "a", "b"]}, "metrics"),
        ({"scaler": ScalerSpec(minimum=[0, 0], maximum=[1, 1, 1])}, "scaler"),
        ({"scaler": ScalerSpec(minimum=[0, 0, 0], maximum=[1, 1, np.inf])}, "can't be written"),
        ({"scaler": ScalerSpec(minimum=[0] * 3, maximum=[1] * 3, clip=(3, -3))}, "clip"),
        ({"threshold": ThresholdSpec(window=50)}, "threshold"),
        ({"threshold": ThresholdSpec(z=-1.0)}, "can't be written"),
        ({"scoring": ScoringSpec(rule="median")}, "no scoring 'median'"),
        ({"metrics": ["a", "b"]}, "weights do not fit"),
    ],
)
def test_a_spec_that_can_not_serve_is_not_saved(
    plain: Checkpoint, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    """Saving checks first; the reason is named and nothing is written."""
    with pytest.raises(CheckpointError, match=reason):
        _with_spec(plain, **changes).save(tmp_path / "pumps")
    assert _names(tmp_path) == []


def test_threshold_defaults_can_be_overridden(plain: Checkpoint) -> None:
    """Named defaults change, the others and the checkpoint itself stay."""
    wider = plain.with_threshold(window=500, z=5.0)
    assert wider.spec.threshold == ThresholdSpec(window=500, z=5.0, false_alarms_per_day=None)
    assert plain.spec.threshold == ThresholdSpec(window=300, false_alarms_per_day=None)
    with pytest.raises(CheckpointError, match="min_scores 100 do not fit into a window of 50"):
        plain.with_threshold(window=50)
