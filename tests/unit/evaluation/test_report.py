"""The report: report.md, report.json, and what goes to the terminal."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.report import writing as report
from models.evaluation.report.pictures import LEFT_OUT
from models.evaluation.report.writing import write_report
from models.evaluation.trials.trial import Result
from tests.unit.evaluation.made_results import made_figures, made_result, ranking


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "can_draw", lambda: False)


def _results() -> list[Result]:
    return [
        made_result(made_figures("a/1", "gru", instant=ranking(0.7))),
        made_result(made_figures("a/1", "pca|mse", smoothed=None)),
        made_result(made_figures("b", "gru", dataset="asd", instant=ranking(math.nan))),
        made_result(made_figures("b", "pca|mse", dataset="asd", smoothed=None)),
    ]


def _with_windows(result: Result, *windows: tuple[int, int]) -> Result:
    return replace(result, machine=replace(result.machine, windows=windows))


def _read(out: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    text = (out / "report.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return read


def test_sections(tmp_path: Path) -> None:
    """The report says what was run, the means, each set, levels and definitions."""
    write_report(tmp_path / "new" / "out", _results())
    text = (tmp_path / "new" / "out" / "report.md").read_text(encoding="utf-8")
    titles = [line for line in text.splitlines() if line.startswith("#")]
    wanted = ["# Evaluation", "## Means", "## smd", "## asd", "## Levels"]
    assert titles == [*wanted, "## How the figures are defined"]
    assert "| a/1 | smd | 2 | 200 | 300 | 60 | 10.0 | 4 | 2.0 % |" in text
    assert "| a/1 | gru | **0.700** |" in text
    assert r"| a/1 | pca\|mse | 0.500 |" in text
    assert "| all sets | gru | 2 | - |" in text
    assert "as one stream, in blocks of 256 rows" in text
    assert "one observation through the bank, in blocks of 256 rows of one stream" in text
    assert "PA-precision (flatters) | PA-recall (flatters) |" in text


def test_every_row_is_as_wide_as_its_heading(tmp_path: Path) -> None:
    """No table of the report has a row with more or fewer cells."""
    write_report(tmp_path, _results())
    tables = (tmp_path / "report.md").read_text(encoding="utf-8").split("\n\n")
    for table in (one.strip() for one in tables if one.startswith("| ")):
        bars = {line.replace(r"\|", "").count("|") for line in table.splitlines()}
        assert len(bars) == 1


def test_json_round_trip(tmp_path: Path) -> None:
    """Nothing is rounded, unknown is null, and NaN is never written."""
    third = ranking(1 / 3)
    results = [*_results(), made_result(made_figures("c", "gru", instant=third))]
    write_report(tmp_path, results)
    read = _read(tmp_path)
    assert read["runs"][4]["instant"]["auc_pr"] == 1 / 3
    assert read["runs"][2]["instant"]["auc_pr"] is None
    assert read["runs"][1]["smoothed"] is None
    assert read["means"][0]["auc_pr"] == pytest.approx((0.7 + 1 / 3) / 2)
    assert read["machines"][0]["anomalous_rows"] == 6
    assert {"stepwatch", "torch", "numpy", "python"} == set(read["versions"])


def test_numpy_figures(tmp_path: Path) -> None:
    """Figures that are numpy's numbers are written as numbers."""
    figures = made_figures(alarm_share=np.float64(0.25), events=np.int64(7), train_s=np.float32(2))
    write_report(tmp_path, [made_result(figures)])
    run = _read(tmp_path)["runs"][0]
    assert (run["alarm_share"], run["events"], run["train_s"]) == (0.25, 7, 2.0)


def test_the_same_results_give_the_same_files(tmp_path: Path) -> None:
    """Two reports of the same results do not differ in a byte."""
    for place in ("first", "second"):
        write_report(tmp_path / place, _results())
    for file in ("report.json", "report.md"):
        first, second = ((tmp_path / place / file).read_bytes() for place in ("first", "second"))
        assert first == second


def test_terminal(tmp_path: Path) -> None:
    """The means come back as a table, with the place of the report."""
    lines = write_report(tmp_path, _results()).splitlines()
    assert lines[2].split()[:3] == ["smd", "gru", "0.700"]
    assert lines[4] == ""
    assert lines[5].split()[:3] == ["asd", "gru", "-"]
    assert lines[-1] == str(tmp_path / "report.md")
    assert "**" not in "".join(lines)


def test_one_machine(tmp_path: Path) -> None:
    """One machine and scorer is enough; it has no mean over sets and nothing is bold."""
    write_report(tmp_path, [made_result(made_figures())])
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    table = text[text.index("## Means") : text.index("## Levels")]
    assert "1 machine;" in text
    assert "all sets" not in table
    assert "**" not in table


def test_pictures_left_out(tmp_path: Path) -> None:
    """Without matplotlib the rest is written, and report and terminal say how to get them."""
    told = write_report(tmp_path, _results())
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert LEFT_OUT in told
    assert LEFT_OUT in text
    assert "pip install matplotlib" in LEFT_OUT
    assert "pictures/" not in text
    assert not (tmp_path / "pictures").exists()
    assert "picture" not in _read(tmp_path)["runs"][0]


def test_nab_score(tmp_path: Path) -> None:
    """Files with windows get NAB's score, beside random and, of one metric, windowed Gaussian."""
    found = made_result(made_figures("a"), n_features=1)
    write_report(tmp_path, [_with_windows(found, (100, 120))])
    rows = {row["scorer"]: row for row in _read(tmp_path)["nab"]}
    assert list(rows) == ["gru", "windowed Gaussian (yardstick)", "random (yardstick)"]
    # one row is predicted first in the window, near its begin, and one false positive outside
    assert rows["gru"]["by_severity"] > 80
    assert rows["gru"]["by_severity"] > rows["random (yardstick)"]["by_score"]
    assert "## NAB score" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_nab_score_of_many_metrics(tmp_path: Path) -> None:
    """Windowed Gaussian has no say on files of several metrics."""
    write_report(tmp_path, [_with_windows(made_result(made_figures("a")), (100, 120))])
    names = [row["scorer"] for row in _read(tmp_path)["nab"]]
    assert names == ["gru", "random (yardstick)"]


def test_no_nab_score_without_windows(tmp_path: Path) -> None:
    """Files without a single window have no NAB score."""
    write_report(tmp_path, [_with_windows(made_result(made_figures("a")))])
    assert _read(tmp_path)["nab"] == []


def test_windows_that_do_not_fit(tmp_path: Path) -> None:
    """They cost NAB's score, not the report, and the report says so."""
    found = _with_windows(made_result(made_figures("a")), (100, 120), (110, 130))
    told = write_report(tmp_path, [found])
    assert "NAB's score was left out: windows" in told
    assert "overlap" in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_nothing_was_evaluated(tmp_path: Path) -> None:
    """No result is refused."""
    with pytest.raises(ValueError, match="nothing was evaluated"):
        write_report(tmp_path, [])


def test_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run from its files, the package has no version; that is no reason to fail."""
    monkeypatch.setattr(report, "PACKAGES", ("no-such-package-here",))
    write_report(tmp_path, [made_result(made_figures())])
    assert _read(tmp_path)["versions"]["no-such-package-here"] is None
