"""A report in place of an earlier one: nothing half-drawn, nothing of before, nothing foreign."""

from pathlib import Path

import pytest

from models.evaluation.report import pictures
from models.evaluation.report import writing as report
from models.evaluation.report.pictures import FOUND_FALSE, PRECISION_RECALL
from models.evaluation.report.writing import write_report
from models.evaluation.trials.trial import Result
from tests.unit.evaluation.made_results import made_figures, made_result

FIRST = [made_result(made_figures("a", "gru")), made_result(made_figures("a", "pca"))]
SECOND = [made_result(made_figures("b", "gru"))]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures that are files of one word."""

    def drawn(directory: Path, results: list[Result]) -> None:
        directory.mkdir()
        for name in (*pictures.file_names(results), PRECISION_RECALL, FOUND_FALSE):
            (directory / name).write_text("drawn")

    monkeypatch.setattr(pictures, "draw_pictures", drawn)
    monkeypatch.setattr(report, "can_draw", lambda: True)


def everything(out: Path) -> dict[str, bytes]:
    """Read all files below a directory."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file()
    }


def interrupted(directory: Path, _: list[Result]) -> None:
    """Draw one picture, then be interrupted."""
    directory.mkdir()
    (directory / PRECISION_RECALL).write_text("half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("before", [[], FIRST])
def test_an_interrupted_report_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: list[Result]
) -> None:
    """Neither where there was one nor where there was none."""
    if before:
        write_report(tmp_path, before)
    found = everything(tmp_path)
    monkeypatch.setattr(pictures, "draw_pictures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, SECOND)
    assert everything(tmp_path) == found
    assert {path.name for path in tmp_path.iterdir()} == {one.split("/")[0] for one in found}


def test_pictures_of_an_earlier_report_go(tmp_path: Path) -> None:
    """What the report did not make stays, even beside its pictures."""
    write_report(tmp_path, FIRST)
    (tmp_path / "pictures" / "mine.png").write_text("mine")
    write_report(tmp_path, SECOND)
    names = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert names == {"b--gru.png", PRECISION_RECALL, FOUND_FALSE, "mine.png"}


def test_a_report_without_pictures_removes_those_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be of other results."""
    write_report(tmp_path, FIRST)
    monkeypatch.setattr(report, "can_draw", lambda: False)
    write_report(tmp_path, SECOND)
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "report.json"}


def test_a_directory_of_others_is_left_alone(tmp_path: Path) -> None:
    """Without an earlier report, or with a broken one, no file is removed."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "holiday.png").write_text("mine")
    (tmp_path / "report.json").write_text('{"runs": [{"picture": 7}]}')
    write_report(tmp_path, SECOND)
    assert (tmp_path / "pictures" / "holiday.png").read_text() == "mine"
