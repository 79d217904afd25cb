"""Results by what they were made of."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import Checkpoint
from models.evaluation.metrics.adjusted import PointAdjusted
from models.evaluation.trials import cache as caching
from models.evaluation.trials.cache import Cache, facts_of, key_of
from models.evaluation.trials.figures import Figures, Level, Ranking, Run
from models.evaluation.trials.training import TrainingOptions, trained
from tests.unit.evaluation.machines import machine

KEY = "0" * 64
ROWS = 5


def run(smoothed: bool = True) -> Run:
    """What a scorer said of five rows, the first of which had no score."""
    known = np.arange(ROWS, dtype=np.float64)
    known[0] = np.nan
    return Run(
        machine="pump-1",
        scorer="gru/mse",
        score=known,
        smoothed=known / 2 if smoothed else None,
        threshold=known + 1,
        severity=known / 3,
        is_anomaly=known > 2,
        train_s=1.5,
        us_per_observation=20.25,
    )


def checkpoint() -> Checkpoint:
    """Some weights."""
    return trained(machine(), "persistence", TrainingOptions())


def figures() -> Figures:
    """Figures with unknown ones among them."""
    ranking = Ranking(auc_pr=0.5, auc_roc=float("nan"), vus_pr=0.25, vus_roc=1.0)
    return Figures(
        machine="pump-1",
        dataset="pump",
        scorer="gru/mse",
        instant=ranking,
        smoothed=None,
        adjusted=PointAdjusted(precision=1.0, recall=1.0, f1=1.0, random_f1=0.9),
        events=3,
        events_found=2,
        delay_steps=None,
        false_alarms_per_day=0.1,
        alarm_share=0.5,
        days=2.0,
        train_s=1.5,
        us_per_observation=20.25,
        levels=[Level(z=None, asked=1.0, false_alarms_per_day=0.0, events_found=1)],
    )


@pytest.mark.parametrize("smoothed", [True, False])
def test_a_result_comes_back_as_it_was(tmp_path: Path, smoothed: bool) -> None:
    """NaN and None included, and nothing else is left beside it."""
    cache = Cache(directory=tmp_path / "made")
    cache.keep_result(KEY, run(smoothed), figures())
    found = cache.result(KEY)
    assert found is not None
    for field in fields(Run):
        np.testing.assert_array_equal(
            getattr(found[0], field.name), getattr(run(smoothed), field.name)
        )
    assert repr(found[1]) == repr(figures())
    assert [path.name for path in (tmp_path / "made" / "results").iterdir()] == [f"{KEY}.npz"]
    assert cache.told == []


def test_what_is_not_there_is_no_damage(tmp_path: Path) -> None:
    """Nothing is told of the first time."""
    cache = Cache(directory=tmp_path)
    assert cache.result(KEY) is None
    assert cache.checkpoint(KEY) is None
    assert cache.told == []


@pytest.mark.parametrize("size", [0, 200, -1])
def test_a_damaged_result_is_as_good_as_none(tmp_path: Path, size: int) -> None:
    """It is told, and can be written again."""
    cache = Cache(directory=tmp_path)
    cache.keep_result(KEY, run(), figures())
    path = tmp_path / "results" / f"{KEY}.npz"
    path.write_bytes(path.read_bytes()[:size])
    assert cache.result(KEY) is None
    assert len(cache.told) == 1
    assert path.name in cache.told[0]
    cache.keep_result(KEY, run(), figures())
    assert cache.result(KEY) is not None


def test_a_result_of_another_form_is_damage(tmp_path: Path) -> None:
    """Arrays of other names are no result."""
    cache = Cache(directory=tmp_path)
    (tmp_path / "results").mkdir()
    np.savez(tmp_path / "results" / f"{KEY}.npz", allow_pickle=False, beats=np.ones(3))
    assert cache.result(KEY) is None
    assert len(cache.told) == 1


def test_what_can_not_be_written_is_told(tmp_path: Path) -> None:
    """The result is there all the same: it is just not kept."""
    (tmp_path / "file").write_text("no directory")
    cache = Cache(directory=tmp_path / "file")
    cache.keep_result(KEY, run(), figures())
    cache.keep_checkpoint(KEY, checkpoint())
    assert len(cache.told) == 2


def test_weights_come_back_and_damaged_ones_do_not(tmp_path: Path) -> None:
    """A checkpoint knows itself whether it is whole."""
    cache, kept = Cache(directory=tmp_path), checkpoint()
    cache.keep_checkpoint(KEY, kept)
    found = cache.checkpoint(KEY)
    assert found is not None
    assert {name: one.tobytes() for name, one in found.weights.items()} == {
        name: one.tobytes() for name, one in kept.weights.items()
    }
    assert found.spec.threshold == kept.spec.threshold
    (tmp_path / "weights" / KEY / "weights.safetensors").write_bytes(b"")
    assert cache.checkpoint(KEY) is None
    assert len(cache.told) == 1


def test_a_key_tells_its_parts_apart() -> None:
    """The same bytes cut elsewhere, of another type or shape are another key."""
    grid = np.arange(4, dtype=np.int64)
    keys = [
        key_of("ab", "c"),
        key_of("a", "bc"),
        key_of(b"ab", "c"),
        key_of(grid),
        key_of(grid.reshape(2, 2)),
        key_of(grid.view(np.uint64)),
        key_of(grid.tobytes()),
    ]
    assert len(set(keys)) == len(keys)
    assert key_of("ab", grid) == key_of("ab", grid.copy())


def test_a_key_changes_with_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the code of models says counts."""
    before = key_of("a")
    monkeypatch.setattr(caching, "_program", lambda: b"another")
    assert key_of("a") != before


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "pump-2"},
        {"dataset": "plant"},
        {"metrics": ["flow", "power"]},
        {"step_s": 61.0},
        {"windows": ((1, 2),)},
    ],
)
def test_facts_tell_machines_apart(changes: dict[str, object]) -> None:
    """What is no array of a machine counts too."""
    assert facts_of(machine()) == facts_of(machine())
    assert facts_of(replace(machine(), **changes)) != facts_of(machine())  # type: ignore[arg-type]
