"""What `benchmarks.host` makes on purpose, and how it tells whether it was found."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import host_bursts
from benchmarks.host import AFTER_S, Burst, Ear, false_alerts, outcome

BURST = Burst(kind="cpu", begin=100.0, end=120.0)


def alert(at: float, *metrics: str) -> dict[str, Any]:
    """Make an alert as the service tells it."""
    return {"timestamp": at, "contributors": [{"metric": name} for name in metrics]}


def ear(opened: list[dict[str, Any]], resolved: list[dict[str, Any]]) -> Ear:
    """Make an ear that has heard these."""
    heard = Ear()
    heard.opened, heard.resolved = opened, resolved
    return heard


def test_the_first_alert_within_a_burst_tells_how_long_it_took() -> None:
    """And what it named; one that opens again later changes nothing."""
    heard = ear([alert(102.5, "cpu_user_percent", "load_1m"), alert(119.0)], [alert(110.0)])
    found = outcome(BURST, heard)
    assert (found.delay_s, found.was_open) == (2.5, False)
    assert found.reasons == ["cpu_user_percent", "load_1m"]
    assert false_alerts([BURST], heard) == []


def test_an_alert_outside_of_bursts_is_a_false_one() -> None:
    """Before a burst, and so long after it that it is not about it any more."""
    early, late = alert(99.9), alert(120.0 + AFTER_S)
    heard = ear([early, late], [])
    assert outcome(BURST, heard).delay_s is None
    assert false_alerts([BURST], heard) == [early, late]


def test_an_alert_that_is_open_already_hides_a_burst() -> None:
    """It is told, so that a burst that was missed for it is not taken for one overlooked."""
    assert outcome(BURST, ear([alert(90.0)], [])).was_open
    assert not outcome(BURST, ear([alert(90.0)], [alert(95.0)])).was_open


def test_a_disk_burst_goes_over_one_file_and_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long it lasts, the file stays as small as is said."""
    sizes = list[int]()
    monkeypatch.setattr(host_bursts, "FILE_BYTES", 40)
    monkeypatch.setattr(host_bursts, "CHUNK_BYTES", 10)
    monkeypatch.setattr(
        "benchmarks.host_bursts.os.fsync",
        lambda _: sizes.extend(one.stat().st_size for one in tmp_path.iterdir()),
    )
    seconds = iter(range(1000))
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda _: None)
    monkeypatch.setattr("benchmarks.host_bursts.time", clock)
    host_bursts.write(30.0, tmp_path)
    assert len(sizes) > 8
    assert max(sizes) == 40
    assert list(tmp_path.iterdir()) == []
