from pathlib import Path

import numpy as np
import pytest

from models.reading import read
from models.recording import ReadingError, Recording, default_names

NEW_YEAR = 1_704_067_200
"""2024-01-01T00:00:00Z in epoch seconds."""
START = NEW_YEAR * 1_000_000


def _read(tmp_path: Path, text: str | bytes, time_column: str | None = None) -> Recording:
    path = tmp_path / "plant.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, part="train", time_column=time_column)


def _refused(tmp_path: Path, text: str | bytes, time_column: str | None = None) -> str:
    with pytest.raises(ReadingError) as caught:
        _read(tmp_path, text, time_column)
    assert str(caught.value).startswith(str(tmp_path / "plant.csv"))
    return str(caught.value).removeprefix(str(tmp_path / "plant.csv"))


def test_header_time_and_values_are_read(tmp_path: Path) -> None:
    """The usual file: names from the header, times apart, values `[T, F]`."""
    text = "timestamp,flow,pressure\n1704067200,1.5,2\n1704067260.25,-1e3,0\n"
    recording = _read(tmp_path, text)
    assert recording.metrics == ["flow", "pressure"]
    assert recording.values.tolist() == [[1.5, 2.0], [-1000.0, 0.0]]
    assert recording.times is not None
    assert recording.times.tolist() == [START, START + 60_250_000]
    assert recording.step_s == 60.25


@pytest.mark.parametrize(
    "time",
    [
        "1704067200",
        "1704067200.0",
        "1.7040672e9",
        "2024-01-01",
        "2024-01-01 00:00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01T01:00:00.000+01:00",
        "2023-12-31 19:00:00-05:00",
    ],
)
def test_epoch_seconds_and_iso_times_are_read(tmp_path: Path, time: str) -> None:
    """All ways to write one moment give the same microseconds; without a zone it is UTC."""
    recording = _read(tmp_path, f"time,flow\n{time},1\n")
    assert recording.times is not None
    assert recording.times.tolist() == [START]


def test_microseconds_are_exact(tmp_path: Path) -> None:
    """The last digit of an ISO time with microseconds is kept."""
    recording = _read(tmp_path, "ts,flow\n2024-01-01T00:00:00.000001Z,1\n")
    assert recording.times is not None
    assert recording.times.tolist() == [START + 1]


@pytest.mark.parametrize(
    ("text", "metrics", "has_times"),
    [
        ("a,b\n1,2\n", ["a", "b"], False),
        ("1,2\n", ["m00", "m01"], False),
        ("2024-01-01 00:00:00,1,2\n", ["m00", "m01"], True),
        ("a,Date,b\n1,2024-01-01,2\n", ["a", "b"], True),
        ("timestamp,0,1\n1704067200,1,2\n", ["0", "1"], True),
        ("flow\n1\n", ["flow"], False),
    ],
)
def test_header_and_time_column_are_optional(
    tmp_path: Path, text: str, metrics: list[str], has_times: bool
) -> None:
    """A header is what has no numbers or names a time; without one, a leading date is the time."""
    recording = _read(tmp_path, text)
    assert recording.metrics == metrics
    assert len(recording.values) == 1
    assert (recording.times is not None) == has_times


