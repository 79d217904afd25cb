"""Pictures: what is told apart, and that files come out."""

import sys
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.metrics.alarms import alarms_of
from models.evaluation.metrics.curves import average_precision
from models.evaluation.report.pictures import (
    FOUND_FALSE,
    LEFT_OUT,
    PRECISION_RECALL,
    file_names,
)
from models.evaluation.report.spans import spans
from models.evaluation.report.writing import write_report
from models.pictures.files import can_draw
from tests.unit.evaluation.made_results import made_figures, made_result

LEAST_BYTES = 15_000
"""An empty panel of this size takes less."""


def test_spans() -> None:
    """Events are found by a row of their own; alarms are joined, and true within the slack."""
    labels, is_anomaly = np.zeros(500, np.bool_), np.zeros(500, np.bool_)
    labels[100:110] = labels[200:210] = True
    is_anomaly[[105, 115, 235, 300, 310, 330]] = True
    found = spans(labels, is_anomaly)
    assert found.found.tolist() == [[100, 110]]
    assert found.missed.tolist() == [[200, 210]]
    assert found.true.tolist() == [[105, 116], [235, 236]]
    assert found.false.tolist() == [[300, 311], [330, 331]]


def test_spans_agree_with_the_figures() -> None:
    """The picture shows as many events found and false alarms as the table says."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        labels = np.repeat(rng.random(40) < 0.15, 25)
        is_anomaly = rng.random(1000) < 0.02
        found, alarms = spans(labels, is_anomaly), alarms_of(is_anomaly, labels, 60.0)
        assert len(found.found) == alarms.events_found
        assert len(found.found) + len(found.missed) == alarms.events
        assert len(found.false) == alarms.false_alarms


def test_file_names_are_safe_and_no_two_alike() -> None:
    """Slashes, upper case and long names do not lead out of the directory or over each other."""
    pairs = [("a/b", "x"), ("a b", "x"), ("A-B", "x"), ("../..", "/"), ("é", "z" * 300)]
    names = file_names([made_result(made_figures(*pair)) for pair in pairs])
    assert len({name.lower() for name in names}) == len(pairs)
    assert names[0] == "a-b--x.png"
    for name in names:
        assert name.endswith(".png")
        assert not name.startswith(".")
        assert len(name) < 120
        assert all(char.isascii() and (char.isalnum() or char in "._-") for char in name)


def test_matplotlib_is_not_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it can't be imported the report is written all the same, without pictures."""
    for module in [one for one in sys.modules if one.startswith("matplotlib")]:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for module in ("machine_picture", "overall_picture"):
        monkeypatch.delitem(sys.modules, f"models.evaluation.report.{module}", raising=False)
    assert not can_draw()
    assert LEFT_OUT in write_report(tmp_path, [made_result(made_figures())])
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "report.json"}


def test_precision_is_read_off_the_steps() -> None:
    """The mean of the curve on a fine grid is the average precision."""
    pytest.importorskip("matplotlib")
    from models.evaluation.report.overall_picture import precision_at  # noqa: PLC0415

    rng = np.random.default_rng(2)
    labels = rng.random(200) < 0.3
    score = np.round(rng.random(200) + labels, 1)
    grid = (np.arange(20_000) + 0.5) / 20_000
    mean = precision_at(labels, score, grid).mean()
    assert mean == pytest.approx(average_precision(labels, score), abs=1e-3)


def test_pictures_are_written(tmp_path: Path) -> None:
    """One a machine and scorer, two over all, none empty; the report leads to each."""
    pytest.importorskip("matplotlib")
    results = [
        made_result(made_figures("a/1", "gru"), rows=2500, n_features=5),
        made_result(made_figures("a/1", "pca", smoothed=None), n_features=1),
        made_result(made_figures("$", "gru", dataset="asd", events=0, levels=[])),
    ]
    told = write_report(tmp_path, results)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "left out" not in told
    for name in (*file_names(results), PRECISION_RECALL, FOUND_FALSE):
        assert f"(pictures/{name})" in text
        picture = (tmp_path / "pictures" / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert int.from_bytes(picture[16:20]) == 1600
        assert len(picture) > LEAST_BYTES


def test_bands_tell_what_they_show() -> None:
    """Each lane has its own colour and says what it is and how many there are."""
    pytest.importorskip("matplotlib")
    from models.evaluation.report.machine_picture import drawn  # noqa: PLC0415

    picture = drawn(made_result(made_figures("m", "gru")))
    axes = picture.axes[2:4]
    labels = [tick.get_text() for one in axes for tick in one.get_yticklabels()]
    assert labels == [
        "events found: 1 of 2",
        "events missed: 1",
        "alarms at events: 1",
        "false alarms: 1",
    ]
    colours = [tick.get_color() for one in axes for tick in one.get_yticklabels()]
    assert len(set(colours)) == 3
    assert "3 of 4 events found" in picture.get_suptitle()


def test_scale_follows_the_range_of_the_score() -> None:
    """A score that stays together is drawn on a linear axis, one with far spikes on a log axis."""
    pytest.importorskip("matplotlib")
    from models.evaluation.report.machine_picture import drawn  # noqa: PLC0415

    result = made_result(made_figures("m", "gru"))
    assert drawn(result).axes[1].get_yscale() == "linear"
    result.run.score[7] = 1e4
    assert drawn(result).axes[1].get_yscale() == "log"


def test_bars_do_not_reach_over_gaps() -> None:
    """An event whose last row is followed by a gap of days ends a step after that row."""
    pytest.importorskip("matplotlib")
    from models.evaluation.report.machine_picture import drawn  # noqa: PLC0415

    result = made_result(made_figures("m", "gru"))
    result.machine.times[105:] += 5 * 86_400_000_000
    (path,) = drawn(result).axes[2].collections[0].get_paths()
    across = np.asarray(path.vertices, np.float64)[:, 0]
    begin, end = across.min(), across.max()
    span_days = 5 + 300 / 1440
    assert begin == pytest.approx(100 / 1440)
    assert end - begin == pytest.approx(max(5 / 1440, span_days / 800))
