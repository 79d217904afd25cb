"""What every scorer of the registry promises; a new row there is tested before its author does."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models import registry
from models.base import Scorer, State
from models.blocks import Float32
from models.epochs import FitOptions
from models.fit import fit
from models.scaler import MinMaxScaler
from models.scoring import scoring
from models.spec import ScalerSpec, ScorerSpec, Spec
from tests.fakes import random_weights

FEATURES = 3
SIZES = {"gru": {"hidden": 8}}
Make = Callable[[int], Scorer]


@pytest.fixture(params=sorted(registry.SCORERS))
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def make(name: str) -> Make:
    """Build an untrained scorer by its seed."""

    def made(seed: int) -> Scorer:
        bounds = ScalerSpec(minimum=[0.0] * FEATURES, maximum=[1.0] * FEATURES)
        sizes = ScorerSpec(name=name, sizes=SIZES[name])
        spec = Spec(metrics=["a", "b", "c"], scaler=bounds, scorer=sizes)
        return registry.build(spec, random_weights(spec, seed))

    return made


@pytest.fixture
def scorer(make: Make) -> Scorer:
    return make(0)


def _draw(*shape: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).uniform(-1, 2, shape).astype(np.float32)


def _of(state: State, rows: Any) -> State:
    return {name: values[rows].copy() for name, values in state.items()}


def _arrays(*parts: Any) -> list[np.ndarray[Any, Any]]:
    """Lay bare every array of predictions and states."""
    found: list[np.ndarray[Any, Any]] = []
    for part in parts:
        if isinstance(part, dict):
            found += part.values()
        else:
            found += [part.residual, part.expected, part.valid]
    return found


def _assert_close(left: Any, right: Any) -> None:
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def _assert_same(left: State, right: State) -> None:
    assert left.keys() == right.keys()
    for part, values in left.items():
        _assert_close(values, right[part])


def test_shapes_and_dtypes_are_those_of_the_contract(scorer: Scorer) -> None:
    """Results are float32 `[B, K]`, `[B, F]` and bool `[B]`; the state follows its layout."""
    prediction, state = scorer.step(scorer.initial_state(5), _draw(5, FEATURES))
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
    _, state = scorer.run(scorer.initial_state(17), _draw(10, 17, FEATURES))
    x = _draw(17, FEATURES, seed=1)
    together, after = scorer.step(state, x)
    for row in range(17):
        one = slice(row, row + 1)
        alone, after_alone = scorer.step(_of(state, one), x[one])
        _assert_close(together.residual[one], alone.residual)
        _assert_close(together.expected[one], alone.expected)
        _assert_same(_of(after, one), after_alone)


def test_interleaved_streams_are_isolated(scorer: Scorer) -> None:
    """Streams that take turns at random get what each gets alone."""
    generator = np.random.default_rng(3)
    x = _draw(30, 4, FEATURES)
    alone = [scorer.run(scorer.initial_state(1), x[:, [row]])[0] for row in range(4)]
    states, done = scorer.initial_state(4), np.zeros(4, np.int64)
    while (done < 30).any():
        rows = np.flatnonzero((generator.random(4) < 0.5) & (done < 30))
        prediction, after = scorer.step(_of(states, rows), x[done[rows], rows])
        for part, values in after.items():
            states[part][rows] = values
        for at, row in enumerate(rows):
            expected = alone[row].residual[done[row], 0]
            _assert_close(prediction.residual[at], expected)
        done[rows] += 1


def test_running_equals_stepping(scorer: Scorer) -> None:
    """T observations at once equal T steps, results and state."""
    x = _draw(25, 6, FEATURES)
    x[7, 2, 1] = np.nan
    prediction, final = scorer.run(scorer.initial_state(6), x)
    state = scorer.initial_state(6)
    for t in range(25):
        at_t, state = scorer.step(state, x[t])
        _assert_close(prediction.residual[t], at_t.residual)
        _assert_close(prediction.expected[t], at_t.expected)
        np.testing.assert_array_equal(prediction.valid[t], at_t.valid)
    _assert_same(final, state)


def test_a_state_copied_out_and_in_continues_identically(make: Make) -> None:
    """Bytes of the state, put into another scorer of the same weights, go on bit for bit."""
    first, second = make(5), make(5)
    x = _draw(20, 3, FEATURES)
    _, state = first.run(first.initial_state(3), x)
    copied = {
        part: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape).copy()
        for part, values in state.items()
    }
    expected, _ = first.run(state, x)
    np.testing.assert_array_equal(second.run(copied, x)[0].residual, expected.residual)


def test_inputs_are_not_written_to(scorer: Scorer) -> None:
    """Neither the state nor x is changed by a step or a run, missing values included."""
    _, state = scorer.run(scorer.initial_state(4), _draw(5, 4, FEATURES))
    x = _draw(6, 4, FEATURES, seed=2)
    x[0, 1, 2] = np.nan
    before = _of(state, slice(None)), x.copy()
    scorer.step(state, x[0])
    scorer.run(state, x)
    np.testing.assert_array_equal(x, before[1])
    assert all(np.array_equal(values, before[0][part]) for part, values in state.items())


@pytest.mark.parametrize("batch", [1, 4])
def test_results_share_no_memory(scorer: Scorer, batch: int) -> None:
    """What a step gives is the caller's: not the input's memory, not that of another result."""
    _, state = scorer.run(scorer.initial_state(batch), _draw(3, batch, FEATURES))
    x = _draw(2, batch, FEATURES, seed=1)
    first = scorer.step(state, x[0])
    kept = [values.copy() for values in _arrays(*first)]
    others = [*_arrays(*scorer.step(first[1], x[1]), *scorer.run(state, x), state), x]
    for values, copy in zip(_arrays(*first), kept, strict=True):
        np.testing.assert_array_equal(values, copy)
        assert not any(np.shares_memory(values, other) for other in others)


def test_the_same_seed_gives_the_same_scores(make: Make) -> None:
    """Equal seeds give equal scorers, other seeds other ones."""
    x = _draw(30, 2, FEATURES)
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


@pytest.mark.parametrize("steps_before", [0, 12])
def test_missing_values_are_replaced_by_the_expectation(scorer: Scorer, steps_before: int) -> None:
    """Where x is NaN the residual is 0 and the stream goes on as if the expected had come."""
    _, state = scorer.run(scorer.initial_state(2), _draw(steps_before, 2, FEATURES))
    x = _draw(2, FEATURES, seed=4)
    expected = scorer.step(state, x)[0].expected
    x[0, 1] = np.nan
    filled = np.where(np.isnan(x), expected, x)
    prediction, after = scorer.step(state, x)
    reference, after_filled = scorer.step(state, filled)
    assert prediction.residual[0, 1] == 0
    _assert_close(prediction.residual, reference.residual)
    _assert_close(prediction.expected, expected)
    _assert_same(after, after_filled)


@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (2, 4), (3, 3), (0, 3), (2, 2, 3), (1, 2, 3)])
def test_a_wrong_shape_of_x_is_refused_by_step(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """For a state of two streams, a step takes `[2, F]` and nothing else."""
    with pytest.raises(ValueError, match="does not fit"):
        scorer.step(scorer.initial_state(2), np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (5, 2, 2), (5, 3, 3), (5, 2, 2, 3)])
def test_a_wrong_shape_of_x_is_refused_by_run(scorer: Scorer, shape: tuple[int, ...]) -> None:
    """For a state of two streams, a run takes `[T, 2, F]` and nothing else."""
    with pytest.raises(ValueError, match="does not fit"):
        scorer.run(scorer.initial_state(2), np.zeros(shape, np.float32))


def test_a_wrong_shape_of_the_state_is_refused(scorer: Scorer) -> None:
    """Each part of the state must be as long as x."""
    for part in scorer.state_layout:
        broken = scorer.initial_state(2) | {part: scorer.initial_state(3)[part]}
        with pytest.raises(ValueError, match="does not fit"):
            scorer.step(broken, _draw(2, FEATURES))


def test_a_spike_outranks_normal_points_after_a_short_fit(name: str) -> None:
    """Trained for a moment on sines, it scores an injected spike far above normal points."""
    steps = np.arange(700)[:, None]
    values = np.sin(steps / [4.0, 7.0, 11.0])
    options = FitOptions(
        scorer=ScorerSpec(name=name, sizes=SIZES[name]), epochs=15, batch=8, learning_rate=1e-2
    )
    checkpoint = fit(values[:600], ["a", "b", "c"], options)
    spiked = values[600:].copy()
    spiked[50, 1] += 1.0
    scorer = registry.build(checkpoint.spec, checkpoint.weights)
    x = MinMaxScaler.from_spec(checkpoint.spec.scaler).scale(
        np.concatenate([values[540:600], spiked])
    )
    prediction, _ = scorer.run(scorer.initial_state(1), x[:, None])
    rule = scoring(checkpoint.spec.scoring.rule)
    scores = rule.score(prediction.residual[60:, 0], checkpoint.residual_scale[None])
    # the steps right behind it still remember the spike
    assert scores[50] > 3 * np.delete(scores, np.arange(50, 60)).max()
