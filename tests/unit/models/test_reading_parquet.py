from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from models.reading import read
from models.recording import ReadingError
from tests.unit.models.parquet_tables import NEW_YEAR, START, read_back, refused, times_of, written


def test_time_and_values_are_read(tmp_path: Path) -> None:
    """The usual file: names of the columns, times apart, values `[T, F]` in their order."""
    recording = read_back(
        tmp_path, {"flow": [1.5, -1e3], "timestamp": [NEW_YEAR, NEW_YEAR + 60], "pressure": [2, 0]}
    )
    assert recording.metrics == ["flow", "pressure"]
    assert recording.values.tolist() == [[1.5, 2.0], [-1000.0, 0.0]]
    assert times_of(recording) == [START, START + 60_000_000]
    assert recording.step_s == 60.0


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint64(), pa.int64(), pa.float16(), pa.float32(), pa.float64()],
    ids=str,
)
def test_every_kind_of_number_is_a_metric(tmp_path: Path, kind: Any) -> None:
    """Whole and floating numbers of any width, also where the file holds keys to them."""
    plain = pa.array(np.array([1, 2, 1]).astype(kind.to_pandas_dtype()))
    recording = read_back(tmp_path, {"a": plain, "b": plain.dictionary_encode()})
    assert recording.values.tolist() == [[1, 1], [2, 2], [1, 1]]
    assert recording.times is None


def test_large_whole_numbers_become_floats(tmp_path: Path) -> None:
    """Where a float can't hold each digit the nearest is taken, as from a CSV."""
    assert read_back(tmp_path, {"a": [2**53 + 1]}).values.tolist() == [[float(2**53)]]


def test_several_row_groups_are_one_recording(tmp_path: Path) -> None:
    """Rows stay in order from group to group, and are counted through in messages."""
    values = np.arange(10.0)
    path = written(tmp_path, {"time": range(10), "a": values}, row_group_size=3)
    recording = read(path, part="train")
    assert recording.values[:, 0].tolist() == list(range(10))
    assert times_of(recording) == [1_000_000 * at for at in range(10)]
    values[7] = np.inf
    path = written(tmp_path, {"time": range(10), "a": values}, row_group_size=3)
    assert refused(path).startswith(", row 7 (counted from 0): inf is not finite or too large")


def test_names_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    """A dot in a name does not make it part of another column."""
    recording = read_back(tmp_path, {"cpu.load": [1.0], "cpu": [2.0]})
    assert (recording.metrics, recording.values.tolist()) == (["cpu.load", "cpu"], [[1.0, 2.0]])


@pytest.mark.parametrize("missing", [None, np.nan])
def test_missing_values_are_refused_unless_they_may_lack(
    tmp_path: Path, missing: float | None
) -> None:
    """Null and NaN are the same: a reason to refuse the file, or NaN where values may lack."""
    values = pa.array([1.0, missing, 3.0])
    path = written(tmp_path, {"flow": [1, 2, 3], "level": values, "gone": pa.nulls(3)})
    reason = ", row 1 (counted from 0): a value is missing (column 'level')"
    assert refused(path) == reason
    found = read(path, part="train", may_lack=True).values
    np.testing.assert_array_equal(found[:, 1], [1.0, np.nan, 3.0])
    assert np.isnan(found[:, 2]).all()


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([True]), "column 'x' is bool, no number; store it as 0 and 1"),
        (pa.array(["a"]), "column 'x' is string, no number; store it as numbers, or leave it out"),
        (pa.array([[1.0]]), "column 'x' is list<element: double>, no single number"),
        (pa.array([{"a": 1}]), "column 'x' is struct<a: int64>, no single number"),
        (pa.array([1], pa.decimal128(5, 1)), "column 'x' is decimal128(5, 1), which floats"),
        (pa.array([1], pa.timestamp("us")), "column 'x' is timestamp[us], a date; say that this"),
        (pa.array([1], pa.duration("s")), "column 'x' is duration[s], no number"),
        (pa.array([np.inf]), "inf is not finite or too large (column 'x')"),
        (pa.array([1e301]), "1e+301 is not finite or too large (column 'x')"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_what_is_no_metric_is_refused(tmp_path: Path, column: Any, reason: str) -> None:
    """The column is named, what it holds, and what to do with it."""
    assert reason in refused(written(tmp_path, {"time": [1], "x": column}))


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"x": pa.array([], pa.float64())}, ": there are columns and no row in them"),
        ({"time": [1]}, ": there is no metric beside the time"),
        ({"__index_level_0__": [1]}, ": there is no metric in it"),
        ({}, ": there is no metric in it"),
        ({"": [1]}, ": column 1 has no name"),
    ],
    ids=["no-rows", "no-metric", "index-alone", "no-columns", "no-name"],
)
def test_empty_files_are_refused(tmp_path: Path, columns: dict[str, Any], reason: str) -> None:
    """Without a row or a metric there is nothing to score."""
    assert refused(written(tmp_path, columns)) == reason


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which one is meant is not guessed."""
    path = tmp_path / "plant.pq"
    parquet.write_table(pa.table([pa.array([1]), pa.array([2])], ["a", "a"]), path)
    assert refused(path) == ": two columns are named 'a'"


def test_broken_files_are_refused(tmp_path: Path) -> None:
    """A file that is empty, of another kind or cut gives the reason, whatever is missing."""
    path = written(tmp_path, {"time": range(100), "x": np.arange(100.0)})
    whole = path.read_bytes()
    for broken in (b"", b"time,x\n1,2\n", whole[:-20], whole[len(whole) // 2 :], whole[:200]):
        path.write_bytes(broken)
        assert refused(path).startswith(": not a readable Parquet file: ")


def test_flipped_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    """Damage anywhere in the file is refused, or leaves it readable; no other error comes out."""
    path = written(tmp_path, {"time": range(50), "x": np.arange(50.0)})
    whole, refusals = bytearray(path.read_bytes()), 0
    for at in range(0, len(whole), 7):
        damaged = whole.copy()
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read(path, part="train")
        except ReadingError:
            refusals += 1
    assert refusals > 0
