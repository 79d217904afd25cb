"""Labelled data by its path: npz and CSV files, alone and in directories."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.evaluation.recordings.datasets import find, load, machines
from models.evaluation.recordings.layout import Reading
from models.recording import ReadingError

ROWS = 20


def saved(path: Path, **changes: Any) -> Path:
    """Write a machine as npz; None leaves an array out."""
    arrays = {"train": np.ones((30, 2)), "test": np.ones((ROWS, 2)), "labels": np.zeros(ROWS)}
    given = {name: one for name, one in (arrays | changes).items() if one is not None}
    np.savez(path, allow_pickle=False, **given)
    return path


def written(path: Path, marks: list[int], head: str = "timestamp,flow,label") -> Path:
    """Write a CSV, a row each minute, with a label in the last column."""
    rows = [f"{1_700_000_000 + 60 * at},{at / 2},{mark}" for at, mark in enumerate(marks)]
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("stem", "dataset"), [("smd-1-6", "smd"), ("asd-1", "asd"), ("plant", "plant")]
)
def test_an_npz_is_named_by_its_file(tmp_path: Path, stem: str, dataset: str) -> None:
    """The data set is the name without the numbers at its end."""
    (found,) = machines(saved(tmp_path / f"{stem}.npz"), step_s=60.0)
    assert (found.name, found.dataset) == (stem, dataset)


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_labels_may_be_one_longer_or_shorter(tmp_path: Path, more: int) -> None:
    """Both are cut to the shorter."""
    marks = np.zeros(ROWS + more)
    marks[3] = 1
    (found,) = machines(saved(tmp_path / "a.npz", labels=marks))
    assert found.test.shape == (ROWS + min(more, 0), 2)
    assert np.flatnonzero(found.labels).tolist() == [3]
    assert len(found.labels) == len(found.times) == len(found.test)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": None}, "no array 'labels'"),
        ({"labels": np.zeros(ROWS - 2)}, "18 labels do not fit 20 test rows"),
        ({"labels": np.full(ROWS, 2)}, "label 2 of row 0 .* neither 0 nor 1"),
        ({"labels": np.zeros((ROWS, 1))}, "0 and 1 .time. needed"),
        ({"labels": np.array(["a"] * ROWS)}, "0 and 1 .time. needed"),
        ({"test": np.ones((ROWS, 3))}, "train has 2 metrics, test 3"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """The reason says what was found."""
    path = saved(tmp_path / "a.npz", **changes)
    with pytest.raises(ReadingError, match=reason):
        machines(path)


def test_an_unknown_step_is_assumed_and_told(tmp_path: Path) -> None:
    """False alarms per day depend on it, so it may not pass in silence."""
    (source,) = find([saved(tmp_path / "asd-1.npz")]).sources
    loaded = load(source, Reading())
    assert loaded.machine.step_s == 1.0
    assert "--step asd=SECONDS" in loaded.notes[0]


def test_a_step_may_be_of_one_data_set(tmp_path: Path) -> None:
    """What was said of a set goes before what was said of all; times follow it."""
    saved(tmp_path / "asd-1.npz")
    saved(tmp_path / "smd-1.npz")
    how = Reading(steps={"asd": 300.0, "": 60.0})
    loaded = [load(source, how) for source in find([tmp_path]).sources]
    assert [one.machine.step_s for one in loaded] == [300.0, 60.0]
    assert loaded[0].machine.times[:2].tolist() == [0, 300_000_000]
    assert [one.notes for one in loaded] == [(), ()]


def test_a_directory_gives_all_of_its_files(tmp_path: Path) -> None:
    """What is an npz but no machine is left out, and told."""
    saved(tmp_path / "b.npz")
    written(tmp_path / "a.csv", [0] * ROWS)
    np.savez(tmp_path / "beats.npz", allow_pickle=False, beats=np.ones(3))
    (tmp_path / "README.md").write_text("data")
    found = find([tmp_path])
    assert [source.name for source in found.sources] == ["a", "b"]
    assert len(found.notes) == 1
    assert "beats.npz: left out" in found.notes[0]


def test_a_single_file_that_is_no_machine_is_refused(tmp_path: Path) -> None:
    """Who names a file wants that file."""
    np.savez(tmp_path / "beats.npz", allow_pickle=False, beats=np.ones(3))
    with pytest.raises(ReadingError, match="no array 'train' in it; there are: beats"):
        machines(tmp_path / "beats.npz")


def test_two_machines_of_one_name_are_refused(tmp_path: Path) -> None:
    """Results go by the name."""
    (tmp_path / "other").mkdir()
    paths = [saved(tmp_path / "a.npz"), saved(tmp_path / "other" / "a.npz")]
    with pytest.raises(ReadingError, match=r"two machines are named 'a': .*a\.npz and .*other"):
        find(paths)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.npz", "no such file or directory"), ("notes.md", "can't read '.md'"), ("", "no mach")],
)
def test_a_path_without_machines_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """The reason says what would be one."""
    (tmp_path / "notes.md").write_text("data")
    with pytest.raises(ReadingError, match=reason):
        find([tmp_path / name])


def test_a_csv_is_split_by_its_share(tmp_path: Path) -> None:
    """The first part is for training; the label column is no metric; times give the step."""
    path = written(tmp_path / "a.csv", [0] * 15 + [1] * 5)
    (source,) = find([path]).sources
    found = load(source, Reading(train_share=0.6, steps={"": 1.0})).machine
    assert (found.name, found.dataset, found.metrics) == ("a", tmp_path.name, ["flow"])
    assert (len(found.train), len(found.test)) == (12, 8)
    assert found.test[0].tolist() == [6.0]
    assert found.labels.tolist() == [False] * 3 + [True] * 5
    assert found.step_s == 60.0
    assert found.times[0] == (1_700_000_000 + 60 * 12) * 1_000_000


def test_anomalies_to_train_on_are_refused(tmp_path: Path) -> None:
    """The share that avoids them is named, and it does."""
    path = written(tmp_path / "a.csv", [0] * 8 + [1] + [0] * 11)
    with pytest.raises(ReadingError, match=r"row 9 of the 10 .* --train-share up to 0\.400"):
        machines(path)
    (source,) = find([path]).sources
    assert load(source, Reading(train_share=0.4)).machine.labels.sum() == 1


@pytest.mark.parametrize(
    ("head", "wanted", "reason"),
    [
        ("timestamp,flow,mark", None, "--label-column; there are: flow, mark"),
        ("timestamp,anomaly,label", None, "2 columns are named"),
        ("timestamp,flow,mark", "gone", "no column 'gone'; there are: flow, mark"),
        ("timestamp,time,label", "time", "label 0.5 of row 1"),
    ],
)
def test_labels_that_can_not_be_found_are_refused(
    tmp_path: Path, head: str, wanted: str | None, reason: str
) -> None:
    """What is there is named."""
    with pytest.raises(ReadingError, match=reason):
        machines(written(tmp_path / "a.csv", [0] * ROWS, head), label_column=wanted)


def test_a_label_column_may_be_named(tmp_path: Path) -> None:
    """It may have any name then."""
    path = written(tmp_path / "a.csv", [0] * 19 + [1], "timestamp,flow,mark")
    (found,) = machines(path, label_column="mark")
    assert found.labels.sum() == 1


def test_labels_may_be_truths(tmp_path: Path) -> None:
    """True and False stand for 1 and 0 in the column of labels, and nowhere else."""
    path = tmp_path / "a.csv"
    path.write_text("flow,is_anomaly\n1,False\n2,false\n3,True\n4,FALSE\n")
    (found,) = machines(path, step_s=60.0)
    assert found.labels.tolist() == [True, False]
    with pytest.raises(ReadingError, match="'False' is no number"):
        machines(path, label_column="flow")
