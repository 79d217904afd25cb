"""Many streams at once, in any mixture, get what each gets alone."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bank import StreamBank
from models.blocks import MAX_TIME, NO_TIME, Float64, ObservationBlock, Refusal, VerdictBlock
from models.checkpoint import Checkpoint
from models.options import Start, StreamOptions
from models.snapshot import WHOLE, SnapshotFormat
from models.spec import ScoringSpec, ThresholdSpec
from tests.fakes import block, make_checkpoint, normal_values

STREAMS, STEPS = 20, 80
CHECKPOINT: Checkpoint = make_checkpoint()
OFTEN = 4e7
"""False alarms per day of streams with an observation every few microseconds."""
TAILED: Checkpoint = make_checkpoint(
    threshold=ThresholdSpec(window=120, false_alarms_per_day=OFTEN),
    scoring=ScoringSpec(rule="top", top=2),
)
UNSMOOTHED: Checkpoint = make_checkpoint(
    threshold=ThresholdSpec(window=120, false_alarms_per_day=OFTEN),
    scoring=ScoringSpec(rule="standardised", smoothing=None),
)
checkpoints = st.sampled_from([CHECKPOINT, TAILED, UNSMOOTHED])
BAD_VALUES = {
    Refusal.NOT_FINITE: [0.5, np.inf, 0.5],
    Refusal.TOO_MANY_MISSING: [np.nan, np.nan, 0.5],
}
seeds = st.integers(0, 2**32 - 1)


@dataclass
class _Row:
    stream: int
    time: int
    values: Float64
    refusal: Refusal = Refusal.NONE


@dataclass
class _Plan:
    """Rows of all streams in the order they are sent, and how each stream starts."""

    options: list[StreamOptions]
    rows: list[_Row] = field(default_factory=list)

    def of(self, stream: int) -> list[_Row]:
        """The rows of one stream that are to be taken."""
        return [row for row in self.rows if row.stream == stream and not row.refusal]


def _plan(generator: np.random.Generator, bad_share: float) -> _Plan:
    """Draw streams with normal values, spikes and gaps in them, mixed with bad rows."""
    plan = _Plan(
        [
            StreamOptions(
                start="own" if generator.random() < 0.5 else "reference",
                policy=generator.choice(["clip", "all", "exclude"]),
                prime=bool(generator.random() < 0.7),
                z=1.0 if generator.random() < 0.3 else None,
                false_alarms_per_day=50 * OFTEN if generator.random() < 0.3 else None,
            )
            for _ in range(STREAMS)
        ]
    )
    values = normal_values(STREAMS * STEPS, seed=int(generator.integers(2**32)))
    values[generator.random(len(values)) < 0.03] += 4.0
    values[generator.random(len(values)) < 0.1, 1] = np.nan
    last = np.zeros(STREAMS, np.int64)
    for at, stream in enumerate(generator.permutation(np.arange(STREAMS).repeat(STEPS))):
        while generator.random() < bad_share:
            plan.rows.append(_bad(generator, int(stream), int(last[stream])))
        last[stream] += generator.integers(1, 5)
        plan.rows.append(_Row(int(stream), int(last[stream]), values[at]))
    return plan


def _bad(generator: np.random.Generator, stream: int, last: int) -> _Row:
    """Draw a row the bank must refuse, given the last time of its stream (0: none yet)."""
    kinds = [Refusal.NOT_FINITE, Refusal.TOO_MANY_MISSING, Refusal.TIME_OUT_OF_RANGE]
    kinds += [Refusal.OUT_OF_ORDER, Refusal.DUPLICATE] if last else []
    refusal = kinds[generator.integers(len(kinds))]
    times = {Refusal.TIME_OUT_OF_RANGE: MAX_TIME + 1, Refusal.OUT_OF_ORDER: last - 1}
    time = times.get(refusal, last if refusal is Refusal.DUPLICATE else last + 1)
    values = np.asarray(BAD_VALUES.get(refusal, [0.1, 0.9, 0.5]))
    return _Row(stream, time, values, refusal)


def _block(rows: list[_Row], slots: list[int]) -> ObservationBlock:
    values = np.asarray([row.values for row in rows]).reshape(-1, 3)
    return block(slots, values, times=[row.time for row in rows])


def _started(plan: _Plan, slots: list[int], checkpoint: Checkpoint = CHECKPOINT) -> StreamBank:
    bank = StreamBank(checkpoint)
    for stream, slot in enumerate(slots):
        bank.start(np.array([slot]), plan.options[stream])
    return bank


def _sent_in_pieces(
    plan: _Plan, slots: list[int], generator: np.random.Generator, checkpoint: Checkpoint
) -> list[VerdictBlock]:
    """Send all rows in blocks of random sizes, among them empty and single ones.

    Now and then all streams go on in another bank, from their snapshots as they are stored.
    """
    bank, verdicts, done = _started(plan, slots, checkpoint), list[VerdictBlock](), 0
    while done < len(plan.rows):
        if generator.random() < 0.1:
            bank = _restored(bank, plan, slots, checkpoint)
        size = int(generator.choice([0, 1, 2, 7, 40, 200]))
        rows = plan.rows[done : done + size]
        verdicts.append(bank.advance(_block(rows, [slots[row.stream] for row in rows])))
        done += size
    return verdicts


def _restored(
    bank: StreamBank, plan: _Plan, slots: list[int], checkpoint: Checkpoint
) -> StreamBank:
    layout, other = SnapshotFormat.of(bank), StreamBank(checkpoint)
    for stream, slot in enumerate(slots):
        at = np.array([slot])
        parts = layout.encode(bank.snapshot(at), np.array([WHOLE]), np.array([True]))
        other.restore(at, layout.decode(parts), plan.options[stream])
    return other


def _joined(verdicts: list[VerdictBlock], column: str) -> Float64:
    joined: Float64 = np.concatenate([getattr(part, column) for part in verdicts])
    return joined


@settings(max_examples=8, deadline=None)
@given(seed=seeds, bad_share=st.sampled_from([0.0, 0.2]), checkpoint=checkpoints)
def test_streams_in_any_mixture_get_what_each_gets_alone(
    seed: int, bad_share: float, checkpoint: Checkpoint
) -> None:
    """Twenty streams, interleaved and batched at random among bad rows, are as if alone."""
    generator = np.random.default_rng(seed)
    plan = _plan(generator, bad_share)
    slots = generator.permutation(STREAMS + 5)[:STREAMS].tolist()
    verdicts = _sent_in_pieces(plan, slots, generator, checkpoint)
    assert _joined(verdicts, "refusal").tolist() == [row.refusal for row in plan.rows]
    for stream in range(STREAMS):
        places = [
            at
            for at, row in enumerate(plan.rows)
            if row.stream == stream and row.refusal is Refusal.NONE
        ]
        lonely = StreamBank(checkpoint)
        lonely.start(np.array([0]), plan.options[stream])
        alone = [lonely.advance(_block([row], [0])) for row in plan.of(stream)]
        for column in ("phase", "done", "of", "times", "shifted_since"):
            assert _joined(verdicts, column)[places].tolist() == _joined(alone, column).tolist()
        for column in ("score", "smoothed", "threshold", "severity"):
            np.testing.assert_allclose(
                _joined(verdicts, column)[places], _joined(alone, column), rtol=1e-4, atol=1e-7
            )


@settings(max_examples=15, deadline=None)
@given(
    seed=seeds,
    bad_share=st.sampled_from([0.0, 0.05]),
    start=st.sampled_from(["own", "reference"]),
    checkpoint=checkpoints,
)
def test_a_long_block_of_one_stream_is_its_rows_one_by_one(
    seed: int, bad_share: float, start: Start, checkpoint: Checkpoint
) -> None:
    """Washout, gaps, missing values and refused rows in the middle of it included."""
    generator = np.random.default_rng(seed)
    values = normal_values(200, seed=seed)
    values[generator.random(values.shape) < bad_share / 3] = np.nan
    values[generator.random(200) < bad_share] *= 1e301
    values[generator.random(200) < bad_share] += 9.0
    steps = np.where(generator.random(200) < bad_share, generator.integers(-3, 40, 200), 1)
    times = np.where(generator.random(200) < bad_share, NO_TIME, 1_000_000 * np.cumsum(steps))
    explain = generator.random(200) < 0.1
    whole = replace(block(0, values, times=times), explain=explain)
    one, other = StreamBank(checkpoint), StreamBank(checkpoint)
    for bank in (one, other):
        bank.start(np.array([0]), StreamOptions(start=start))
    together = one.advance(whole)
    apart = [other.advance(whole.taken(np.array([row]))) for row in range(200)]
    for column in ("refusal", "phase", "done", "of", "times", "is_anomaly", "shifted_since"):
        assert getattr(together, column).tolist() == _joined(apart, column).tolist()
    for column in ("score", "smoothed", "threshold", "severity"):
        np.testing.assert_allclose(getattr(together, column), _joined(apart, column), rtol=1e-4)
    explained = [row for row, part in enumerate(apart) if len(part.explanations.rows)]
    assert together.explanations.rows.tolist() == explained
    for name in one.slabs["record"].layout:
        np.testing.assert_allclose(
            one.slabs["record"][name][0], other.slabs["record"][name][0], rtol=1e-4, err_msg=name
        )


def _slabs(bank: StreamBank) -> dict[str, bytes]:
    return {
        f"{part} {name}": slab[name].tobytes()
        for part, slab in bank.slabs.items()
        for name in slab.layout
    }


@settings(max_examples=25, deadline=None)
@given(seed=seeds, size=st.sampled_from([1, 3, 60]))
def test_bad_rows_leave_the_state_bit_for_bit_as_it_was(seed: int, size: int) -> None:
    """A block of nothing but bad rows is refused row by row and changes not one bit."""
    generator = np.random.default_rng(seed)
    plan = _Plan([StreamOptions(start="reference"), StreamOptions()])
    bank = _started(plan, [0, 1])
    bank.advance(block([0, 1] * 70, normal_values(140), times=np.arange(140) // 2 + 1))
    before = _slabs(bank)
    bad = [_bad(generator, int(generator.integers(2)), last=70) for _ in range(size)]
    verdicts = bank.advance(_block(bad, [row.stream for row in bad]))
    assert verdicts.refusal.tolist() == [row.refusal for row in bad]
    assert verdicts.n_taken == len(verdicts.explanations.rows) == 0
    assert _slabs(bank) == before


@settings(max_examples=20, deadline=None)
@given(seed=seeds, height=st.floats(-1e300, 1e300))
def test_a_value_never_moves_the_threshold_it_is_judged_by(seed: int, height: float) -> None:
    """Whatever comes, the threshold in its verdict is that of the scores before it."""
    values = normal_values(30, seed=seed)
    banks = [StreamBank(CHECKPOINT) for _ in range(2)]
    for bank in banks:
        bank.start(np.array([0]), StreamOptions(start="reference"))
        bank.advance(block(0, values))
    normal = banks[0].advance(block(0, [[0.5, 0.5, 0.5]]))
    other = banks[1].advance(block(0, [[0.5, height, 0.5]]))
    assert normal.threshold == pytest.approx(other.threshold, rel=0, abs=0)
