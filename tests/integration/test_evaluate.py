"""`stepwatch evaluate`: the command, its processes, and how it says what is wrong."""

import os
import re
import signal
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.evaluation.recordings.datasets import find
from models.evaluation.recordings.layout import Reading
from models.evaluation.trials.choice import choices
from models.evaluation.trials.running import run
from models.evaluation.trials.task import Outcome, Step, Task
from models.evaluation.trials.training import TrainingOptions
from service.cli.main import app
from tests.fakes import normal_values
from tests.integration.processes import ended, started
from tests.unit.evaluation.machines import machine

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("STEPWATCH_SHARED_DATA", ROOT.parent / "shared" / "data"))
QUICK = "persistence,ewma"


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory; nothing of this machine's settings."""
    for name in [name for name in os.environ if name.startswith(("STEPWATCH_", "REDIS_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STEPWATCH_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A directory with two machines."""
    (tmp_path / "recorded").mkdir()
    for name in ("pump-1", "pump-2"):
        saved(tmp_path / "recorded" / f"{name}.npz")
    return tmp_path / "recorded"


@pytest.fixture
def long(recorded: Path) -> Path:
    """The same with so much to train on that no training is over before it is interrupted."""
    for path in recorded.iterdir():
        saved(path, train=normal_values(60_000, 2))
    return recorded


def saved(path: Path, **changes: Any) -> None:
    """Write a machine as npz."""
    one = machine()
    arrays = {"train": one.train, "test": one.test, "labels": one.labels} | changes
    np.savez(path, allow_pickle=False, **arrays)


def evaluate(*arguments: str | Path, scorers: str = QUICK) -> Result:
    """Run the command within this process."""
    given = ["evaluate", *map(str, arguments), "--scorers", scorers]
    return CliRunner().invoke(app, given)


def reported(out: Path) -> set[tuple[str, str]]:
    """Machines and scorers of a report."""
    report = msgspec.json.decode((out / "report.json").read_bytes())
    return {(one["machine"], one["scorer"]) for one in report["runs"]}


def tasks_of(path: Path, words: str = QUICK) -> list[Task]:
    """Lay out the work without a cache."""
    return [
        Task(
            source=source,
            reading=Reading(steps={"": 60.0}),
            choices=tuple(choices(words)),
            options=TrainingOptions(),
            cache=None,
        )
        for source in find([path]).sources
    ]


def test_a_second_run_comes_from_the_cache(tmp_path: Path, recorded: Path, data_dir: Path) -> None:
    """Every machine with every scorer is reported, and the same again without computing."""
    out, options = tmp_path / "made" / "out", ("--step", "60", "--jobs", "2")
    first = evaluate(recorded, "--out", out, *options)
    assert first.exit_code == 0, first.output
    everything = {(one, other) for one in ("pump-1", "pump-2") for other in QUICK.split(",")}
    assert reported(out) == everything
    assert f"4 results, 0 of them from the cache {data_dir / 'cache'}" in first.stdout
    assert str(out / "report.md") in first.stdout
    before = (out / "report.json").read_bytes()
    second = evaluate(recorded, "--out", out, *options)
    assert "4 results, 4 of them from the cache" in second.stdout
    assert (out / "report.json").read_bytes() == before


def test_nothing_is_kept_if_it_is_not_wanted(
    tmp_path: Path, recorded: Path, data_dir: Path
) -> None:
    """The step that nobody gave is told of."""
    result = evaluate(recorded / "pump-1.npz", "--out", tmp_path / "out", "--no-cache")
    assert result.exit_code == 0, result.output
    assert not data_dir.exists()
    assert "--step pump=SECONDS" in result.stderr
    assert result.stdout.rstrip().endswith("2 results")


def test_what_fails_does_not_take_the_others_along(tmp_path: Path, recorded: Path) -> None:
    """A machine that can't be read and one that can't be trained on are told at the end."""
    saved(recorded / "pump-3.npz", train=np.ones((10, 2)))
    saved(recorded / "pump-4.npz", labels=np.ones(3))
    result = evaluate(recorded, "--out", tmp_path / "out", "--step", "60", scorers="persistence")
    assert result.exit_code == 1
    assert "pump-3 persistence: 10 rows are too few to train on" in result.stderr
    assert re.search(r"pump-4: .*3 labels do not fit 200 test rows", result.stderr)
    assert reported(tmp_path / "out") == {("pump-1", "persistence"), ("pump-2", "persistence")}
    assert "2 results" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--scorers", "lstm"], "there is no scorer 'lstm'"),
        (["--step", "minute"], "--step minute: seconds are wanted"),
        (["--step", "pump=0"], "--step pump=0: seconds above 0"),
        (["--step", "smd=60"], "no such data set; there are: pump"),
        (["gone"], "gone: there is no such file or directory"),
    ],
)
def test_what_is_wrong_is_told_before_the_work(
    tmp_path: Path, recorded: Path, arguments: list[str], reason: str
) -> None:
    """Nothing is begun, and no directory is made."""
    given = ["evaluate", str(recorded), *arguments, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, given)
    assert (result.exit_code, result.stdout) == (1, "")
    assert reason in result.stderr
    assert not (tmp_path / "out").exists()


def children_of(pid: int) -> list[int]:
    """List the processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def files_below(*directories: Path) -> list[Path]:
    """List whatever lies in directories, if they are there at all."""
    return [path for directory in directories for path in directory.rglob("*")]


def lives(pid: int) -> bool:
    """Tell whether there is such a process, and it has not ended."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux has /proc")
