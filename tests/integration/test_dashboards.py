"""Dashboards and rules: what they ask is what the service tells, and they are what is made."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from math import isfinite
from pathlib import Path

import pytest
import pytest_asyncio
from matplotlib.text import Text

from benchmarks.dashboards_drawing import answers_to, drawn
from benchmarks.dashboards_queries import (
    FOLDER,
    Asked,
    Series,
    boards,
    chosen,
    course,
    now,
    panels_of,
    queries_of,
    replaced,
)
from tests.integration import rule_queries
from tests.integration.eventful import Eventful, eventful
from tests.integration.prometheus import SCRAPE_S
from tests.integration.rule_queries import compared, looks_back_s, metrics_in, rules_of
from tests.integration.running import eventually

pytestmark = pytest.mark.integration
in_scene = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "docker" / "grafana" / "source"
OPERATIONS = ROOT / "docs" / "operations.md"
HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
BOARDS = boards()
OF_PROMETHEUS = {"up", "ALERTS"}
UNANSWERABLE: dict[str, str] = {}
"""Where a query stands that nothing made in a test can answer, and why. None so far."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    tmp_path_factory: pytest.TempPathFactory, unused_tcp_port_factory: Callable[[], int]
) -> AsyncIterator[Eventful]:
    """Everything has happened and the load goes on."""
    async with eventful(tmp_path_factory.mktemp("scene"), unused_tcp_port_factory()) as running:
        yield running


