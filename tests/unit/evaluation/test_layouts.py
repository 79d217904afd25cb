"""The directories of NAB and of SMD."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from models.evaluation.recordings.datasets import find, load, machines
from models.evaluation.recordings.layout import Reading
from models.fit import MIN_ROWS
from models.recording import ReadingError

BEGIN = datetime(2014, 4, 1, tzinfo=UTC)


def at(row: int) -> str:
    """Time of a row, five minutes each, as NAB writes it."""
    return f"{BEGIN + timedelta(minutes=5 * row):%Y-%m-%d %H:%M:%S}"


def nab(
    root: Path,
    rows: int,
    windows: list[tuple[int, int]] | None,
    times: dict[int, str] | None = None,
) -> Path:
    """Write one file of NAB's layout; no windows at all: the labels do not name it."""
    path = root / "data" / "real" / "taxi.csv"
    path.parent.mkdir(parents=True)
    lines = [f"{(times or {}).get(row, at(row))},{row}" for row in range(rows)]
    path.write_text("\n".join(["timestamp,value", *lines]), encoding="utf-8")
    named = {"real/elsewhere.csv": [[at(1), at(2)]]}
    if windows is not None:
        named["real/taxi.csv"] = [[f"{at(a)}.000000", f"{at(b)}.000000"] for a, b in windows]
    (root / "labels").mkdir()
    (root / "labels" / "combined_windows.json").write_text(json.dumps(named))
    return root


@pytest.mark.parametrize(("rows", "split"), [(4032, 604), (6000, 750), (1882, MIN_ROWS)])
def test_the_probationary_part_is_trained_on(tmp_path: Path, rows: int, split: int) -> None:
    """15 % of the rows, 750 at most, and at least what training needs; the latter is told."""
    (source,) = find([nab(tmp_path, rows, [(1000, 1100)])]).sources
    loaded = load(source, Reading())
    found = loaded.machine
    assert (found.name, found.dataset, found.metrics) == ("real/taxi", "nab", ["value"])
    assert (len(found.train), len(found.test)) == (split, rows - split)
    assert found.test[0, 0] == split
    assert bool(loaded.notes) == (split == MIN_ROWS)
    assert found.windows == ((1000 - split, 1100 - split),)
    assert np.flatnonzero(found.labels).tolist() == list(range(1000 - split, 1101 - split))
    assert found.step_s == 300.0


def test_windows_are_cut_where_the_test_part_begins(tmp_path: Path) -> None:
    """One that begins before goes on from the first row; one that ends before is told."""
    (source,) = find([nab(tmp_path, 6000, [(10, 20), (700, 760), (800, 800)])]).sources
    loaded = load(source, Reading())
    assert loaded.machine.windows == ((0, 10), (50, 50))
    assert loaded.machine.labels.sum() == 12
    assert len(loaded.notes) == 1
    assert "holds no row to be judged" in loaded.notes[0]


def test_times_that_go_back_are_spaced_equally(tmp_path: Path) -> None:
    """A machine's times rise; labels still go by the times as they were written."""
    times = {1500: at(1499), 1600: at(1590)}
    (source,) = find([nab(tmp_path, 6000, [(1590, 1595)], times)]).sources
    loaded = load(source, Reading())
    assert "repeat or go back" in loaded.notes[0]
    assert set(np.diff(loaded.machine.times)) == {300_000_000}
    assert loaded.machine.windows == ((840, 850),)


def test_a_file_that_the_labels_do_not_name_is_left_out(tmp_path: Path) -> None:
    """It is told where there are others; alone it is an error."""
    with pytest.raises(ReadingError, match=r"no CSV that .* names"):
        find([nab(tmp_path, 10, None)])
    other = tmp_path / "data" / "real" / "elsewhere.csv"
    other.write_text(f"timestamp,value\n{at(0)},1\n")
    found = find([tmp_path])
    assert [source.name for source in found.sources] == ["real/elsewhere"]
    assert "taxi.csv: left out" in found.notes[0]


def test_a_file_too_short_to_train_on_is_refused(tmp_path: Path) -> None:
    """The reason says how many rows are needed."""
    with pytest.raises(ReadingError, match=f"{MIN_ROWS} rows; training needs {MIN_ROWS}"):
        machines(nab(tmp_path, MIN_ROWS, []))


def test_labels_that_can_not_be_read_are_refused(tmp_path: Path) -> None:
    """The file is named."""
    nab(tmp_path, 10, [])
    (tmp_path / "labels" / "combined_windows.json").write_text('{"a.csv": [["then", "now"]]}')
    with pytest.raises(ReadingError, match=r"combined_windows\.json: not readable"):
        find([tmp_path])


def smd(root: Path, labels: str = "0\n0\n1\n") -> Path:
    """Write one machine of SMD's layout: four rows to train on, three to judge."""
    parts = {
        "train": "0.1,0.2\n0.2,0.3\n0.3,0.4\n0.4,0.5\n",
        "test": "0.5,0.6\n0.6,0.7\n7.5,0.8\n",
        "test_label": labels,
    }
    for part, text in parts.items():
        (root / part).mkdir(parents=True)
        (root / part / "machine-1-1.txt").write_text(text)
    return root


def test_the_text_layout_is_read(tmp_path: Path) -> None:
    """No header, no times; the data set is the directory."""
    (found,) = machines(smd(tmp_path / "ServerMachineDataset"), step_s=60.0)
    assert (found.name, found.dataset) == ("machine-1-1", "servermachinedataset")
    assert found.metrics == ["m00", "m01"]
    assert found.train.tolist()[0] == [0.1, 0.2]
    assert found.test.tolist()[2] == [7.5, 0.8]
    assert found.labels.tolist() == [False, False, True]
    assert found.step_s == 60.0


@pytest.mark.parametrize("labels", ["0\n", "0,0\n0,0\n1,0\n", "0\n0\n0.5\n", "0\nno\n1\n"])
def test_text_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: str) -> None:
    """The file of the labels is named."""
    with pytest.raises(ReadingError, match="test_label"):
        machines(smd(tmp_path / "smd", labels))


def test_a_machine_without_a_part_is_refused(tmp_path: Path) -> None:
    """The file that is missing is named."""
    smd(tmp_path)
    (tmp_path / "train" / "machine-1-1.txt").unlink()
    with pytest.raises(ReadingError, match=r"train/machine-1-1\.txt: there is no such file"):
        find([tmp_path])