async def test_an_interrupted_evaluation_leaves_nothing_half_done(
    tmp_path: Path, data_dir: Path, long: Path
) -> None:
    """Ctrl-C amid the trainings ends every process, and nothing is written."""
    options = ("--scorers", "gru", "--step", "60", "--jobs", "2")
    process = await started(
        "evaluate",
        long,
        *options,
        "--out",
        tmp_path / "out",
        data_dir=data_dir,
        FORCE_COLOR="1",
    )
    assert process.stderr is not None
    shown = ""
    while not {"pump-1 gru", "pump-2 gru"} <= set(re.findall(r"pump-\d gru", shown)):
        piece = await process.stderr.read(1000)
        assert piece, shown
        shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", piece.decode(errors="replace"))
    children = children_of(process.pid)
    assert len(children) >= 2
    process.send_signal(signal.SIGINT)
    interrupted = await ended(process)
    assert interrupted.status == 130
    assert "interrupted" in interrupted.err
    assert "Traceback" not in interrupted.err
    assert [pid for pid in children if lives(pid)] == []
    assert files_below(tmp_path / "out", data_dir) == []


def until_begun(running: Iterator[Step | Outcome | None]) -> None:
    """Wait until the first scorer is at work."""
    assert any(isinstance(told, Step) and told.doing for told in running)


def test_a_process_that_dies_takes_its_task_alone(long: Path) -> None:
    """Its machine fails, the next one is done by another process."""
    running = run([tasks_of(long, "gru")[0], tasks_of(long)[1]], 1)
    until_begun(running)
    (process,) = active_children()
    process.kill()
    outcomes = [told for told in running if isinstance(told, Outcome)]
    assert [one.machine for one in outcomes] == ["pump-1", "pump-2"]
    assert "its process ended with status -9" in outcomes[0].failures[0].reason
    assert [result.run.scorer for result in outcomes[1].results] == QUICK.split(",")
    assert active_children() == []


def test_closing_ends_the_processes(long: Path) -> None:
    """Whoever stops listening leaves no process behind, however long it would go on."""
    running = run(tasks_of(long, "gru"), 2)
    until_begun(running)
    assert len(active_children()) == 2
    running.close()
    assert active_children() == []


def test_a_real_machine_is_evaluated(tmp_path: Path) -> None:
    """A file of NAB is read in its layout, judged and scored as NAB does."""
    if not (DATA / "nab").is_dir():
        pytest.skip("nab is not in STEPWATCH_SHARED_DATA or ../shared/data")
    root = tmp_path / "nab"
    name = "realKnownCause/nyc_taxi.csv"
    for place in ("labels/combined_windows.json", f"data/{name}"):
        (root / place).parent.mkdir(parents=True)
        (root / place).write_bytes((DATA / "nab" / place).read_bytes())
    result = evaluate(root, "--out", tmp_path / "out", "--no-cache", scorers="persistence")
    assert result.exit_code == 0, result.output
    assert reported(tmp_path / "out") == {("realKnownCause/nyc_taxi", "persistence")}
    report = msgspec.json.decode((tmp_path / "out" / "report.json").read_bytes())
    assert report["nab"]
    assert report["machines"][0]["step_s"] == 1800.0
