"""Missing values: allowed in the rows to be judged, as in live traffic, and nowhere else."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.quality_peers import Wanted, measured
from models.blocks import Float64
from models.evaluation.metrics.nab import NabFile, nab_score
from models.evaluation.metrics.windowed_gaussian import windowed_gaussian
from models.evaluation.recordings.datasets import find, machines
from models.evaluation.recordings.layout import Reading
from models.evaluation.report.nab import GAUSSIAN, nab_rows
from models.evaluation.report.writing import write_report
from models.evaluation.trials.choice import choices
from models.evaluation.trials.levels import ASKED, GRID
from models.evaluation.trials.task import Task, performed
from models.evaluation.trials.traffic import judged, unscored
from models.evaluation.trials.training import TrainingOptions, trained
from models.evaluation.trials.trial import Result, Trials
from models.pictures.lines import typical
from models.reading import read
from models.recording import ReadingError
from tests.unit.evaluation.machines import EVENT, machine

OPTIONS = TrainingOptions(epochs=1)
HALF, MOST = 20, [30, 150]
"""Rows that lack one of two values, and both."""


def holey() -> Float64:
    """Test rows of which some lack a value and some all of them."""
    values = machine().test.copy()
    values[HALF, 1] = np.nan
    values[MOST] = np.nan
    return values


def csv_file(path: Path, rows: dict[int, str], count: int = 20) -> Path:
    """Write a CSV of two metrics and labels; `rows` are written instead of the usual ones."""
    usual = {row: f"{row},{row / 2},0" for row in range(count)}
    path.write_text("\n".join(["flow,heat,label", *(usual | rows).values()]), encoding="utf-8")
    return path


@pytest.mark.parametrize("cell", ["", "nan", "NaN", " "])
def test_an_empty_cell_is_missing_in_rows_to_be_judged(tmp_path: Path, cell: str) -> None:
    """It becomes NaN, and its neighbours stay what they are."""
    (found,) = machines(csv_file(tmp_path / "a.csv", {12: f"{cell},6,0"}), step_s=60.0)
    assert np.argwhere(np.isnan(found.test)).tolist() == [[2, 0]]
    assert found.test[2, 1] == 6.0


def test_an_empty_cell_to_train_on_is_refused(tmp_path: Path) -> None:
    """Row and column are named, and what to do."""
    path = csv_file(tmp_path / "a.csv", {4: "4,,0"})
    with pytest.raises(ReadingError, match="row 5 of the 10 to train on has no value of 'heat'"):
        machines(path, step_s=60.0)


@pytest.mark.parametrize(
    ("row", "reason"),
    [("12,6,", "label nan of row 12"), ("inf,6,0", "not finite"), ("x,6,0", "'x' is no number")],
)
def test_what_is_wrong_is_not_missing(tmp_path: Path, row: str, reason: str) -> None:
    """A label must be there, and what is no number is refused as ever."""
    with pytest.raises(ReadingError, match=reason):
        machines(csv_file(tmp_path / "a.csv", {12: row}), step_s=60.0)


def test_only_who_allows_it_reads_missing_values(tmp_path: Path) -> None:
    """Training files are refused with the line."""
    path = csv_file(tmp_path / "a.csv", {12: "12,,0"})
    assert np.isnan(read(path, part="train", may_lack=True).values[12, 1])
    with pytest.raises(ReadingError, match=r"line 14: a value is missing \(column 'heat'\)"):
        read(path, part="train")


def test_nan_of_an_npz_is_missing_in_its_test_part(tmp_path: Path) -> None:
    """In the training part it is refused; infinity is in both."""
    arrays = {"train": machine().train, "test": holey(), "labels": machine().labels}
    path = tmp_path / "a.npz"
    np.savez(path, allow_pickle=False, **arrays)
    (found,) = machines(path, step_s=60.0)
    np.testing.assert_array_equal(found.test, holey())
    for name, bad in (("train", np.nan), ("test", np.inf)):
        broken = {key: array.copy() for key, array in arrays.items()}
        broken[name][7, 1] = bad
        np.savez(path, allow_pickle=False, **broken)
        with pytest.raises(ReadingError, match=f"'{name}' row 7, column 1"):
            machines(path, step_s=60.0)


def test_the_text_layout_may_lack_values(tmp_path: Path) -> None:
    """The very first cell as well as any other; in the training part the line is named."""
    parts = {"train": "1,2\n3,4\n", "test": ",6\n7,8\n9,\n", "test_label": "0\n0\n1\n"}
    for part, text in parts.items():
        (tmp_path / "smd" / part).mkdir(parents=True)
        (tmp_path / "smd" / part / "m.txt").write_text(text)
    (found,) = machines(tmp_path / "smd", step_s=60.0)
    assert np.argwhere(np.isnan(found.test)).tolist() == [[0, 0], [2, 1]]
    (tmp_path / "smd" / "train" / "m.txt").write_text("1,2\n,4\n")
    with pytest.raises(ReadingError, match="line 2: a value is missing"):
        machines(tmp_path / "smd", step_s=60.0)


def test_rows_without_most_of_their_values_have_no_score() -> None:
    """They are no anomaly, and the stream goes on; half of the values are enough."""
    one = machine(test=holey())
    said = judged(trained(one, "persistence", OPTIONS), one)
    assert np.flatnonzero(np.isnan(said.score)).tolist() == MOST
    assert not said.is_anomaly[MOST].any()
    assert said.is_anomaly[EVENT].any()
    assert unscored(one) == len(MOST)


def result() -> Result:
    """Try a machine that lacks values."""
    (choice,) = choices("persistence")
    return Trials(machine(test=holey()), OPTIONS, None).result(choice)[0]


def test_a_trial_goes_through() -> None:
    """Its figures are known, at every level."""
    figures = result().figures
    assert 0 < figures.instant.auc_pr <= 1
    assert len(figures.levels) == len(GRID) + len(ASKED)


def test_how_many_rows_have_no_score_is_told(tmp_path: Path) -> None:
    """And that rankings are unknown where all rows are labelled alike."""
    notes = {}
    for name, labels in (
        ("some", machine().labels),
        ("none", np.zeros(200)),
        ("all", np.ones(200)),
    ):
        path = tmp_path / f"{name}.npz"
        np.savez(path, allow_pickle=False, train=machine().train, test=holey(), labels=labels)
        (source,) = find([path]).sources
        task = Task(
            source=source,
            reading=Reading(steps={"": 60.0}),
            choices=tuple(choices("persistence")),
            options=OPTIONS,
            cache=None,
        )
        outcome = performed(task, lambda _: None)
        assert not outcome.failures
        notes[name] = outcome.notes
    lacking, none = notes["none"]
    assert lacking.startswith("2 of 200 test rows lack more than half of their values")
    assert none.startswith("all 200 test rows are labelled normal: its rankings")
    assert notes["some"] == [lacking]
    assert notes["all"][1].startswith("all 200 test rows are labelled anomalous")


def test_a_report_with_pictures_is_written(tmp_path: Path) -> None:
    """Missing values break a line and leave a gap in a heat-map."""
    pytest.importorskip("matplotlib")
    narrow = machine(test=holey()[:, :1], train=machine().train[:, :1], metrics=["flow"])
    (choice,) = choices("persistence")
    results = [result(), Trials(narrow, OPTIONS, None).result(choice)[0]]
    write_report(tmp_path, results)
    assert len(list((tmp_path / "pictures").iterdir())) == 4


def test_a_heat_map_takes_what_is_known() -> None:
    """A piece that lacks some values shows the others; one that lacks all shows nothing."""
    values = np.full((4000, 2), 0.5)
    values[1:4, 0] = np.nan
    values[8:12, 1] = np.nan
    values[16:19, 0], values[19, 0] = np.nan, 1.0
    first, kept = typical(values, np.full(2, 0.5), 1000)
    assert first[:3].tolist() == [0, 4, 8]
    assert np.argwhere(np.isnan(kept)).tolist() == [[2, 1]]
    assert kept[0, 0] == 0.5
    assert kept[4, 0] == 1.0


def test_the_yardstick_of_nab_leaves_missing_values_out() -> None:
    """They have no score, and the others one as if those rows were not there."""
    values = machine().test[:, :1].copy()
    values[30] = np.nan
    windows = ((100, 109),)
    one = machine(test=values, train=machine().train[:, :1], metrics=["flow"], windows=windows)
    (choice,) = choices("persistence")
    rows = {row.scorer: row for row in nab_rows([Trials(one, OPTIONS, None).result(choice)[0]])}
    without = np.concatenate([one.train[:, 0], np.delete(values[:, 0], 30)])
    expected = np.insert(windowed_gaussian(without)[len(one.train) :], 30, np.nan)
    assert rows[GAUSSIAN].by_score == nab_score([NabFile(score=expected, windows=windows)]).score


def test_detectors_of_others_refuse_missing_values(tmp_path: Path) -> None:
    """How many there are is told, before anything is fitted."""
    path = tmp_path / "a.npz"
    arrays = {"train": machine().train, "test": holey(), "labels": machine().labels}
    np.savez(path, allow_pickle=False, **arrays)
    reading = Reading(steps={"": 60.0})
    wanted = Wanted(
        sources=find([path]).sources, reading=reading, peers=["isolation forest"], seed=0
    )
    with pytest.raises(ReadingError, match="a: 5 values of the test part are missing"):
        measured(wanted)