@pytest.fixture
def artefacts(tmp_path: Path) -> Path:
    """Where pictures and counts go."""
    folder = Path(os.environ.get("STEPWATCH_ARTEFACTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made(*options: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the script."""
    return subprocess.run(
        [sys.executable, SOURCE, *options], capture_output=True, text=True, check=False
    )


def test_committed_dashboards_are_what_the_script_makes(tmp_path: Path) -> None:
    """Whoever changes one has to change the other; a file that differs is named."""
    checked = made("--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert made("--folder", tmp_path).returncode == 0
    assert {path.name for path in FOLDER.iterdir()} == {path.name for path in tmp_path.iterdir()}
    (tmp_path / "model.json").write_text("{}")
    checked = made("--check", "--folder", tmp_path)
    assert checked.returncode == 1
    assert "model.json" in checked.stderr
    assert "streams.json" not in checked.stderr


@pytest.mark.parametrize("name", BOARDS)
def test_every_panel_explains_itself(name: str) -> None:
    """Title, description, unit and a word for nothing; ids differ; nothing overlaps."""
    taken: set[tuple[int, int]] = set()
    panels = list(panels_of(BOARDS[name]))
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"]
        assert len(panel["description"].split()) > 10, panel["title"]
        assert defaults["unit"]
        assert defaults["noValue"]
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_lead_to_one_another(name: str) -> None:
    """Each has links to the other two that keep time and choice, at addresses that are there."""
    links = {link["url"]: link for link in BOARDS[name]["links"]}
    others = {f"/d/{board['uid']}" for other, board in BOARDS.items() if other != name}
    assert set(links) == others
    assert all(link["keepTime"] and link["includeVars"] for link in links.values())


def undocumented(queries: Iterable[str]) -> set[str]:
    """Find metrics that the manual has neither by name nor, of the process, by family."""
    manual = OPERATIONS.read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z]+_\w*\*?)`", manual))
    asked = {name for query in queries for name in metrics_in(query)} - OF_PROMETHEUS
    assert asked
    bases = {HISTOGRAM.sub("", name) for name in asked if ":" not in name}  # recorded by rules
    return {name for name in bases - documented if f"{name.partition('_')[0]}_*" not in documented}


@pytest.mark.parametrize("name", BOARDS)
def test_every_metric_that_is_shown_is_documented(name: str) -> None:
    """In the operations manual; what an operator sees there has a meaning."""
    board = BOARDS[name]
    assert not undocumented(replaced(query.expr, _anything()) for query in queries_of(name, board))


def test_both_sides_of_comparisons_are_asked_for() -> None:
    """An alert's query answers with nothing while all is well, but what it compares is there."""
    query = "(a / (b > 0) > 0.5 and c >= 2 * d) or absent(e) or f == bool 1 or g"
    assert compared(query) == ["a / (b > 0)", "b", "c", "2 * d", "e", "f"]
    assert metrics_in(query) == set("abcdefg")
    assert looks_back_s("max_over_time(a[5m] offset 10m)") == 600
    with pytest.raises(ValueError, match="offsets differ"):
        looks_back_s("a - a offset 10m")


def test_variables_are_replaced_and_the_rest_stays() -> None:
    """With and without braces; a group of a regular expression is no variable."""
    text = 'rate(a{b=~"$instance", c="${model}"}[$__rate_interval]) label_replace "$1"'
    values = {"instance": "i", "model": "m", "__rate_interval": "5s"}
    assert replaced(text, values) == 'rate(a{b=~"i", c="m"}[5s]) label_replace "$1"'
    with pytest.raises(KeyError, match="modle"):
        replaced("$modle", values)


def _anything() -> Mapping[str, str]:
    """Give a value for each variable, for a parser."""
    return dict.fromkeys(("instance", "model", "stream"), "x") | dict.fromkeys(
        ("__interval", "__rate_interval", "__range"), "1m"
    )


async def answered(scene: Eventful, query: Asked, values: Mapping[str, str]) -> bool:
    """Ask as Grafana would; tells whether there is a number in the answer."""
    expr = replaced(query.expr, values)
    metrics_in(expr)  # parsed, too
    if query.is_instant:
        series: Series = await now(scene.client, expr, time.time() + looks_back_s(expr))
        return any(isfinite(float(one["value"][1])) for one in series)
    series = await course(scene.client, expr, scene.span())
    return any(isfinite(float(value)) for one in series for _, value in one["values"])


@in_scene
async def test_every_query_has_an_answer(
    scene: Eventful, artefacts: Path, record_property: Callable[[str, object], None]
) -> None:
    """All queries of dashboards and rules are parsed, executed and answered with a number."""
    asked: list[tuple[Asked, Mapping[str, str]]] = []
    for name, board in BOARDS.items():
        values = await chosen(scene.client, board) | scene.span().variables(SCRAPE_S)
        asked += [(query, values) for query in queries_of(name, board)]
    rules = await rules_of(scene.client)
    assert rules, f"no rules in {rule_queries.FOLDER}"
    asked += [(query, {}) for query in rule_queries.queries_of(rules)]
    told = {f"{query.where}: {query.expr}": False for query, _ in asked}

    async def is_answered() -> bool:
        for query, values in asked:
            if not told[key := f"{query.where}: {query.expr}"]:
                told[key] = await answered(scene, query, values)
        return all(is_so for key, is_so in told.items() if key not in UNANSWERABLE)

    try:
        await eventually(is_answered, within_s=30)
    except TimeoutError:
        pytest.fail("no answer:\n" + "\n".join(key for key, is_so in told.items() if not is_so))
    finally:
        record_property("queries", len(told))
        record_property("answered", sum(told.values()))
        (artefacts / "queries.json").write_text(json.dumps(told, indent=2), encoding="utf-8")


@in_scene
async def test_every_metric_of_the_rules_is_documented(scene: Eventful) -> None:
    """As of the dashboards; what rules record is explained where it is recorded."""
    rules = await rules_of(scene.client)
    assert not undocumented(rule["query"] for rule in rules)
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    asked = {name for rule in rules for name in metrics_in(rule["query"]) if ":" in name}
    assert asked <= recorded


@in_scene
async def test_a_stream_can_be_chosen(scene: Eventful) -> None:
    """With one stream chosen, the panels of single streams show that one alone."""
    values = await chosen(scene.client, BOARDS["streams"]) | scene.span().variables(SCRAPE_S)
    values["stream"] = "(plant/shifted)"
    shown = set()
    for query in queries_of("streams", BOARDS["streams"]):
        if "$stream" in query.expr:
            series = await course(scene.client, replaced(query.expr, values), scene.span())
            shown |= {one["metric"].get("stream", "plant/shifted") for one in series}
    assert shown == {"plant/shifted"}


@in_scene
async def test_pictures_of_the_panels(scene: Eventful, artefacts: Path) -> None:
    """Every panel is drawn from what Prometheus answers; look at them with STEPWATCH_ARTEFACTS."""
    span = scene.span()  # what takes the loop's time must not be seen in the pictures
    found = {
        name: await answers_to(scene.client, board, span, SCRAPE_S)
        for name, board in BOARDS.items()
    }
    for name, board in BOARDS.items():
        picture = drawn(board, found[name])
        texts = {one.get_text() for one in picture.findobj() if isinstance(one, Text)}
        assert {panel["title"].replace("$model", "all") for panel in panels_of(board)} <= texts
        path = artefacts / f"{name}.png"
        picture.savefig(path)
        assert path.read_bytes().startswith(b"\x89PNG")
