"""The rules of Prometheus: valid, tested, documented."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.container import ROOT, yaml_of
from tests.integration.rule_queries import metrics_in
from tests.programs import require_program

pytestmark = pytest.mark.integration

PROMETHEUS: Final = ROOT / "docker" / "prometheus"
RULES: Final = PROMETHEUS / "rules" / "stepwatch.yml"
TESTS: Final = sorted((PROMETHEUS / "tests").glob("*.yml"))
DASHBOARDS: Final = ROOT / "docker" / "grafana" / "dashboards"
OPERATIONS = ROOT / "docs" / "operations.md"
NAMES: Final = {
    "ServiceDown", "NoObservations", "RefusalsHigh", "LatencyBudgetBurning", "SinkDown",
    "QueueFilling", "Dropping", "SnapshotTooOld", "StreamsSilent", "AlertBurst",
    "ModelReloadFailed",
}  # fmt: skip
OF_PROMETHEUS: Final = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes"}
SUFFIX: Final = re.compile(r"_(bucket|sum|count)$")


def ruled() -> list[dict[str, Any]]:
    """List all rules."""
    return [rule for group in yaml_of(RULES)["groups"] for rule in group["rules"]]


def alerting() -> list[dict[str, Any]]:
    """List the alerting rules."""
    return [rule for rule in ruled() if "alert" in rule]


def recorded() -> set[str]:
    """Name what the recording rules record."""
    return {rule["record"] for rule in ruled() if "record" in rule}


def in_annotations(rule: dict[str, Any]) -> list[str]:
    """Find the queries that annotations make, with a word in the place of each label's value."""
    texts = " ".join(rule.get("annotations", {}).values())
    return [query.replace("%q", '"any"') for query in re.findall(r'printf "(\w+\(.*?)" ', texts)]


def asked(rule: dict[str, Any]) -> set[str]:
    """Find the metrics that a rule or its annotations ask for."""
    return {name for query in (rule["expr"], *in_annotations(rule)) for name in metrics_in(query)}


def cases_of(kind: str) -> Iterator[dict[str, Any]]:
    """Go through what is tested: `alert_rule_test` or `promql_expr_test`."""
    for path in TESTS:
        for test in yaml_of(path)["tests"]:
            yield from test.get(kind, [])


def checked(program: str, *arguments: str | Path) -> tuple[int, str]:
    """Run a program that looks at something; gives its status and what it says."""
    command = [require_program(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("kind", "path"), [("config", PROMETHEUS / "prometheus.yml"), ("rules", RULES)]
)
def test_promtool_has_no_complaint(kind: str, path: Path) -> None:
    """Configuration and rules are valid, and no rule is there twice."""
    status, told = checked("promtool", "check", kind, "--lint-fatal", path)
    assert (status, "duplicate" in told) == (0, False), told
    assert f"{len(ruled())} rules found" in told


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path: Path) -> None:
    """They fire and record when they should, word for word, and are silent else."""
    status, told = checked("promtool", "test", "rules", path)
    assert status == 0, told


def test_the_alerts_are_these() -> None:
    """All that are promised, and no others."""
    assert {rule["alert"] for rule in alerting()} == {f"Stepwatch{name}" for name in NAMES}


@pytest.mark.parametrize("rule", alerting(), ids=lambda rule: "-".join(
    [rule["alert"], *rule["labels"].values()]))  # fmt: skip
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    """Severity, whose it is, a line, some sentences, and a place in the manual that is there."""
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["labels"]["service"] == "stepwatch"
    told = rule["annotations"]
    assert set(told) == {"summary", "description", "runbook_url"}
    assert "First " in told["description"]
    base, anchor = told["runbook_url"].split("#")
    assert base == "https://github.com/stepwatch/stepwatch/blob/main/docs/operations.md"
    headings = re.findall(r"^#+ (\w+)$", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor == rule["alert"].lower()
    assert anchor in {heading.lower() for heading in headings}


def test_the_manual_has_runbooks_of_these_alerts_only() -> None:
    """A heading that is left over would lead nobody anywhere."""
    manual = OPERATIONS.read_text(encoding="utf-8")
    headings = re.findall(r"^### (Stepwatch[A-Z]\w+)$", manual, re.MULTILINE)
    assert sorted(headings) == sorted({rule["alert"] for rule in alerting()})


@pytest.mark.parametrize("name", sorted({rule["alert"] for rule in alerting()}))
def test_every_alert_is_tested_to_fire_and_to_be_silent(name: str) -> None:
    """Each of its rules is seen firing; and there are cases in which none does."""
    cases = [test.get("exp_alerts", []) for test in cases_of("alert_rule_test")
             if test["alertname"] == name]  # fmt: skip
    assert [] in cases
    fired = [alert["exp_labels"] for case in cases for alert in case]
    for labels in (rule["labels"] for rule in alerting() if rule["alert"] == name):
        assert any(labels.items() <= one.items() for one in fired), labels


@pytest.mark.parametrize("name", sorted(recorded()))
def test_what_is_recorded_is_tested_and_used(name: str) -> None:
    """With a value that is expected; by another rule or a dashboard; named as is the custom."""
    assert re.fullmatch(r"instance(_model)?:stepwatch_\w+:(ratio_)?(rate|rise)\w+", name)
    expected = [test["expr"] for test in cases_of("promql_expr_test") if test.get("exp_samples")]
    assert any(name in metrics_in(query) for query in expected)
    boards = "".join(path.read_text(encoding="utf-8") for path in DASHBOARDS.glob("*.json"))
    assert name in boards or any(name in asked(rule) for rule in ruled())


def documented(names: set[str]) -> bool:
    """Tell whether the manual has all of these metrics, recorded ones and Prometheus' own apart."""
    manual = OPERATIONS.read_text(encoding="utf-8")
    known = set(re.findall(r"`(stepwatch_\w+)`", manual)) | recorded() | OF_PROMETHEUS
    return {SUFFIX.sub("", name) for name in names} <= known


def test_every_metric_that_is_asked_for_is_documented() -> None:
    """A metric that nobody exports would keep its alert silent for ever."""
    names = {name for rule in ruled() for name in asked(rule)}
    assert documented(names)
    assert {"stepwatch_stream_silent_seconds", "stepwatch_sink_up"} <= names


def test_queries_of_the_runbooks_can_be_asked() -> None:
    """At night nobody mends a query: each line of each block is PromQL on known metrics."""
    blocks = re.findall(r"^```promql\n(.*?)^```$", OPERATIONS.read_text("utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    queries = [query for line in lines if (query := line.split("#")[0].strip())]
    assert len(queries) > len(NAMES)
    assert documented({name for query in queries for name in metrics_in(query)})
