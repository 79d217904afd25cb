import numpy as np
import pytest

from models.bank import StreamBank
from models.blocks import Float64, Int
from models.options import StreamOptions
from models.recent import Recent
from models.record import Record
from models.scaler import MinMaxScaler
from models.spec import REFERENCE_STEPS, ScalerSpec
from tests.fakes import block, make_checkpoint, normal_values

SLOTS = np.array([2, 0])
SEEN = np.zeros(len(SLOTS), np.int64)
SCALER = MinMaxScaler.from_spec(ScalerSpec(minimum=[0.0, 10.0], maximum=[1.0, 30.0]))


class Rings(Recent):
    """Rings with a record of their own."""

    def __init__(self) -> None:
        self.record = Record()
        super().__init__(SCALER, self.record)
        self.record.grow(4)
        self.grow(4)

    def keep(self, slots: Int, values: Float64) -> None:
        """Keep one raw observation of each of these slots."""
        columns = self.record.columns(slots)
        self.push(slots, columns, SCALER.scaled(values).shares)
        self.record.put(slots, columns)


def filled(steps: int) -> Rings:
    recent = Rings()
    recent.begin(SLOTS)
    for row in normal_values(steps, 2):
        recent.keep(SLOTS, np.array([row, 2 * row]))
    return recent


@pytest.mark.parametrize("steps", [0, 1, 59, 60, 61, 150])
def test_the_last_sixty_are_held_in_order(steps: int) -> None:
    """The newest stands last, whatever went round the ring before."""
    held = filled(steps).block(SLOTS, SEEN)
    kept = min(steps, REFERENCE_STEPS)
    assert held.held.tolist() == [kept, kept]
    expected = normal_values(steps, 2)[steps - kept :]
    np.testing.assert_allclose(held.raw()[0, REFERENCE_STEPS - kept :], expected, atol=1e-5)
    np.testing.assert_allclose(held.raw()[1, REFERENCE_STEPS - kept :], 2 * expected, atol=1e-5)


@pytest.mark.parametrize("steps", [0, 7, 60, 61, 150])
def test_what_is_put_elsewhere_is_the_same_and_goes_on(steps: int) -> None:
    """Bit for bit, and after further observations too."""
    first, second = filled(steps), Rings()
    second.put(SLOTS, first.block(SLOTS, SEEN))
    for more in normal_values(5, 2, seed=1):
        for recent in (first, second):
            recent.keep(SLOTS, np.array([more, more]))
        one, other = first.block(SLOTS, SEEN), second.block(SLOTS, SEEN)
        assert one.held.tolist() == other.held.tolist()
        held = int(one.held[0])
        assert (one.shares[:, -held:] == other.shares[:, -held:]).all()


@pytest.mark.parametrize("pieces", [[1], [5, 1, 70], [59, 1, 1], [61], [130]])
def test_many_at_once_are_kept_like_one_after_another(pieces: list[int]) -> None:
    """A run of one stream leaves what its rows leave one by one."""
    one, other, slot = filled(7), filled(7), SLOTS[:1]
    for seed, size in enumerate(pieces):
        values = normal_values(size, 2, seed=seed)
        for row in values:
            one.keep(slot, row[None])
        numbers = other.record.one(int(slot[0]))
        other.push_one(int(slot[0]), numbers, SCALER.scaled(values).shares)
        other.record.put_one(int(slot[0]), numbers)
    assert one["ring"].tobytes() == other["ring"].tobytes()
    assert one.record["pushed"].tolist() == other.record["pushed"].tolist()


def test_values_far_outside_and_missing_are_kept() -> None:
    """Nothing is clipped to what this scorer can tell apart; what floats can't hold is cut."""
    recent = Rings()
    for values in ([500.0, np.nan], [-1e300, 1e300]):
        recent.keep(np.array([0]), np.array([values]))
    raw = recent.block(np.array([0]), np.array([0])).raw()[0, -2:]
    assert raw[0, 0] == 500.0
    assert np.isnan(raw[0, 1])
    assert np.isfinite(raw[1]).all()
    assert (np.sign(raw[1]) == [-1, 1]).all()


def test_fresh_counts_what_came_since() -> None:
    """Of the same run what was pushed since; of another, or of too many, all that is held."""
    held = filled(70).block(SLOTS, SEEN)
    begun, pushed = held.begun, held.pushed
    assert held.fresh(begun, pushed).tolist() == [0, 0]
    assert held.fresh(begun, pushed - np.array([3, 60])).tolist() == [3, 60]
    assert held.fresh(begun, pushed - np.array([61, 70])).tolist() == [60, 60]
    assert held.fresh(begun - 1, pushed).tolist() == [60, 60]


def test_a_run_begins_with_nothing_and_a_number_of_its_own() -> None:
    """Beginning again forgets, and can be told apart even by the same count."""
    recent = filled(5)
    before = recent.block(SLOTS, SEEN)
    recent.begin(SLOTS[:1])
    after = recent.block(SLOTS, SEEN)
    assert after.held.tolist() == [0, 5]
    assert (after.begun != before.begun).tolist() == [True, False]


def test_a_gap_and_a_reset_begin_a_run() -> None:
    """What came before a gap does not go on; the bank tells the run and the count."""
    bank = StreamBank(make_checkpoint())
    slot = np.array([0])
    bank.start(slot, StreamOptions())
    bank.advance(block(0, normal_values(20), times=range(60, 80)))
    (begun,), (pushed,) = bank.runs(slot)
    assert pushed == 20
    bank.advance(block(0, normal_values(1), times=[10_000]))
    (after,), (left,) = bank.runs(slot)
    assert (after != begun, left) == (True, 1)
    bank.start(slot, StreamOptions())
    assert bank.runs(slot)[1].tolist() == [0]
    assert bank.runs(slot)[0][0] not in (begun, after)
