"""What every scorer of the registry promises; a new row there is tested before its author does."""

import numpy as np
import pytest

from models import registry
from models.base import Scorer
from models.epochs import FitOptions
from models.fit import fit
from models.scaler import MinMaxScaler
from tests.contract.scorers import (
    FEATURES,
    Make,
    arrays_of,
    assert_close,
    assert_same,
    draw,
    rows_of,
    scorer_spec,
    waves,
)


def test_shapes_and_dtypes_are_those_of_the_contract(scorer: Scorer) -> None:
    """Results are float32 `[B, K]`, `[B, F]` and bool `[B]`; the state follows its layout."""
    prediction, state = scorer.step(scorer.initial_state(5), draw(5, FEATURES))
    assert scorer.n_features == FEATURES
    assert prediction.residual.shape == (5, scorer.n_residuals)
    assert prediction.expected.shape == (5, FEATURES)
    assert prediction.residual.dtype == prediction.expected.dtype == np.float32
    assert prediction.valid.shape == (5,)
    assert prediction.valid.dtype == np.bool_
    for one in (state, scorer.initial_state(5)):
        found = {part: (values.shape, values.dtype) for part, values in one.items()}
        layout = scorer.state_layout.items()
        assert found == {part: ((5, *shape), dtype) for part, (shape, dtype) in layout}


def test_a_batch_gives_what_single_steps_give(scorer: Scorer) -> None:
    """B streams in one step equal B steps of one stream."""
    _, state = scorer.run(scorer.initial_state(17), draw(10, 17, FEATURES))
    x = draw(17, FEATURES, seed=1)
    together, after = scorer.step(state, x)
    for row in range(17):
        one = slice(row, row + 1)
        alone, after_alone = scorer.step(rows_of(state, one), x[one])
        assert_close(together.residual[one], alone.residual)
        assert_close(together.expected[one], alone.expected)
        assert_same(rows_of(after, one), after_alone)


def test_interleaved_streams_are_isolated(scorer: Scorer) -> None:
    """Streams that take turns at random get what each gets alone."""
    generator = np.random.default_rng(3)
    x = draw(30, 4, FEATURES)
    alone = [scorer.run(scorer.initial_state(1), x[:, [row]])[0] for row in range(4)]
    states, done = scorer.initial_state(4), np.zeros(4, np.int64)
    while (done < 30).any():
        rows = np.flatnonzero((generator.random(4) < 0.5) & (done < 30))
        prediction, after = scorer.step(rows_of(states, rows), x[done[rows], rows])
        for part, values in after.items():
            states[part][rows] = values
        for at, row in enumerate(rows):
            expected = alone[row].residual[done[row], 0]
            assert_close(prediction.residual[at], expected)
        done[rows] += 1


def test_running_equals_stepping(scorer: Scorer) -> None:
    """T observations at once equal T steps, results and state."""
    x = draw(25, 6, FEATURES)
    x[7, 2, 1] = np.nan
    prediction, final = scorer.run(scorer.initial_state(6), x)
    state = scorer.initial_state(6)
    for t in range(25):
        at_t, state = scorer.step(state, x[t])
        assert_close(prediction.residual[t], at_t.residual)
        assert_close(prediction.expected[t], at_t.expected)
        np.testing.assert_array_equal(prediction.valid[t], at_t.valid)
    assert_same(final, state)


def test_a_state_copied_out_and_in_continues_identically(make: Make) -> None:
    """Bytes of the state, put into another scorer of the same weights, go on bit for bit."""
    first, second = make(5), make(5)
    x = draw(20, 3, FEATURES)
    _, state = first.run(first.initial_state(3), x)
    copied = {
        part: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape).copy()
        for part, values in state.items()
    }
    expected, _ = first.run(state, x)
    np.testing.assert_array_equal(second.run(copied, x)[0].residual, expected.residual)


def test_inputs_are_not_written_to(scorer: Scorer) -> None:
    """Neither the state nor x is changed by a step or a run, missing values included."""
    _, state = scorer.run(scorer.initial_state(4), draw(5, 4, FEATURES))
    x = draw(6, 4, FEATURES, seed=2)
    x[0, 1, 2] = np.nan
    before = rows_of(state, slice(None)), x.copy()
    scorer.step(state, x[0])
    scorer.run(state, x)
    np.testing.assert_array_equal(x, before[1])
    assert all(np.array_equal(values, before[0][part]) for part, values in state.items())


@pytest.mark.parametrize("batch", [1, 4])
def test_results_share_no_memory(scorer: Scorer, batch: int) -> None:
    """What a step gives is the caller's: not the input's memory, not that of another result."""
    _, state = scorer.run(scorer.initial_state(batch), draw(3, batch, FEATURES))
    x = draw(2, batch, FEATURES, seed=1)
    first = scorer.step(state, x[0])
    kept = [values.copy() for values in arrays_of(*first)]
    others = [*arrays_of(*scorer.step(first[1], x[1]), *scorer.run(state, x), state), x]
    for values, copy in zip(arrays_of(*first), kept, strict=True):
        np.testing.assert_array_equal(values, copy)
        assert not any(np.shares_memory(values, other) for other in others)


def test_the_same_seed_gives_the_same_scores(make: Make) -> None:
    """Equal seeds give equal scorers, other seeds other ones."""
    x = draw(30, 2, FEATURES)
    runs = [one.run(one.initial_state(2), x)[0].residual for one in (make(1), make(1), make(2))]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.allclose(runs[0], runs[2])


def test_results_are_finite_at_the_ends_of_the_range(scorer: Scorer) -> None:
    """Scaled values at the clip, for long, give finite residuals."""
    x = np.full((200, 2, FEATURES), 3, np.float32)
    x[::2, 1] = -3
    prediction, _ = scorer.run(scorer.initial_state(2), x)
    assert np.isfinite(prediction.residual).all()
    assert np.isfinite(prediction.expected).all()


def test_a_spike_outranks_normal_points_after_a_short_fit(name: str) -> None:
    """Trained for a moment on waves, it scores an injected spike far above normal points."""
    values = waves(700)
    options = FitOptions(scorer=scorer_spec(name), epochs=15, batch=8, learning_rate=1e-2)
    checkpoint = fit(values[:600], ["a", "b", "c"], options)
    spiked = values[600:].copy()
    spiked[50, 1] += 1.0
    scorer = registry.build(checkpoint.spec, checkpoint.weights)
    x = MinMaxScaler.from_spec(checkpoint.spec.scaler).scale(
        np.concatenate([values[540:600], spiked])
    )
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    scores = np.square(prediction.residual[60:, 0]).mean(axis=1)
    # the steps right behind it still remember the spike
    assert scores[50] > 3 * np.delete(scores, np.arange(50, 60)).max()
