"""What the dashboards of `docker/grafana` ask, with their variables in place, and the answers."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

FOLDER: Final = Path(__file__).parents[1] / "docker" / "grafana" / "dashboards"
NAMES: Final = ("streams", "service", "model")
_NAMED: Final = re.compile(r"\$\{?([a-z_]\w*)\}?")
_LABEL_VALUES: Final = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
Board = dict[str, Any]
Series = list[dict[str, Any]]


class QueryError(Exception):
    """Prometheus refused a query."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a dashboard.

    Attributes:
        where: Dashboard, panel and letter.
        expr: With variables still in it.
        is_instant: Whether only the last value is asked for.
    """

    where: str
    expr: str
    is_instant: bool


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is looked at, in seconds UTC, and the distance of points."""

    start: float
    end: float
    step: float

    def variables(self, scrape_s: float) -> dict[str, str]:
        """Give what Grafana puts in place of its own variables."""
        rate = max(self.step + scrape_s, 4 * scrape_s)
        lengths = {"interval": self.step, "rate_interval": rate, "range": self.end - self.start}
        return {f"__{name}": f"{round(1000 * long)}ms" for name, long in lengths.items()}


def boards(folder: Path = FOLDER) -> dict[str, Board]:
    """Read the dashboards, by name."""
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in NAMES
    }


def panels_of(board: Board) -> Iterator[dict[str, Any]]:
    """Go through the panels, rows left out."""
    for panel in board["panels"]:
        yield from panel.get("panels") or []
        if panel["type"] != "row":
            yield panel


def queries_of(name: str, board: Board) -> Iterator[Asked]:
    """Go through the queries of panels and of marks in time."""
    for panel in panels_of(board):
        for target in panel["targets"]:
            where = f"{name} / {panel['title']} / {target['refId']}"
            yield Asked(where, target["expr"], bool(target.get("instant")))
    for mark in board["annotations"]["list"]:
        yield Asked(f"{name} / {mark['name']}", mark["expr"], is_instant=False)


def replaced(text: str, values: Mapping[str, str]) -> str:
    """Put values in place of variables; what is no variable, as `$1`, stays."""
    return _NAMED.sub(lambda found: values[found[1]], text)


async def chosen(client: httpx.AsyncClient, board: Board) -> dict[str, str]:
    """Ask for the values of each variable, as Grafana does, and choose all.

    Raises:
        QueryError: If a variable has no value.
    """
    values: dict[str, str] = {}
    for variable in board["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = _LABEL_VALUES.fullmatch(replaced(variable["query"]["query"], values))
        if asked is None:
            raise QueryError(f"not understood: {variable['query']['query']}")
        path = f"/api/v1/label/{asked['label']}/values"
        found = await _answer(client, path, {"match[]": asked["selector"]})
        if not found:
            raise QueryError(f"variable {variable['name']} of {board['title']} has no value")
        every = "|".join(re.escape(one) for one in found).replace("\\", r"\\")
        values[variable["name"]] = variable.get("allValue") or f"({every})"
    return values


async def now(client: httpx.AsyncClient, expr: str, at_s: float | None = None) -> Series:
    """Ask for the last values.

    Raises:
        QueryError: If Prometheus refuses.
    """
    params = {"query": expr} | ({} if at_s is None else {"time": str(at_s)})
    found: Any = await _answer(client, "/api/v1/query", params)
    if found["resultType"] == "scalar":
        return [{"metric": {}, "value": found["result"]}]
    series: Series = found["result"]
    return series


async def course(client: httpx.AsyncClient, expr: str, span: Span) -> Series:
    """Ask for the values over time.

    Raises:
        QueryError: If Prometheus refuses.
    """
    times = {"start": str(span.start), "end": str(span.end), "step": str(span.step)}
    found: Any = await _answer(client, "/api/v1/query_range", {"query": expr} | times)
    series: Series = found["result"]
    return series


async def _answer(client: httpx.AsyncClient, path: str, params: dict[str, str]) -> Any:
    answer = (await client.get(path, params=params)).json()
    if answer["status"] != "success":
        raise QueryError(f"{params.get('query', params)}: {answer['error']}")
    return answer["data"]
