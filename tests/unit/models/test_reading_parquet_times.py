from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.unit.models.parquet_tables import NEW_YEAR, START, read_back, refused, times_of, written

DAY_US = 86_400 * 1_000_000


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NEW_YEAR, NEW_YEAR + 1], pa.timestamp("s")),
        pa.array([NEW_YEAR * 1000, NEW_YEAR * 1000 + 1000], pa.timestamp("ms", tz="UTC")),
        pa.array([START, START + 1_000_000], pa.timestamp("us", tz="Europe/Berlin")),
        pa.array([START * 1000 + 999, START * 1000 + 10**9], pa.timestamp("ns")),
        pa.array([NEW_YEAR, NEW_YEAR + 1], pa.int64()),
        pa.array([NEW_YEAR, NEW_YEAR + 1], pa.uint32()),
        pa.array([NEW_YEAR, NEW_YEAR + 1], pa.float64()),
        pa.array(["2024-01-01", "2024-01-01T01:00:01+01:00"]),
        pa.array(["1704067200", "1704067201.0"], pa.large_string()),
        pa.array(["2024-01-01", "2024-01-01 00:00:01"]).dictionary_encode(),
    ],
    ids=lambda times: str(times.type),
)
def test_a_moment_is_the_same_in_every_type(tmp_path: Path, times: Any) -> None:
    """Stamps of all units, with a zone or without, numbers and text give the same microseconds."""
    assert times_of(read_back(tmp_path, {"ts": times, "flow": [1, 2]})) == [
        START,
        START + 1_000_000,
    ]


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()], ids=str)
def test_days_are_times(tmp_path: Path, kind: Any) -> None:
    """A column of days begins each at midnight UTC."""
    days = np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")
    recording = read_back(tmp_path, {"day": pa.array(days).cast(kind), "flow": [1, 2]})
    assert times_of(recording) == [START, START + DAY_US]
    assert recording.metrics == ["flow"]


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ([1, 1], "row 1 (counted from 0): time 1970-01-01T00:00:01.000000 is not after that of"),
        ([2.0, 1.0], "row 1 (counted from 0): time 1970-01-01T00:00:01.000000 is not after"),
        ([1, START], "row 1 (counted from 0): time 1704067200000000 lies beyond 2200: epoch"),
        ([1.0, 1e12], "row 1 (counted from 0): time 1000000000000.0 lies beyond 2200"),
        ([1.0, np.nan], "row 1 (counted from 0): nan is neither epoch seconds nor an ISO 8601"),
        ([1, None], "row 1 (counted from 0): the time is missing (column 'time')"),
        (["1", "noon"], "row 1 (counted from 0): 'noon' is neither epoch seconds"),
        (["1", "99999999999"], "row 1 (counted from 0): time 99999999999 lies beyond 2200"),
        ([True, False], "the column is bool and holds no times"),
        (pa.array([1, 2**62], pa.timestamp("ms")), "lies beyond 2200"),
        (pa.array([1, 2], pa.time64("us")), "the column is time64[us] and holds no times"),
    ],
    ids=str,
)
def test_times_that_can_not_be_used_are_refused(tmp_path: Path, times: Any, reason: str) -> None:
    """Times must be there, be readable, be in seconds and rise; the row is named."""
    assert reason in refused(written(tmp_path, {"time": times, "x": [1, 2]}))


def test_times_may_not_fall_between_row_groups(tmp_path: Path) -> None:
    """The first row of a group is held against the last of the one before."""
    path = written(tmp_path, {"time": [1, 2, 2, 3], "x": range(4)}, row_group_size=2)
    assert ", row 2 (counted from 0): time " in refused(path)


def test_the_time_column_can_be_named(tmp_path: Path) -> None:
    """One that is asked for counts before the usual names; one that is not there is refused."""
    columns = {"time": [7.0, 8.0], "when": [1, 2]}
    recording = read_back(tmp_path, columns, "when")
    assert recording.metrics == ["time"]
    assert times_of(recording) == [1_000_000, 2_000_000]
    reason = refused(written(tmp_path, columns), "then")
    assert reason == ": no column 'then'; there are: time, when"


def test_one_of_several_dates_must_be_named(tmp_path: Path) -> None:
    """Which of two columns of dates is the time is not guessed."""
    stamp = pa.array([START], pa.timestamp("us"))
    path = written(tmp_path, {"made": stamp, "sent": stamp, "x": [1]})
    assert "several columns hold dates (made, sent); say which" in refused(path)


@pytest.mark.parametrize(
    ("index", "times"),
    [
        (pa.array([0, 1]), None),
        (pa.array([5.5, 1.5]), None),
        (pa.array([NEW_YEAR, NEW_YEAR + 1]), [START, START + 1_000_000]),
        (pa.array([START, START + 5], pa.timestamp("us")), [START, START + 5]),
    ],
    ids=["count", "any", "epoch", "stamp"],
)
def test_the_index_of_a_frame_is_no_metric(
    tmp_path: Path, index: Any, times: list[int] | None
) -> None:
    """What pandas keeps of an unnamed index is the time where it holds times; else it goes."""
    recording = read_back(tmp_path, {"x": [1, 2], "__index_level_0__": index})
    assert (recording.metrics, times_of(recording)) == (["x"], times)
