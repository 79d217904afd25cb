"""`stepwatch host` as a process: this computer is learned and watched, here or elsewhere."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.checkpoint import Checkpoint
from models.reading import read
from service.cli.main import app
from service.host.learning import LEAST_READINGS
from service.host.readings import snapshot
from tests.integration.processes import Ended, ended, started, stepwatch
from tests.integration.running import (
    ANSWER_S,
    client_of,
    eventually,
    pumps,
    running_service,
    settings_of,
)

pytestmark = pytest.mark.integration

FAST = ("--every", "0.02", "--learn", "0.1", "--stream", "box")
"""Three hundred and five readings, the fewest there may be, in seven seconds."""
SOON = ("--minutes", "0.05")


def place_of(data_dir: Path) -> Path:
    """Where the model lies."""
    return data_dir / "host" / "models" / "host"


async def heard_until(process: asyncio.subprocess.Process, word: str) -> str:
    """Read what a command says up to a line with a word."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(ANSWER_S):
        while word not in said:
            line = await process.stdout.readline()
            assert line, said
            said += line.decode()
    return said


async def interrupted_at(word: str, *arguments: str, data_dir: Path) -> tuple[str, Ended]:
    """Start the command, and interrupt it when it says a word; gives what it said before."""
    process = await started("host", *arguments, data_dir=data_dir)
    try:
        said = await heard_until(process, word)
        process.send_signal(signal.SIGINT)
    finally:
        if process.returncode is None and word not in said:
            process.kill()
    return said, await ended(process)


async def test_it_learns_watches_and_goes_on_the_next_time(tmp_path: Path) -> None:
    """Learned, streamed, summed up; the second start uses what was learned."""
    said, end = await interrupted_at("Watching", *FAST, "--port", "0", data_dir=tmp_path)
    assert end.status == 0, end.err
    assert f"{LEAST_READINGS} readings in 7 s; fewer can't be learned from" in said
    assert f"Learned from {LEAST_READINGS} readings" in said
    assert "readings judged in" in end.out
    names = snapshot(0.0).names
    spec = Checkpoint.load(place_of(tmp_path)).spec
    assert (spec.metrics, spec.step_s) == (names, 0.02)
    assert spec.threshold.false_alarms_per_day == 24
    kept = read(tmp_path / "host" / "host.csv", part="train")
    assert kept.values.shape == (LEAST_READINGS, len(names))

    again = await stepwatch("host", *FAST, *SOON, "--port", "0", data_dir=tmp_path)
    assert again.status == 0, again.err
    assert "Learning" not in again.out
    assert "readings judged in" in again.out
    assert Checkpoint.load(place_of(tmp_path)).spec.content_hash == spec.content_hash


async def test_interrupted_while_learning_it_leaves_no_model(tmp_path: Path) -> None:
    """What was recorded is kept, and a person is told how far it came."""
    process = await started("host", "--port", "0", "--every", "0.02", data_dir=tmp_path)
    try:
        said = await heard_until(process, "Learning")
        url = said.split("Serving at ")[1].split(";")[0]
        async with client_of(url) as client:

            async def is_streaming() -> bool:
                # behind the washout of what stands in for the model
                return 'phase="live"} 1' in (await client.get("/metrics")).text

            await eventually(is_streaming)
        process.send_signal(signal.SIGINT)
    finally:
        end = await ended(process)
    assert end.status == 130, end.err
    assert "nothing was learned" in end.out
    assert "Traceback" not in end.err
    assert not place_of(tmp_path).exists()


async def test_a_service_elsewhere(tmp_path: Path) -> None:
    """Without the model there it is learned here and told how to bring it; then it is streamed."""
    async with running_service(settings_of(tmp_path / "service")) as service:
        to_there = ("--url", service.url)
        first = await stepwatch("host", *FAST, *to_there, data_dir=tmp_path)
        assert first.status == 0, first.err
        assert f"curl -X POST {service.url}/v1/models/host/reload" in first.out
        assert str(place_of(tmp_path)) in first.out
        again = f"--stream box --every 0.02 --data-dir {tmp_path}"
        assert again in first.out

        second = await stepwatch("host", *FAST, *to_there, data_dir=tmp_path)
        assert "Learning" not in second.out
        assert "bring it to the service" in second.out

        shutil.copytree(place_of(tmp_path), tmp_path / "service" / "models" / "host")
        reloaded = await service.http.post("/v1/models/host/reload")
        assert reloaded.is_success, reloaded.text
        third = await stepwatch("host", *FAST, *to_there, *SOON, data_dir=tmp_path)
        assert third.status == 0, third.err
        assert "as 'box'" in third.out
        assert "summary" in third.out
        assert "refused" not in third.out
        stream = (await service.http.get("/v1/streams/box")).json()
    assert stream["model"] == "host"
    assert stream["observations"] > 0


async def test_a_model_of_other_metrics_elsewhere_is_not_learned_over(tmp_path: Path) -> None:
    """Whoever put it there uses it: it is told before anything is learned."""
    service_dir = tmp_path / "service"
    pumps().save(service_dir / "models" / "host")
    async with running_service(settings_of(service_dir)) as service:
        end = await stepwatch("host", *FAST, "--url", service.url, data_dir=tmp_path)
    assert end.status == 1, end.out
    assert "choose another name with --model" in end.err
    assert "Learning" not in end.out


async def test_what_can_not_be_done_is_said(tmp_path: Path) -> None:
    """Before anything is learned, and how to mend it."""
    cases = (
        (("--url", "http://127.0.0.1:9"), "no service at http://127.0.0.1:9"),
        (("--url", "127.0.0.1:8080"), "is no address of a service"),
        (("--port", "0", "--minutes", "3"), "learning alone takes 5 min 15 s"),
    )
    ends = await asyncio.gather(
        *(stepwatch("host", *arguments, data_dir=tmp_path) for arguments, _ in cases)
    )
    for end, (_, named) in zip(ends, cases, strict=True):
        assert end.status == 1, end.out
        assert named in end.err
        assert "Traceback" not in end.err
    assert not place_of(tmp_path).exists()


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--every", "0", "--every: a number above 0"),
        ("--learn", "nan", "--learn: a number above 0"),
        ("--false-alarms-per-day", "0", "or more is wanted"),
        ("--model", "../x", "'../x' is no name"),
        ("--stream", "my box", "'my box': an id is"),
        ("--stream", "", "'': an id is"),
    ],
)
def test_what_is_no_option_is_said(option: str, value: str, named: str) -> None:
    """Numbers and names that mean nothing."""
    result = CliRunner().invoke(app, ["host", option, value])
    assert result.exit_code == 1
    assert named in result.stderr
