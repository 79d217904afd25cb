"""The example for Alertmanager: valid, who is told of what, and what is not told twice."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.container import ROOT
from tests.integration.alertmanagers import AlertmanagerServer
from tests.integration.running import eventually
from tests.programs import require_program

pytestmark = pytest.mark.integration

EXAMPLE: Final = ROOT / "docker" / "alertmanager" / "alertmanager.yml"
SETTLED_S: Final = 10.0
Labels = dict[str, str]


def of_prometheus(name: str, severity: str, **labels: str) -> Labels:
    """Give the labels of an alert as the rules make them."""
    ours = {"alertname": f"Stepwatch{name}", "severity": severity, "service": "stepwatch"}
    return ours | {"job": "stepwatch", "instance": "a:80"} | labels


DOWN: Final = of_prometheus("ServiceDown", "critical", state="unreachable")
GONE: Final = {name: value for name, value in DOWN.items() if name != "instance"}
MUTE: Final = of_prometheus("NoObservations", "critical")
AWAY: Final = of_prometheus("SinkDown", "critical", sink="redis")
LATE: Final = of_prometheus("LatencyBudgetBurning", "critical")
SILENT: Final = of_prometheus("StreamsSilent", "warning", model="pumps")
FILLING: Final = of_prometheus("QueueFilling", "warning", sink="redis")
DROPPING: Final = of_prometheus("Dropping", "critical", sink="redis")
ODD: Final = {"alertname": "StepwatchAnomaly", "severity": "warning", "service": "stepwatch",
              "stream": "a/pump-1", "model": "pumps"}  # fmt: skip
"""As the service itself sends it."""
CRITICAL: Final = {"severity": "critical"}
WARNING: Final = {"severity": "warning"}
ELSEWHERE: Final = {"instance": "b:80"}


def amtool(*arguments: str | Path) -> tuple[int, str]:
    """Run it; gives its status and what it says."""
    command = [require_program("amtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_amtool_has_no_complaint(tmp_path: Path) -> None:
    """Neither of the example, nor of what stands in its comments for mail and Slack."""
    status, told = amtool("check-config", EXAMPLE)
    assert status == 0, told
    example, _, others = EXAMPLE.read_text(encoding="utf-8").partition("\n# By mail")
    lines = [line[1:] for line in others.splitlines() if line.startswith("#    ")]
    assert {"email_configs:", "slack_configs:"} <= {line.strip() for line in lines}
    path = tmp_path / "alertmanager.yml"
    path.write_text("\n".join([example, "  - name: other", *lines, ""]))
    status, told = amtool("check-config", path)
    assert (status, "3 receivers" in told) == (0, True), told


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "StepwatchAnomaly", "severity": "warning"}, "plant"),
        ({"alertname": "StepwatchAlertBurst", "severity": "warning"}, "service"),
        ({"alertname": "StepwatchServiceDown", "severity": "critical"}, "service"),
    ],
)
def test_alerts_reach_those_they_are_for(labels: dict[str, str], receiver: str) -> None:
    """Odd pumps the people of the plant, trouble of the service those who run it."""
    given = [f"{name}={value}" for name, value in {**labels, "service": "stepwatch"}.items()]
    status, told = amtool("config", "routes", "test", "--config.file", EXAMPLE, *given)
    assert (status, receiver in told.split()) == (0, True), told


@pytest.mark.parametrize(
    ("cause", "held", "told"),
    [
        (DOWN, [SILENT, FILLING, DROPPING], [ODD, DROPPING | ELSEWHERE]),
        (GONE, [SILENT, DROPPING], [ODD]),
        (MUTE, [SILENT, SILENT | CRITICAL], [FILLING, SILENT | ELSEWHERE]),
        (AWAY, [FILLING], [DROPPING, FILLING | {"sink": "webhook"}, SILENT]),
        (SILENT | CRITICAL, [SILENT], [SILENT | {"model": "fans"}, FILLING, ODD]),
        (LATE, [LATE | WARNING], [LATE | WARNING | ELSEWHERE]),
    ],
    ids=["down", "gone", "mute", "away", "worse", "late"],
)
async def test_one_trouble_is_told_once(
    cause: Labels, held: list[Labels], told: list[Labels], tmp_path: Path
) -> None:
    """A real Alertmanager holds back what follows from something else, and that alone."""
    require_program("prometheus-alertmanager", "alertmanager")
    server = AlertmanagerServer(tmp_path, "http://alerts.example")
    shutil.copy(EXAMPLE, tmp_path)  # in the place of its own configuration
    server.start()
    shown: list[Labels] = []
    try:
        async with httpx.AsyncClient(base_url=f"{server.url}/api/v2", trust_env=False) as client:
            sent = [{"labels": labels} for labels in (cause, *held, *told)]
            assert (await client.post("/alerts", json=sent)).is_success

            async def is_settled() -> bool:
                alerts = (await client.get("/alerts?inhibited=false")).json()
                shown[:] = [one["labels"] for one in alerts]
                return len(shown) <= 1 + len(told)

            with suppress(TimeoutError):  # then more are told than should be
                await eventually(is_settled, SETTLED_S)
    finally:
        server.stop()
    assert in_order(shown) == in_order([cause, *told])


def in_order(labels: list[Labels]) -> list[Labels]:
    """Sort labels of alerts, so that they can be compared."""
    return sorted(labels, key=lambda one: sorted(one.items()))
