"""The simulations of level shifts and of streams without anomalies, on small sizes."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.false_alarms import main as count_false_alarms
from benchmarks.false_alarms import means_of, parsed, rates_of
from benchmarks.normal_streams import Size, Streams, of_machine, simulated
from benchmarks.shifts_cases import BEFORE, cases, followed
from models.evaluation.recordings.machine import Machine

TINY = Size(streams=2, days=0.2, train_rows=700, steps_s=(300.0,))
needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)


def machine() -> Machine:
    """Make a recording of noise with one event in its test part."""
    random = np.random.default_rng(0)
    labels = np.zeros(300, np.bool_)
    labels[100:120] = True
    test = random.uniform(size=(300, 2))
    test[labels] += 30
    return Machine(
        name="noise-1",
        dataset="noise",
        metrics=["a", "b"],
        train=random.uniform(size=(1000, 2)),
        test=test,
        labels=labels,
        times=np.arange(300),
        step_s=60.0,
    )


@needs_matplotlib
def test_level_shifts_are_printed_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every case both ways; the second burst after a long anomaly is missed by clipping alone."""
    from benchmarks.shifts import main  # noqa: PLC0415 - the group bench

    assert main(tmp_path / "shifts.png", seed=0) == 0
    assert (tmp_path / "shifts.png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert printed.count("missed") == 1
    assert all(case.name in printed for case in cases())


def test_episodes_change_nothing_until_something_happens() -> None:
    """The first scores of every case are usual: no anomaly, no shift, the same thresholds."""
    for case in cases(seed=3):
        plain, whole = (followed(case, has_episodes=way) for way in (False, True))
        assert not plain.is_shifted.any()
        assert plain.threshold[150 : BEFORE + 1].tobytes() == (
            whole.threshold[150 : BEFORE + 1].tobytes()
        )
        assert not whole.is_anomaly[:BEFORE].any()


def test_false_alarms_are_counted_of_simulated_streams(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is printed is what is written: a row for each set, with as many rates as were asked."""
    out = tmp_path / "found.json"
    given = parsed(["--scorer", "var", "--asked", "1", "--asked", "200", "--json", str(out)])
    assert count_false_alarms(given, TINY) == 0
    told = json.loads(out.read_text())
    assert [one["name"] for one in told] == [
        "waves, 300 s",
        "waves, heavy tails, 300 s",
        "plant, 60 s",
    ]
    assert all(one["asked"] == [1.0, 200.0] for one in told)
    assert all(0 <= one["got"][0] <= one["got"][1] for one in told)
    assert "asked 200" in capsys.readouterr().out


def test_labelled_data_gives_two_sets_of_streams() -> None:
    """The end of the training part, not trained on, and the test part beside its events."""
    whole = machine()
    end, test = of_machine(whole)
    np.testing.assert_array_equal(np.concatenate([end.train, end.test[:, 0]]), whole.train)
    np.testing.assert_array_equal(test.test[:, 0], whole.test)
    assert not end.labels.any()
    assert test.days == pytest.approx(300 / 1440)


def test_alarms_in_true_segments_are_no_false_ones() -> None:
    """The same stream without labels has one."""
    _, labelled = of_machine(machine())
    bare = Streams(
        name="bare",
        group="bare",
        train=labelled.train,
        test=labelled.test,
        labels=np.zeros_like(labelled.labels),
        step_s=labelled.step_s,
    )
    (got,), (others,) = (rates_of(one, "var", (0.5,)).got for one in (labelled, bare))
    assert got == 0.0
    assert others == pytest.approx(1440 / 300)


def test_a_mean_is_taken_over_each_group() -> None:
    """Of the sets in it, whatever their length."""
    sets = list(simulated(TINY))
    found = [rates_of(one, "var", (100.0,)) for one in sets]
    (mean,) = means_of(found)
    assert mean.group == "simulated"
    assert mean.got[0] == pytest.approx(np.mean([one.got[0] for one in found]))
    assert mean.n_streams == 6
