from pathlib import Path

import numpy as np
import pytest

from models.reading import read
from service.host.recording import Recording


def test_what_is_missing_is_as_it_was_before() -> None:
    """Training takes no gaps: the value before stands in, 0 where there is none."""
    recording = Recording(["a", "b"], wanted=3)
    for row in ([np.nan, 1.0], [2.0, np.nan], [3.0, 4.0]):
        recording.add(float(len(recording)), np.array(row))
    assert recording.values.tolist() == [[0.0, 1.0], [2.0, 1.0], [3.0, 4.0]]
    assert (recording.is_full, recording.filled) == (True, 2)


def test_it_is_written_as_training_reads_it(tmp_path: Path) -> None:
    """Names, times and values come back, and nothing else is left in the directory."""
    recording = Recording(["a", "b"], wanted=2)
    recording.add(1_700_000_000.25, np.array([0.5, 1e9]))
    recording.add(1_700_000_001.25, np.array([0.25, 2e9]))
    recording.write(tmp_path / "host.csv")
    back = read(tmp_path / "host.csv", part="train")
    assert back.metrics == ["a", "b"]
    assert back.step_s == 1.0
    assert back.values.tolist() == recording.values.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["host.csv"]


def test_an_old_file_stays_if_the_new_one_can_not_be_written(tmp_path: Path) -> None:
    """What can't be written leaves nothing half-done."""
    recording = Recording(["a"], wanted=2)
    recording.add(0.0, np.array([1.0]))
    (tmp_path / "host.csv").mkdir()
    with pytest.raises(OSError, match=r"host\.csv"):
        recording.write(tmp_path / "host.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["host.csv"]
