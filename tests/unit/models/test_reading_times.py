from pathlib import Path

import pytest

from models.reading import read
from models.recording import Recording, default_names

NEW_YEAR = 1_704_067_200
"""2024-01-01T00:00:00Z in epoch seconds."""
START = NEW_YEAR * 1_000_000


def _read(tmp_path: Path, text: str, time_column: str | None = None) -> Recording:
    path = tmp_path / "plant.csv"
    path.write_text(text, encoding="utf-8")
    return read(path, part="train", time_column=time_column)


def test_the_time_column_can_be_named(tmp_path: Path) -> None:
    """A time column of an unusual name is found by being told, also where names are numbers."""
    recording = _read(tmp_path, "7,1\n2024-01-01,5\n", time_column="7")
    assert recording.metrics == ["1"]
    assert recording.times is not None
    assert recording.step_s is None


@pytest.mark.parametrize(
    ("text", "position", "values", "times_s"),
    [
        ("0,7\n0.5,8\n", "1", [[7], [8]], [0, 0.5]),
        ("7,1704067200\n8,1704067260\n", "2", [[7], [8]], [NEW_YEAR, NEW_YEAR + 60]),
        ("7,2024-01-01,1\n8,2024-01-02,2\n", "2", [[7, 1], [8, 2]], [NEW_YEAR, NEW_YEAR + 86400]),
        ("1704067200,1\n1704067260,2\n", "1", [[1], [2]], [NEW_YEAR, NEW_YEAR + 60]),
    ],
)
def test_the_time_column_can_be_a_position(
    tmp_path: Path, text: str, position: str, values: list[list[float]], times_s: list[float]
) -> None:
    """Without a header the time column is told by its position from 1, whatever its times."""
    recording = _read(tmp_path, text, position)
    assert recording.values.tolist() == values
    assert recording.metrics == default_names(len(values[0]))
    assert recording.times is not None
    assert (recording.times / 1e6).tolist() == times_s


def test_a_name_that_is_a_number_is_no_position(tmp_path: Path) -> None:
    """A header of numbers stays a header where no time stands at that position."""
    recording = _read(tmp_path, "0,1,2\n7,2024-01-01,8\n", "1")
    assert recording.metrics == ["0", "2"]
    assert recording.values.tolist() == [[7, 8]]


def test_leading_epoch_seconds_are_the_time(tmp_path: Path) -> None:
    """Without a header a first column that rises as epoch seconds do is the time, exactly."""
    recording = _read(tmp_path, "1704067200,1,2\n1704067260.000001,3,4\n")
    assert recording.metrics == ["m00", "m01"]
    assert recording.values.tolist() == [[1, 2], [3, 4]]
    assert recording.times is not None
    assert recording.times.tolist() == [START, START + 60_000_001]


@pytest.mark.parametrize(
    "column",
    [
        ["1704067200", "1704067200"],
        ["1704067260", "1704067200"],
        ["99999999", "1704067200"],
        ["1704067200", "7258118400.000001"],
        ["1704067200000", "1704067260000"],
    ],
    ids=["twice", "falling", "before-1973", "after-2200", "milliseconds"],
)
def test_other_leading_numbers_are_a_metric(tmp_path: Path, column: list[str]) -> None:
    """A first column that does not rise, or leaves 1973 to 2200, is taken as the metric it is."""
    recording = _read(tmp_path, "".join(f"{cell},1\n" for cell in column))
    assert recording.metrics == ["m00", "m01"]
    assert recording.times is None


def test_a_single_column_is_a_metric(tmp_path: Path) -> None:
    """A time alone would leave nothing to score."""
    assert _read(tmp_path, "1704067200\n1704067260\n").metrics == ["m00"]
