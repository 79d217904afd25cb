import sys
from pathlib import Path

import numpy as np
import pytest

from models.pictures.files import PictureError, check_place, save
from models.pictures.run import NONE, alert_runs, runs, worst
from models.pictures.timeline import timeline
from tests.unit.pictures.made_runs import MINUTE, T0


@pytest.mark.parametrize(
    ("rows", "step_s", "unit", "end"),
    [
        (10, 1.0, "seconds", 10),
        (240, 1.0, "minutes", 4),
        (240, 60.0, "hours", 4),
        (96, 3600.0, "days", 4),
        (50, None, "observations", 50),
    ],
)
def test_rows_without_times(rows: int, step_s: float | None, unit: str, end: float) -> None:
    """They stand in the largest unit that they last four of; without a step they are counted."""
    found = timeline(None, rows, step_s)
    assert (found.label, found.edges[-1]) == (f"{unit} since the begin", end)
    assert len(found.at) == rows


def test_rows_with_times() -> None:
    """Dates are days since 1970, and small times are what has passed since the first."""
    found = timeline(T0 + MINUTE * np.arange(3), 3, None)
    assert found.is_dates
    assert (found.edges * 1440 - T0 / MINUTE).tolist() == pytest.approx([0, 1, 2, 3], abs=1e-5)
    small = timeline(5_000_000 + 1_000_000 * np.arange(3), 3, None)
    assert (small.edges.tolist(), small.label) == ([0, 1, 2, 3], "seconds since the begin")
    one = timeline(np.array([T0]), 1, 60.0)
    assert (one.edges[1] - one.edges[0]) * 1440 == pytest.approx(1, abs=1e-5)


def test_gaps_are_found() -> None:
    """Only where rows are much farther apart than usual, and visibly so."""
    at = np.arange(1000)
    times = T0 + MINUTE * np.where(at < 500, at, at + 300)
    assert timeline(times, 1000, None).after_gaps().tolist() == [500]
    times = T0 + MINUTE * np.where(at < 500, at, at + 10)
    assert timeline(times, 1000, None).after_gaps().tolist() == []


def test_runs_of_rows_and_of_alerts() -> None:
    """Two alerts side by side are two runs; rows without any are none."""
    assert runs(np.array([True, True, False, True])).tolist() == [[0, 2], [3, 4]]
    alert = np.array([NONE, 0, 0, 1, NONE, 1])
    assert alert_runs(alert).tolist() == [[1, 3], [3, 4], [5, 6]]
    assert alert_runs(np.full(3, NONE)).tolist() == []


def test_marks_are_thinned_to_the_highest_of_each_piece() -> None:
    """Of marks on one another the highest stays, a known one before an unknown one."""
    at = np.arange(100.0)
    height = np.zeros(100)
    height[[3, 57]] = 9.0
    height[51] = np.nan
    rows = np.array([1, 2, 3, 4, 51, 57, 99])
    assert worst(rows, height, at, 10).tolist() == [3, 57, 99]
    assert worst(rows, height, at, 1000).tolist() == rows.tolist()
    assert worst(rows[:0], height, at, 10).tolist() == []


def test_where_no_picture_can_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reason is told before the work, and what to do."""
    (tmp_path / "is.png").mkdir()
    for name, reason in (
        ("a.bmp", "can't draw '.bmp' files; end the name in .png, .svg, .pdf"),
        ("plain", "can't draw '' files"),
        ("is.png", "is a directory; name a file in it"),
        ("none/a.png", f"there is no directory {tmp_path / 'none'}"),
    ):
        with pytest.raises(PictureError) as caught:
            check_place(tmp_path / name)
        assert reason in str(caught.value)
    for module in [one for one in sys.modules if one.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(PictureError, match=r"matplotlib is not installed.*pip install matplotlib"):
        check_place(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("name", "begin"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")]
)
def test_the_ending_says_the_format(tmp_path: Path, name: str, begin: bytes) -> None:
    """A picture is written whole under its name, and nothing beside it."""
    figure = pytest.importorskip("matplotlib.figure")
    picture = figure.Figure()
    picture.text(0.5, 0.5, "温")
    check_place(tmp_path / name)
    save(picture, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_stood_there_stays_if_drawing_fails(tmp_path: Path) -> None:
    """A picture that can't be finished leaves the earlier one, and nothing half-done."""

    class Failing:
        def savefig(self, path: Path, format: str) -> None:  # noqa: A002 - as in matplotlib
            path.write_bytes(b"half")
            raise OSError("disk full")

    (tmp_path / "a.png").write_bytes(b"earlier")
    with pytest.raises(OSError, match="disk full"):
        save(Failing(), tmp_path / "a.png")  # type: ignore[arg-type]
    assert (tmp_path / "a.png").read_bytes() == b"earlier"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
