"""The comparison: who is measured, what a gain is, and what ends with status 1."""

import json
from itertools import count
from pathlib import Path as File
from typing import Any

import pytest

from benchmarks import speed_site
from benchmarks.speed import Race, failures_of
from benchmarks.speed_paths import EACH, NAIVE, PACKED, PATHS, Measure, Path
from benchmarks.speed_redis import POLL_S, POLLS_S, pause_s
from benchmarks.speed_report import Compared, Rounds, compared, write
from benchmarks.speed_run import Stretch
from benchmarks.speed_site import Contender

WELL = {
    "answered": 10,
    "in Redis": 10,
    "dropped": 0,
    "errors": 0,
    "scores looked at": 3,
    "largest relative error of these": 1e-6,
}


def stretch(value: float, *, server_us: float = 1.0) -> Stretch:
    return Stretch(
        rows=1,
        rate=value,
        answered_rate=value,
        server_us=server_us,
        redis_us=0.0,
        client_us=0.0,
        p50_ms=value,
        p99_ms=value,
        errors=0,
        trouble="",
    )


def path(measure: Measure, **changed: Any) -> Path:
    return Path(**{"title": "a path", "measure": measure, "must": 4, "aim": 8} | changed)


@pytest.mark.parametrize(
    ("measure", "ours", "naive"), [("rate", 60, 10), ("p50", 10, 60), ("p99", 10, 60)]
)
def test_a_gain_is_above_one_where_ours_is_better(
    measure: Measure, ours: float, naive: float
) -> None:
    """Rates are better high and latencies low; CPU is better low in either case."""
    found = Compared(
        path(measure), [stretch(ours, server_us=2.0)], [stretch(naive, server_us=50.0)]
    )

    assert found.gains == [pytest.approx(6.0)]
    assert found.cpu_gain == pytest.approx(25.0)
    assert found.verdict == "must"


def test_gains_are_taken_round_by_round() -> None:
    """A slow round of both is no gain of one."""
    ours, naive = [stretch(40.0), stretch(80.0)], [stretch(10.0), stretch(20.0)]

    assert Compared(path("rate"), ours, naive).gains == [4.0, 4.0]


@pytest.mark.parametrize(("gain", "said"), [(3.9, "no"), (4.0, "must"), (8.0, "aim")])
def test_what_is_reached_is_said(gain: float, said: str) -> None:
    """Must and aim are reached at their number."""
    assert Compared(path("rate"), [stretch(gain)], [stretch(1.0)]).verdict == said


def test_each_path_is_compared_with_its_own_two() -> None:
    """Ours by the configuration of the path, the naive one by the path it is held against."""
    values = count(1.0)
    titles = {one.title for one in PATHS}
    found: Rounds = {
        (name, title): [stretch(next(values))] for name in (NAIVE, EACH, PACKED) for title in titles
    }

    for one in compared(found):
        assert one.ours is found[one.path.ours, one.path.title]
        assert one.naive is found[NAIVE, one.path.against or one.path.title]


def test_what_is_written_can_be_drawn(tmp_path: File) -> None:
    """The plot reads gain, range, must and aim of every path under these names."""
    found: Rounds = {
        (name, one.title): [stretch(3.0), stretch(4.0)]
        for name in (NAIVE, EACH, PACKED)
        for one in PATHS
    }

    write(tmp_path / "speed.json", found, {NAIVE: WELL}, {"cores": 2})

    told = json.loads((tmp_path / "speed.json").read_text())
    assert [one["path"] for one in told["targets"]] == [one.title for one in PATHS]
    assert {"gain", "gains", "must", "aim", "met", "measure"} <= told["targets"][0].keys()
    assert len(told["measured"]) == len(found)
    assert told["machine"] == {"cores": 2}


def test_batches_are_measured_with_packed_entries() -> None:
    """And one observation at a time with an entry each."""
    assert {one.title: one.ours for one in PATHS} == {
        one.title: PACKED if one.rows > 1 else EACH for one in PATHS
    }


def test_only_those_who_are_compared_are_measured() -> None:
    """The naive one is left out where another path of it is compared."""
    every = [contender(name) for name in (NAIVE, EACH, PACKED)]
    race = Race(every, 1.0)

    def names(one: Path) -> list[str]:
        return [other.name for other in race._running(one)]

    assert names(path("rate", ours=PACKED)) == [NAIVE, PACKED]
    assert names(path("rate", ours=EACH)) == [NAIVE, EACH]
    assert names(path("rate", ours=PACKED, against="another")) == [PACKED]


@pytest.mark.parametrize(
    "changed",
    [
        {"errors": 1},
        {"dropped": 1.0},
        {"in Redis": 9},
        {"in Redis": 11},
        {"largest relative error of these": 0.1},
        {"largest relative error of these": float("inf")},
        {"largest relative error of these": float("nan")},
    ],
)
def test_what_is_wrong_is_a_failure(changed: dict[str, Any]) -> None:
    """Of any service, and only that."""
    assert failures_of({NAIVE: WELL, PACKED: WELL}) == []

    (failure,) = failures_of({NAIVE: WELL, PACKED: WELL | changed})

    assert failure.startswith(f"{PACKED}: ")


def test_redis_is_looked_at_again_when_about_half_is_left() -> None:
    """Neither all the time nor too late; without an idea of the pace as before."""
    least, most = POLLS_S

    assert pause_s(1000, 0.0) == POLL_S
    assert pause_s(1000, 50_000.0) == pytest.approx(0.01)
    assert pause_s(1, 1e6) == least
    assert pause_s(10**6, 1.0) == most


class Counted:
    """A ledger that knows what it will tell; the last for ever."""

    looks_often = False

    def __init__(self, *told: int) -> None:
        self._told = list(told)
        self.asked = 0

    async def written(self) -> int:
        self.asked += 1
        return self._told.pop(0) if len(self._told) > 1 else self._told[0]


def contender(name: str, ledger: Counted | None = None) -> Contender:
    return Contender(name=name, port=0, pid=0, redis_pid=0, ledger=ledger or Counted(0))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stalled is given up soon."""
    monkeypatch.setattr(speed_site, "STALLED_S", 0.05)


async def test_a_stretch_ends_when_the_last_verdict_is_in_redis() -> None:
    """Looked at until they are as many as were answered."""
    ledger = Counted(2, 5, 9, 10)
    one = contender(EACH, ledger)
    one.answered = 10

    await one.drained(0.0)

    assert (ledger.asked, one.lost) == (4, 0)


@pytest.mark.usefixtures("impatient")
async def test_what_does_not_come_is_waited_for_once() -> None:
    """Not again after each of the stretches that follow; it stays missing."""
    ledger = Counted(4, 7, 7)
    one = contender(PACKED, ledger)
    one.answered = 10

    await one.drained(0.0)
    asked = ledger.asked
    await one.drained(0.0)

    assert one.lost == 3
    assert ledger.asked == asked + 1
