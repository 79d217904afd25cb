"""Blocks joined to rows, so many at a time."""

from models.blocks import Anomaly, Refusal
from service.sinks.rows import BLOCKS_AT_ONCE, ROWS_AT_ONCE, groups, rows_of
from tests.deliveries import scored, verdicts


def test_blocks_stand_under_one_another() -> None:
    """Rows keep the order of blocks, their model beside them; refused ones are left out."""
    first = scored(["a", "b"], verdicts(2, seqs=[1, 2], refusal=[Refusal.NONE, Refusal.DUPLICATE]))
    second = scored(["c"], verdicts(1, seqs=[3]))
    rows = rows_of([first, second])
    assert rows.stream_ids == ["a", "c"]
    assert rows.models == ["pumps", "pumps"]
    assert rows.seqs.tolist() == [1, 3]


def test_joining_changes_no_block() -> None:
    """What others read of a block stays as it was."""
    block = scored(["a", "b"], verdicts(2, is_anomaly=[Anomaly.YES, Anomaly.NO]))
    assert rows_of([block], only_anomalies=True).stream_ids == ["a"]
    assert block.verdicts.refusal.tolist() == [Refusal.NONE] * 2
    assert block.verdicts.is_anomaly.tolist() == [Anomaly.YES, Anomaly.NO]


def test_parts_hold_every_row_once() -> None:
    """The last part is shorter; of no rows there is none."""
    rows = rows_of([scored([str(row) for row in range(5)])])
    assert [part.stream_ids for part in rows.parts(2)] == [["0", "1"], ["2", "3"], ["4"]]
    assert list(rows.part(0, 0).parts(2)) == []


def test_groups_are_bounded_in_rows() -> None:
    """A group ends before it holds too many rows; a block that is larger stands alone."""
    sizes = [600, 300, 200, ROWS_AT_ONCE + 1, 1]
    found = groups([scored(["a"] * size) for size in sizes])
    assert [[len(block.verdicts) for block in group] for group in found] == [
        [600, 300], [200], [ROWS_AT_ONCE + 1], [1],
    ]  # fmt: skip


def test_groups_are_bounded_in_blocks() -> None:
    """Many single rows are taken in parts as well; of no blocks there is no group."""
    found = list(groups([scored(["a"])] * (BLOCKS_AT_ONCE + 1)))
    assert [len(group) for group in found] == [BLOCKS_AT_ONCE, 1]
    assert list(groups([])) == []
