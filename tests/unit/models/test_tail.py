"""z from false alarms per day: scores are in sigmas here, over windows of mean 0 and sigma 1."""

from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blocks import Float64, Int
from models.numbers import TAIL
from models.record import Record
from models.spec import TailSpec
from models.tail import DAY_US, JOINED_STEPS, Tail
from models.tail_fit import tail_of
from tests.unit.models.test_tail_fit import clustered, pareto

SPEC = TailSpec(start=2.0, shape=0.1, excess=1.5, gap=50.0, clusters=100)
STEP_S = 60.0
SEVEN = (*TAIL, "z", "asked")


def asked_for(spec: TailSpec, ratio: float, step_s: float = STEP_S) -> float:
    """Give the false alarms per day by which one cluster in so many is an alarm."""
    return DAY_US / (spec.gap * ratio * step_s * 1e6)


@dataclass
class Streams:
    """Streams that only the tail knows; z 5 where nothing is asked for."""

    asked: list[float]
    spec: TailSpec | None = SPEC
    is_one: bool = False
    step_us: float = 0.0
    record: Record = field(default_factory=Record)
    alarms: Int = field(init=False)

    def __post_init__(self) -> None:
        self.tail = Tail(self.spec, STEP_S)
        self.slots = np.arange(len(self.asked))
        self.alarms = np.zeros(len(self.asked), np.int64)
        self.record.grow(len(self.asked))
        columns = self.record.columns(self.slots)
        columns.z[:], columns.asked[:], columns.step_us[:] = 5.0, self.asked, self.step_us
        self.tail.begin(columns)
        self.tail.set_z(columns)
        self.record.put(self.slots, columns)

    @property
    def z(self) -> Float64:
        found: Float64 = self.record["z"][self.slots].copy()
        return found

    def take(self, sigmas: Float64) -> None:
        """Learn from scores, `[T, B]`."""
        for row in sigmas:
            self.alarms += row > self.z
            if self.is_one:
                self._take_one_by_one(row)
            else:
                columns = self.record.columns(self.slots)
                self.tail.keep_up(columns, row, columns.z.copy())
                self.record.put(self.slots, columns)

    def _take_one_by_one(self, row: Float64) -> None:
        for slot, sigmas in zip(self.slots.tolist(), row.tolist(), strict=True):
            one = self.record.one(slot)
            self.tail.keep_up_one(one, sigmas, one.z, one.step_us)
            self.record.put_one(slot, one)

    def state(self, slots: Int) -> dict[str, Float64]:
        return self.record.gather(slots, SEVEN)


def fresh(streams: int, clusters: int, spec: TailSpec, seed: int = 0) -> Float64:
    """Draw scores with as many clusters of one score each, `[T, B]`, of this tail."""
    random = np.random.default_rng(seed)
    shape = (clusters * round(spec.gap), streams)
    sigmas = random.uniform(-spec.start, spec.start, shape)
    excess = pareto(clusters * streams, spec.shape, spec.excess, seed + 1)
    sigmas[:: round(spec.gap)] = spec.start + excess.reshape(clusters, streams)
    return sigmas


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
@pytest.mark.parametrize("ratio", [5.0, 20.0])
def test_fresh_draws_of_the_same_tail_exceed_z_as_often_as_asked(
    shape: float, ratio: float
) -> None:
    """About a thousand alarms are counted, kept up all the while."""
    spec = msgspec.structs.replace(SPEC, shape=shape)
    streams = Streams([asked_for(spec, ratio)] * 200, spec)
    clusters = round(5 * ratio)
    streams.take(fresh(200, clusters, spec))
    assert streams.alarms.sum() == pytest.approx(200 * clusters / ratio, rel=0.15)


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_a_fitted_tail_gives_the_asked_rate(shape: float) -> None:
    """From two thousand clusters of a first part to as many of a second one."""
    spec = tail_of(clustered(2000, shape, 1.5, seed=5))
    assert spec is not None
    streams = Streams([asked_for(spec, 20.0)], spec)
    later = clustered(4000, shape, 1.5, seed=6)
    assert (later > streams.z[0]).sum() == pytest.approx(4000 / 20, rel=0.35)


@pytest.mark.parametrize("wrong", [{"excess": 0.7}, {"excess": 3.0}, {"gap": 4.0}, {"gap": 40.0}])
def test_what_validation_scores_told_wrong_is_learned(wrong: dict[str, float]) -> None:
    """After some thousand clusters the rate is the asked one, whatever it was at first."""
    true = msgspec.structs.replace(SPEC, gap=12.0)
    spec = msgspec.structs.replace(true, **wrong)
    streams = Streams([asked_for(true, 10.0)] * 50, spec)
    sigmas = fresh(50, 2700, true)
    streams.take(sigmas[:30_000])
    streams.alarms[:] = 0
    streams.take(sigmas[30_000:])
    assert streams.alarms.sum() == pytest.approx(50 * 20, rel=0.15)


def test_more_alarms_asked_for_are_a_lower_level_and_none_below_the_start() -> None:
    """Down to where the tail begins, below which nothing is known of it."""
    asked = [0.1, 1.0, 10.0, 29.0, 1e3, 1e9]
    z = Streams(asked).z.tolist()
    assert z == sorted(z, reverse=True)
    assert z[3] == SPEC.start
    assert z[-1] == SPEC.start