@pytest.mark.parametrize(
    "text",
    [
        "\ufefftime,flow,gas\n2024-01-01,1,2\n2024-01-02,3,4\n",
        "time,flow,gas\r\n2024-01-01,1,2\r\n2024-01-02,3,4\r\n",
        "\n\ntime,flow,gas\n\n2024-01-01,1,2\n   \n2024-01-02,3,4\n\n",
        '"time","flow","gas"\n"2024-01-01","1","2"\n"2024-01-02","3","4"\n',
        "time;flow;gas\n2024-01-01;1;2\n2024-01-02;3;4\n",
        "time\tflow\tgas\n2024-01-01\t1\t2\n2024-01-02\t3\t4",
        " time , flow , gas \n 2024-01-01 , 1 , 2 \n 2024-01-02 , 3 , 4 \n",
    ],
    ids=["bom", "crlf", "blank-lines", "quotes", "semicolons", "tabs", "spaces"],
)
def test_ways_to_write_the_same_table(tmp_path: Path, text: str) -> None:
    """Byte order mark, line ends, blank lines, quotes, separators and spaces change nothing."""
    recording = _read(tmp_path, text)
    assert recording.metrics == ["flow", "gas"]
    assert recording.values.tolist() == [[1, 2], [3, 4]]
    assert recording.step_s == 86_400


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ": the file is empty"),
        ("\n \n", ": the file is empty"),
        ("time,flow\n", ": there is a header and nothing below it"),
        ("time\n1\n", ", line 1: there is no metric beside the time"),
        ("2024-01-01\n2024-01-02\n", ", line 1: there is no metric beside the time"),
        ("\nflow,gas,flow\n1,2,3\n", ", line 2: two columns are named 'flow'"),
        ("flow,,gas\n1,2,3\n", ", line 1: column 2 has no name"),
        ("a,b\n1,2\n3\n", ", line 3: 1 cells where the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", ", line 3: 3 cells where the first line has 2"),
        ("a,b\n1,2\n\n3,\n", ", line 4: a value is missing (column 'b')"),
        ("a,b\n1,2\n,\n", ", line 3: a value is missing (column 'a')"),
        ("a,b\n1,off\n", ", line 2: 'off' is no number (column 'b')"),
        ("1,2\n3,off\n", ", line 2: 'off' is no number (column 2)"),
        ("1,2,off\n", ", line 1: 'off' is no number (column 3)"),
        ("a;b\n1,5;2\n", ", line 2: '1,5' is no number; decimals are written with a point"),
        ("a,b\n1,1_000\n", ", line 2: '1_000' is no number (column 'b')"),
        ("a,b\n1,inf\n", ", line 2: 'inf' is not finite or too large (column 'b')"),
        ("a,b\nNaN,1\n", ", line 2: 'NaN' is not finite or too large (column 'a')"),
        ("a,b\n1,1e301\n", ", line 2: '1e301' is not finite or too large (column 'b')"),
        ("when,b\n2024-01-01,1\n", ", line 2: '2024-01-01' is a date; say that this is the time"),
        ('a,b\n1,"2\n', ", line 2: not readable as CSV: unexpected end of data"),
        (b"a,b\n1,\xff\n", ": not readable as UTF-8 text"),
        ("a,b\n1,2\n".encode("utf-16"), ": not readable as UTF-8 text"),
    ],
)
def test_what_can_not_be_used_is_refused(tmp_path: Path, text: str | bytes, reason: str) -> None:
    """Nothing is guessed or dropped: the reason is given, with the line where there is one."""
    assert _refused(tmp_path, text).startswith(reason)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (["1704067200", "1704067200"], ", line 3: time 1704067200 is not after that of the row"),
        (["2024-01-02", "2024-01-01"], ", line 3: time 2024-01-01 is not after that of the row"),
        (["1704067200000"], ", line 2: time 1704067200000 lies beyond 2200: epoch seconds, not"),
        (["01/02/2024"], ", line 2: '01/02/2024' is neither epoch seconds nor an ISO 8601 time"),
        (["nan"], ", line 2: 'nan' is neither"),
        (["inf"], ", line 2: 'inf' is neither"),
        ([""], ", line 2: '' is neither"),
    ],
)
def test_times_that_can_not_be_used_are_refused(
    tmp_path: Path, times: list[str], reason: str
) -> None:
    """Times must be readable, in seconds and strictly rising; the line is named."""
    body = "".join(f"{time},1\n" for time in times)
    assert _refused(tmp_path, "time,flow\n" + body).startswith(reason)


def test_a_time_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The columns there are get named; without a header there is nothing to look in."""
    assert "no column 'when'; there are: a, b" in _refused(tmp_path, "a,b\n1,2\n", "when")
    for wanted in ("when", "0", "3"):
        reason = f"no header to find the time column '{wanted}' in; give its position, 1 to 2"
        assert reason in _refused(tmp_path, "1,2\n", wanted)
    assert "no column '1'; there are: a, b" in _refused(tmp_path, "a,b\n1,2\n", "1")


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """A missing file, a directory and an unknown ending are told apart."""
    (tmp_path / "plant.xlsx").write_bytes(b"")
    for name, reason in (
        ("none.csv", "no such file"),
        (".", "no such file"),
        ("plant.xlsx", "can't read '.xlsx'"),
    ):
        with pytest.raises(ReadingError, match=reason):
            read(tmp_path / name, part="train")


def test_default_names_sort_like_their_columns() -> None:
    """Names are padded, so that sorting them keeps the order of the columns."""
    assert default_names(3) == ["m00", "m01", "m02"]
    assert default_names(101)[-1] == "m100"
    assert default_names(101) == sorted(default_names(101))


def test_an_ending_in_capitals_is_read(tmp_path: Path) -> None:
    """Endings are compared without regard to case."""
    (tmp_path / "PLANT.CSV").write_text("a\n1\n")
    np.savez(tmp_path / "plant.npz", train=np.ones((2, 1)))
    (tmp_path / "plant.npz").rename(tmp_path / "PLANT.NPZ")
    assert read(tmp_path / "PLANT.CSV", part="train").values.tolist() == [[1.0]]
    assert read(tmp_path / "PLANT.NPZ", part="train").values.tolist() == [[1.0], [1.0]]
