"""What the rules of `docker/prometheus` ask, and what of it must have an answer.

An alerting rule has none while all is well: it compares, and what does not exceed is left out. So
what it compares is asked for, both sides of every comparison as the parser finds them, and what it
takes to be absent.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
from promql_parser import BinaryExpr, Call, Expr, VectorSelector

from benchmarks.dashboards_queries import Asked

FOLDER = Path(__file__).parents[2] / "docker" / "prometheus" / "rules"
_COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
_INTERVAL = re.compile(r"^\s+interval:.*\n", re.MULTILINE)


def hurried_rules(directory: Path) -> list[Path]:
    """Copy the rules, all evaluated as often as Prometheus scrapes; gives the copies."""
    copies = []
    for path in sorted(FOLDER.glob("*.yml")):
        copies.append(directory / path.name)
        text = _INTERVAL.sub("", path.read_text(encoding="utf-8"))
        copies[-1].write_text(text, encoding="utf-8")
    return copies


async def rules_of(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Ask Prometheus which rules it has."""
    groups = (await client.get("/api/v1/rules")).json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries_of(rules: list[dict[str, Any]]) -> Iterator[Asked]:
    """Go through what must have an answer."""
    for rule in rules:
        if rule["type"] == "recording":
            yield Asked(f"rules / {rule['name']}", rule["query"], is_instant=True)
            continue
        for part in compared(rule["query"]):
            yield Asked(f"rules / {rule['name']} / compared", part, is_instant=True)


def compared(query: str) -> list[str]:
    """Find both sides of every comparison and what is taken to be absent, numbers left out."""
    found: list[Expr] = []

    def visit(expr: Expr) -> None:
        if isinstance(expr, BinaryExpr) and str(expr.op) in _COMPARISONS:
            found.extend((expr.lhs, expr.rhs))
        elif isinstance(expr, Call) and expr.func.name == "absent":
            found.extend(expr.args)

    promql_parser.walk(promql_parser.parse(query), visit)
    asked = [one.prettify() for one in found if metrics_in(one.prettify())]
    return list(dict.fromkeys(asked))


def metrics_in(query: str) -> set[str]:
    """Find the names of all metrics in a query.

    Raises:
        ValueError: If it is no PromQL.
    """
    names: set[str] = set()

    def visit(expr: Expr) -> None:
        if isinstance(expr, VectorSelector) and expr.name is not None:
            names.add(expr.name)

    promql_parser.walk(promql_parser.parse(query), visit)
    return names


def looks_back_s(query: str) -> float:
    """Find the offset of a query, in seconds: asked so much later, it looks at what is now.

    Raises:
        ValueError: If its parts look back by different times: ask for them one by one.
    """
    offsets: set[float] = set()

    def visit(expr: Expr) -> None:
        if isinstance(expr, VectorSelector):
            offsets.add(expr.offset.total_seconds() if expr.offset is not None else 0.0)

    promql_parser.walk(promql_parser.parse(query), visit)
    if len(offsets) > 1:
        raise ValueError(f"offsets differ: {query}")
    return offsets.pop() if offsets else 0.0