@pytest.mark.parametrize("is_one", [False, True])
def test_z_stays_above_the_start_whatever_comes(is_one: bool) -> None:
    """Long calm, one cluster on the next, and scores beyond all bounds."""
    streams = Streams([0.01, 30.0, 1e9], is_one=is_one)
    for sigmas in (2.001, 1e12, np.inf, -1e12):
        row = np.zeros((12, 3))
        row[0] = sigmas
        streams.take(np.tile(row, (60, 1)))
        assert np.isfinite(streams.z).all()
        assert (streams.z >= SPEC.start).all()


@pytest.mark.parametrize("is_one", [False, True])
def test_streams_nothing_is_asked_of_stay_as_they_are(is_one: bool) -> None:
    """Level and all tail numbers, bit for bit, also among others that learn."""
    streams = Streams([0.0, 1.0, 0.0, 20.0], is_one=is_one)
    quiet, asked = np.array([0, 2]), np.array([1, 3])
    before, others = streams.state(quiet), streams.state(asked)
    streams.take(fresh(4, 8, SPEC))
    after = streams.state(quiet)
    assert all(after[name].tobytes() == before[name].tobytes() for name in SEVEN)
    assert (streams.state(asked)["z"] != others["z"]).all()
    assert after["z"].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("is_one", [False, True])
def test_alarms_do_not_teach_how_high_the_tail_is(is_one: bool) -> None:
    """Neither a single one nor one after another, however z moves meanwhile."""
    for every in (JOINED_STEPS + 2, 49, 400):
        streams = Streams([1.0], is_one=is_one)
        sigmas = np.zeros((every, 1))
        sigmas[0] = 1e6
        streams.take(np.tile(sigmas, (5, 1)))
        assert streams.alarms.tolist() == [5]
        assert streams.state(streams.slots)["excess"].tolist() == [SPEC.excess]


@pytest.mark.parametrize("is_one", [False, True])
def test_an_alarm_in_a_cluster_keeps_all_of_it_from_teaching(is_one: bool) -> None:
    """Whether it is the first of its scores or the last."""
    for cluster in ([1e3, 2.5, 2.5], [2.5, 2.5, 1e3]):
        streams = Streams([1.0], is_one=is_one)
        streams.take(np.array([*cluster, *[0.0] * 30])[:, None])
        assert streams.state(streams.slots)["excess"].tolist() == [SPEC.excess]


@pytest.mark.parametrize("is_one", [False, True])
def test_the_highest_of_a_cluster_teaches_once_it_is_over(is_one: bool) -> None:
    """Ten calm steps may still be followed by more of it."""
    streams = Streams([1.0], is_one=is_one)
    streams.take(np.array([[2.5], [3.5], *[[0.0]] * JOINED_STEPS]))
    assert streams.state(streams.slots)["excess"].tolist() == [SPEC.excess]
    streams.take(np.zeros((1, 1)))
    low = streams.state(streams.slots)["excess"][0]
    assert low == pytest.approx(SPEC.excess, rel=0.01)
    assert low != SPEC.excess
    high = Streams([1.0], is_one=is_one)
    high.take(np.array([[3.5], [2.5], *[[0.0]] * (JOINED_STEPS + 1)]))
    assert high.state(high.slots)["excess"][0] == pytest.approx(low)


def test_nan_teaches_nothing() -> None:
    """Nor does it count as a calm step."""
    streams = Streams([1.0, 2.0])
    streams.take(fresh(2, 3, SPEC))
    before = streams.state(streams.slots)
    streams.take(np.full((30, 2), np.nan))
    after = streams.state(streams.slots)
    assert all(after[name].tobytes() == before[name].tobytes() for name in SEVEN)


def test_without_validation_scores_there_is_a_tail_all_the_same() -> None:
    """One false alarm a day of an observation a minute is z 8.3."""
    streams = Streams([1.0, 0.1, 1440.0, 0.0], spec=None)
    z = streams.z
    assert z[0] == pytest.approx(8.3, abs=0.05)
    assert z[1] > z[0]
    assert z[2] == pytest.approx(3.0)
    assert z[3] == 5.0


def test_the_step_of_a_stream_counts_once_it_is_known() -> None:
    """Ten times as many observations a day need the level of a tenth of the alarms."""
    often = Streams([1.0], step_us=STEP_S * 1e5)
    usual = Streams([0.1])
    assert often.z == pytest.approx(usual.z)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([-0.3, 0.0, 0.2, 0.5]),
    spec=st.booleans(),
)
def test_one_stream_in_plain_numbers_is_one_of_many(seed: int, shape: float, spec: bool) -> None:
    """Clusters, alarms, NaN and infinity in any order; the same numbers at the end."""
    random = np.random.default_rng(seed)
    asked = random.choice([0.0, 0.1, 1.0, 30.0, 500.0], 6).tolist()
    tail = msgspec.structs.replace(SPEC, shape=shape) if spec else None
    sigmas = random.normal(0.0, 1.5, (120, 6))
    sigmas[random.random(sigmas.shape) < 0.05] *= 5
    sigmas[random.random(sigmas.shape) < 0.02] = np.nan
    sigmas[random.random(sigmas.shape) < 0.01] = np.inf
    many, ones = Streams(asked, tail), Streams(asked, tail, is_one=True)
    for streams in (many, ones):
        streams.take(sigmas)
    other = ones.state(ones.slots)
    for name, values in many.state(many.slots).items():
        np.testing.assert_allclose(values, other[name], rtol=1e-12, err_msg=name)
