"""The command line as a process: how it ends on a signal, and where it can't begin."""

import asyncio
import re
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import Checkpoint
from tests.fakes import normal_values
from tests.integration.processes import ended, started, stepwatch
from tests.integration.running import pumps

pytestmark = pytest.mark.integration


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with the model pumps."""
    pumps().save(tmp_path / "models" / "pumps")
    return tmp_path


async def test_an_interrupted_training_changes_nothing(data_dir: Path) -> None:
    """Ctrl-C during the epochs leaves the old checkpoint in place and nothing half-done."""
    models = data_dir / "models"
    before = Checkpoint.load(models / "pumps").spec.content_hash
    file = data_dir / "long.npz"
    np.savez(file, train=np.tile(normal_values(300, 2), (10, 1)))
    options = ("--name", "pumps", "--epochs", "1000")
    training = await started("train", file, *options, data_dir=data_dir, FORCE_COLOR="1")
    assert training.stderr is not None
    shown = ""
    while "epoch 2" not in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown):
        piece = await training.stderr.read(1000)
        assert piece, shown
        shown += piece.decode(errors="replace")
    training.send_signal(signal.SIGINT)
    interrupted = await ended(training)
    assert interrupted.status == 130
    assert "interrupted" in interrupted.err
    assert "Traceback" not in interrupted.err
    assert [path.name for path in models.iterdir()] == ["pumps"]
    assert Checkpoint.load(models / "pumps").spec.content_hash == before


def processes_of(data_dir: Path) -> list[str]:
    """Find the processes whose command line names a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # ended meanwhile
            continue
        found += [line] if str(data_dir) in line else []
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_serve_says_why_it_does_not_start(data_dir: Path, tmp_path: Path) -> None:
    """A damaged checkpoint, an unknown model or a taken port end it clearly, with no Valkey."""
    damaged = tmp_path / "damaged"
    pumps().save(damaged / "models" / "pumps")
    (damaged / "models" / "pumps" / "weights.safetensors").write_bytes(b"nothing")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        results = await asyncio.gather(
            stepwatch("serve", "--port", "0", data_dir=damaged),
            stepwatch("serve", "--port", "0", "--default-model", "none", data_dir=data_dir),
            stepwatch("serve", "--port", port, data_dir=data_dir),
            stepwatch("demo", "--port", port, data_dir=data_dir),
        )
    taken_port = f"127.0.0.1:{port}"
    named = (
        "train it again",
        "there is no model 'none'; loaded are: pumps",
        taken_port,
        taken_port,
    )
    for result, name in zip(results, named, strict=True):
        assert result.status == 1
        assert name in result.err
        assert "Traceback" not in result.err
    assert results[-1].out == ""  # the demo has not even begun to train
    assert processes_of(data_dir) == []
