import numpy as np

from models.rounds import FEW, Rounds


def parts(slots: list[int]) -> list[list[int]]:
    return [rows.tolist() for rows in Rounds().parts(np.array(slots, np.int64))]


def test_different_streams_are_one_part() -> None:
    """Rows of different streams go together, in the order they came."""
    assert parts([5, 2, 9]) == [[0, 1, 2]]


def test_many_streams_are_taken_in_rounds() -> None:
    """Part k holds the k-th row of each stream that has one, rows ascending."""
    slots = [*range(2 * FEW, 0, -1), *range(1, 2 * FEW)]
    first, second = parts(slots)
    assert first == list(range(2 * FEW))
    assert second == list(range(2 * FEW, len(slots)))


def test_few_streams_are_taken_one_after_another() -> None:
    """Long pieces of few streams are a part a stream, in the order of the rows."""
    assert parts([7, 3, 7, 3, 7, 1]) == [[5], [1, 3], [0, 2, 4]]
    assert parts([0, 0, 0]) == [[0, 1, 2]]


def test_rows_in_the_order_of_slots_are_one_part() -> None:
    """As a gateway sends them; nothing is sorted."""
    assert parts([1, 2, 9]) == [[0, 1, 2]]
    assert parts([4]) == [[0]]


def test_a_stream_that_catches_up_among_many_does_not_part_them() -> None:
    """Many single rows go together, whatever one of them brings beside."""
    slots = [0] * 500 + list(range(1, 400))
    found = parts(slots)
    assert len(found) == 2
    assert found[0] == [0, *range(500, 899)]
    assert found[1] == list(range(1, 500))


def test_every_row_stands_in_one_part_and_a_streams_rows_keep_their_order() -> None:
    """Whatever the mixture."""
    generator = np.random.default_rng(0)
    for size in (5, 50, 500):
        slots = np.minimum(generator.geometric(0.1, size), generator.integers(1, 40, size))
        found = parts(slots.tolist())
        rows = np.concatenate([np.array(part) for part in found])
        assert sorted(rows.tolist()) == list(range(size))
        for slot in set(slots.tolist()):
            mine = rows[slots[rows] == slot]
            assert (np.diff(mine) > 0).all()
        for part in found:
            assert len(set(slots[part].tolist())) in (1, len(part))
