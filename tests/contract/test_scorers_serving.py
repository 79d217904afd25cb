"""Every scorer of the registry, trained, saved, loaded and serving in a bank."""

from pathlib import Path

import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Float64
from models.checkpoint import Checkpoint
from models.epochs import FitOptions, Progress
from models.fit import fit
from models.options import StreamOptions
from models.snapshot import WHOLE, SnapshotFormat
from tests.contract.scorers import scorer_spec, waves
from tests.fakes import block

LIVE = StreamOptions(start="reference")
SLOTS = np.array([4, 0, 2])
STEPS = 40


@pytest.fixture
def checkpoint(name: str, tmp_path: Path) -> Checkpoint:
    """Train for a moment, save and load."""
    noise = np.random.default_rng(0).normal(0, 0.02, (400, 3))
    options = FitOptions(scorer=scorer_spec(name), epochs=1)
    fit(waves(400) + noise, ["a", "b", "c"], options).save(tmp_path / "new")
    return Checkpoint.load(tmp_path / "new")


@pytest.fixture
def rows() -> Float64:
    """Observations of three streams with gaps, `[T, 3, F]`."""
    generator = np.random.default_rng(1)
    values = waves(3 * STEPS).reshape(STEPS, 3, 3) + generator.normal(0, 0.05, (STEPS, 3, 3))
    gaps = generator.random((STEPS, 3)) < 0.2
    gaps[0, 0] = True
    values[..., 1][gaps] = np.nan
    return values


def test_interleaved_streams_score_as_each_alone(checkpoint: Checkpoint, rows: Float64) -> None:
    """Streams whose rows come across all or along each give the same scores and thresholds."""
    across, alone = StreamBank(checkpoint), StreamBank(checkpoint)
    across.start(SLOTS, LIVE)
    alone.start(SLOTS, LIVE)
    found = [across.advance(block(SLOTS, rows[t])) for t in range(STEPS)]
    for at, slot in enumerate(SLOTS.tolist()):
        along = alone.advance(block(slot, rows[:, at]))
        scores = [one.score[at] for one in found]
        assert np.isfinite(scores).all()
        np.testing.assert_allclose(scores, along.score, rtol=1e-3, atol=1e-7)
        thresholds = [one.threshold[at] for one in found]
        np.testing.assert_allclose(thresholds, along.threshold, rtol=1e-3, atol=1e-7)


def test_what_is_missing_is_explained_by_what_was_expected(
    checkpoint: Checkpoint, rows: Float64
) -> None:
    """A missing metric has an expectation and no share, in the first observation too."""
    bank = StreamBank(checkpoint)
    bank.start(SLOTS, LIVE)
    for t in (0, 1):
        why = bank.advance(block(SLOTS, rows[t], explain=True)).explanations
        assert np.isfinite(why.expected).all()
        assert not why.share[np.isnan(rows[t])].any()


def test_snapshots_go_on_bit_for_bit(checkpoint: Checkpoint, rows: Float64) -> None:
    """Encoded, decoded and restored into other slots, streams go on as if nothing had been."""
    first, second = StreamBank(checkpoint), StreamBank(checkpoint)
    first.start(SLOTS, LIVE)
    for t in range(STEPS // 2):
        first.advance(block(SLOTS, rows[t]))
    form, there = SnapshotFormat.of(second), np.array([1, 9, 3])
    parts = form.encode(first.snapshot(SLOTS), np.full(3, WHOLE), np.ones(3, np.bool_))
    second.restore(there, form.decode(parts), LIVE)
    for t in range(STEPS // 2, STEPS):
        ones = first.advance(block(SLOTS, rows[t]))
        others = second.advance(block(there, rows[t]))
        assert ones.score.tobytes() == others.score.tobytes()
        assert ones.threshold.tobytes() == others.threshold.tobytes()


def test_a_cleared_slot_starts_like_a_new_one(checkpoint: Checkpoint, rows: Float64) -> None:
    """Nothing of an earlier stream is left in a slot that another takes."""
    used, fresh = StreamBank(checkpoint), StreamBank(checkpoint)
    used.start(SLOTS, LIVE)
    used.advance(block(SLOTS, rows[0] + 1))
    used.clear(SLOTS)
    verdicts = []
    for bank in (used, fresh):
        bank.start(SLOTS, LIVE)
        verdicts.append(bank.advance(block(SLOTS, rows[1])))
    assert verdicts[0].score.tobytes() == verdicts[1].score.tobytes()


def test_a_fit_tells_of_itself_and_is_repeatable(name: str) -> None:
    """Progress is told, the losses are finite, and the same data gives the same bits."""
    told: list[Progress] = []
    options = FitOptions(scorer=scorer_spec(name), epochs=1, on_batch=told.append)
    values = waves(400) + np.random.default_rng(0).normal(0, 0.02, (400, 3))
    ones, others = (fit(values, ["a", "b", "c"], options) for _ in range(2))
    assert told[-1].epochs_done == told[-1].epochs == 1
    facts = ones.spec.training
    assert np.isfinite([facts.train_loss, facts.validation_loss]).all()
    assert facts.validation_loss > 0
    assert ones.weights.keys() == others.weights.keys()
    assert all(
        ones.weights[part].tobytes() == others.weights[part].tobytes() for part in ones.weights
    )
