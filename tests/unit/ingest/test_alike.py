import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.blocks import NO_SEQ, NO_TIME
from service.ingest.alike import columns_of_alike
from service.ingest.rows import columns_of
from service.ingest.schemas import Observation

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.one_of(NUMBERS, st.floats(0, 4e9), st.integers(0, 2**40).map(lambda one: one / 64))


def observations(stream_ids: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[Observation]]:
    """Make rows that are alike most of the time."""
    kinds = st.tuples(st.integers(0, 4), st.booleans(), st.booleans())

    def rows(kind: tuple[int, bool, bool]) -> st.SearchStrategy[list[Observation]]:
        width, has_time, has_seq = kind
        lists = st.lists(st.one_of(st.none(), NUMBERS), min_size=width, max_size=width)
        row = st.builds(
            Observation,
            values=lists,
            stream_id=stream_ids,
            timestamp=TIMES if has_time else st.none(),
            seq=st.integers(0, 2**63 - 1) if has_seq else st.none(),
        )
        return st.lists(row, min_size=1, max_size=8)

    return kinds.flatmap(rows)


@given(rows=observations(st.sampled_from(["a", "b"])), stream_id=st.none())
def test_they_are_the_columns_of_single_rows(
    rows: list[Observation], stream_id: str | None
) -> None:
    """To the last bit what is made row by row."""
    found = columns_of_alike(rows, stream_id)
    (wanted,), errors = columns_of(rows, stream_id)
    assert not errors
    assert found is not None
    assert (found.stream_ids, found.metrics) == (wanted.stream_ids, wanted.metrics)
    for name in ("rows", "times", "seqs", "values"):
        ours, theirs = getattr(found, name), getattr(wanted, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))
        assert ours.flags.writeable


@given(rows=observations(st.sampled_from(["a", None])))
def test_the_path_names_the_stream(rows: list[Observation]) -> None:
    """Rows may name it too."""
    found = columns_of_alike(rows, "a")
    assert found is not None
    assert found.stream_ids == ("a",) * len(rows)


def row(**changes: object) -> Observation:
    given_ = {"stream_id": "a", "values": [1.0, 2.0], "timestamp": 5.0, "seq": 1}
    return msgspec.convert(given_ | changes, Observation)


@pytest.mark.parametrize(
    "other",
    [
        {"values": [1.0]},
        {"values": {"x": 1.0, "y": 2.0}},
        {"stream_id": None},
        {"timestamp": None},
        {"timestamp": "2026-11-22T00:00:00Z"},
        {"seq": None},
    ],
)
def test_rows_that_differ_are_left_alone(other: dict[str, object]) -> None:
    """Nothing is made of them here, wherever the odd one stands."""
    odd = row(**other)
    for rows in ([row(), odd], [odd, row()]):
        assert columns_of_alike(rows, None) is None


def test_rows_of_another_stream_than_the_path_names() -> None:
    """They have to be refused one by one."""
    assert columns_of_alike([row(), row(stream_id="b")], "a") is None


def test_what_is_left_out_is_marked() -> None:
    """In all rows alike."""
    found = columns_of_alike([row(timestamp=None, seq=None)] * 2, None)
    assert found is not None
    assert (found.times.tolist(), found.seqs.tolist()) == ([NO_TIME] * 2, [NO_SEQ] * 2)
