"""Random, cut and damaged frames: each is taken or refused, and what is refused changes nothing."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest

from tests.engines import make_directory, make_engine, running
from tests.fakes import FakeClock
from tests.fuzz.frames import Frame, frame_of
from tests.fuzz.trial import CHUNK, PLACE, REPORT, Report, Trial

ROOT: Final = Path(__file__).parents[2]
FRAMES: Final = int(os.environ.get("FUZZ_FRAMES", "100000"))
"""How many frames are fed: more for a night."""
SEED: Final = int(os.environ.get("FUZZ_SEED", "20251121"))
_PROCESSES: Final = 2
_MOST_EACH: Final = 25 * CHUNK
"""Frames one process is fed before the next takes over."""
_CHUNK_S: Final = 60.0
_SLOWEST_S: Final = 5.0
"""Longest time for one small frame; that machines are busy is in it."""
_MOST_GROWN_MIB: Final = 300.0


def fed(first: int, stop: int, desk: Path) -> Report:
    """Feed frames in a process of its own; one that ends before its time is told as a failure."""
    desk.mkdir()
    arguments = [str(one) for one in (SEED, first, stop - first, desk)]
    command = [sys.executable, "-m", "tests.fuzz.trial", *arguments]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=_CHUNK_S * (1 + (stop - first) / CHUNK),
    )
    if ended.returncode == 0:
        return msgspec.json.decode((desk / REPORT).read_bytes(), type=Report)
    place = desk / PLACE
    number = int(place.read_text()) if place.exists() else first
    frame, begin = frame_of(SEED, number), number // CHUNK * CHUNK
    again = f"python -m tests.fuzz.trial {SEED} {begin} {number - begin + 1} DIRECTORY"
    told = f"ended with {ended.returncode} at {frame}\nagain: {again}\n{ended.stderr}"
    return Report({"process ended": 1}, [told], 0.0, "", 0.0)


def shares() -> Iterator[tuple[int, int]]:
    """Cut the frames into the shares of processes, each of whole chunks."""
    each = min(_MOST_EACH, -(-FRAMES // (_PROCESSES * CHUNK)) * CHUNK)
    for first in range(0, FRAMES, each):
        yield first, min(first + each, FRAMES)


def printed(reports: list[Report]) -> Counter[str]:
    """Add up the outcomes and print them, with the slowest frame."""
    outcomes: Counter[str] = Counter()
    for report in reports:
        outcomes.update(report.outcomes)
    slowest = max(reports, key=lambda report: report.slowest_s)
    lines = [f"{count:8} {name}" for name, count in sorted(outcomes.items())]
    grown = max(report.grown_mib for report in reports)
    print(f"seed {SEED}, {outcomes.total()} frames, grown by {grown:.0f} MiB", *lines, sep="\n")  # noqa: T201
    print(f"slowest {slowest.slowest_s:.3f} s: {slowest.slowest}")  # noqa: T201
    return outcomes


@pytest.mark.integration
@pytest.mark.timeout(600 + FRAMES // 100)
def test_whatever_comes_is_taken_or_refused(tmp_path: Path) -> None:
    """No frame raises anything else, hangs, fells the process or touches what it may not."""
    with ThreadPoolExecutor(_PROCESSES) as pool:
        waiting = [pool.submit(fed, first, stop, tmp_path / str(first)) for first, stop in shares()]
        reports = [one.result() for one in waiting]
    outcomes = printed(reports)
    assert not (failures := [one for report in reports for one in report.failures]), "\n".join(
        failures
    )
    assert outcomes.total() == FRAMES
    assert max(report.slowest_s for report in reports) < _SLOWEST_S
    assert max(report.grown_mib for report in reports) < _MOST_GROWN_MIB
    for kind in ("json", "text-frame", "ndjson", "arrow"):
        for outcome in ("all rows taken", "some rows taken", "all rows refused", "empty-batch"):
            assert outcomes[f"{kind} odd: {outcome}"], f"no {kind} was '{outcome}'"


def test_a_frame_comes_again_by_its_number() -> None:
    """Seed and number say everything of a frame: what failed once can be had again."""
    for number in range(200):
        assert frame_of(SEED, number) == frame_of(SEED, number)
    assert frame_of(SEED, 1).data != frame_of(SEED + 1, 1).data


async def test_a_state_that_changes_is_noticed() -> None:
    """One bit in any array of a stream that no row was taken of fails the trial."""
    clock, directory = FakeClock(), make_directory()
    async with running(make_engine(directory, clock=clock)) as engine:
        trial = Trial(engine, clock)
        await trial.prepare()
        refused = Frame(0, "json", "odd", b"{}", None, explain=False)
        assert await trial.feed(refused) == "malformed-json"
        for slab in directory.models["pumps"].bank.slabs.values():
            for name in slab.layout:
                bits = slab[name][3:4].reshape(-1).view(np.uint8)
                bits[0] ^= 1
                with pytest.raises(AssertionError, match=f"{name} of the slots .3"):
                    await trial.feed(refused)
                bits[0] ^= 1
