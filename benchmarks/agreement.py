"""Do two doors say the same of the same recording? Verdicts compared, field by field."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from benchmarks.ways import Verdicts
from models.blocks import Bool, Float64

RELATIVE: Final = 1e-4
ABSOLUTE: Final = 1e-7
NUMBERS: Final = ("score", "smoothed_score", "threshold", "severity")
_EXPLAINED: Final = ("actual", "expected", "share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What tells two doors apart.

    Attributes:
        rows: Verdicts that are missing or too many.
        worst: Largest error of each number, as a share of what is allowed.
        phases: Rows whose phase differs.
        anomalies: Rows that are an anomaly for one alone, though no score is at its threshold.
        excused: The same, at the threshold.
        order: Anomalies whose contributors stand in another order, equal shares aside.
        alerts: Rows whose alert mark differs.
        shifts: Rows whose level is another since another time, or for one alone.
    """

    rows: int
    worst: dict[str, float]
    phases: int
    anomalies: int
    excused: int
    order: int
    alerts: int
    shifts: int

    @property
    def is_none(self) -> bool:
        """Whether they agree."""
        counted = (self.rows, self.phases, self.anomalies, self.order, self.alerts, self.shifts)
        return not any(counted) and all(worst <= 1 for worst in self.worst.values())


def difference(reference: Verdicts, other: Verdicts) -> Difference:
    """Compare verdicts in the order sent; where one door gave more, the first ones."""
    pairs = list(zip(reference, other, strict=False))
    worst = {name: _worst(*_columns(pairs, name)) for name in NUMBERS}
    explained = list(_both_explained(pairs))
    for name in _EXPLAINED:
        worst[name] = max((_worst(*_by_metric(*pair, name)) for pair in explained), default=0.0)
    differs = _differs(pairs, "is_anomaly")
    score, threshold = _columns(pairs, "score")[0], _columns(pairs, "threshold")[0]
    is_near = np.abs(score - threshold) <= _allowed(score)
    return Difference(
        rows=abs(len(reference) - len(other)),
        worst=worst,
        phases=int(_differs(pairs, "phase").sum()),
        anomalies=int((differs & ~is_near).sum()),
        excused=int((differs & is_near).sum()),
        order=sum(not _is_ordered(*pair) for pair in explained),
        alerts=sum(_mark(one) != _mark(two) for one, two in pairs),
        shifts=sum(_since(one) != _since(two) for one, two in pairs),
    )


def _allowed(expected: Float64) -> Float64:
    return ABSOLUTE + RELATIVE * np.abs(expected)


def _worst(expected: Float64, found: Float64) -> float:
    """Largest error as a share of what is allowed; a number that is null for one alone: infinity.

    Args:
        expected: NaN where null, `[N]`.
        found: As above.
    """
    if not np.array_equal(np.isnan(expected), np.isnan(found)):
        return float("inf")
    errors = np.abs(found - expected) / _allowed(expected)
    return float(np.nanmax(errors, initial=0.0))


def _number(value: Any) -> float:
    return float("nan") if value is None else value


Pair = tuple[dict[str, Any], dict[str, Any]]


def _columns(pairs: list[Pair], name: str) -> tuple[Float64, Float64]:
    both = np.array([[_number(row[name]) for row in pair] for pair in pairs])
    return both[:, 0], both[:, 1]


def _differs(pairs: list[Pair], name: str) -> Bool:
    return np.array([one[name] != two[name] for one, two in pairs], np.bool_)


def _mark(row: dict[str, Any]) -> str | None:
    """Tell what a verdict did to its alert; its `event_id` is another for each stream."""
    status: str | None = (row["alert"] or {}).get("status")
    return status


def _since(row: dict[str, Any]) -> float | None:
    """Tell since when the level is another, in seconds; Arrow answers hold it as a time."""
    since: datetime | float | None = row["level_shift_since"]
    return since.timestamp() if isinstance(since, datetime) else since


Explained = tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]


def _both_explained(pairs: list[Pair]) -> Iterator[Explained]:
    """Give the contributors, by metric in their order, of the rows that are anomalies for both."""
    for pair in pairs:
        if all(row["is_anomaly"] for row in pair):
            one, two = ({part["metric"]: part for part in row["contributors"]} for row in pair)
            yield one, two


def _by_metric(one: dict[str, Any], two: dict[str, Any], name: str) -> tuple[Float64, Float64]:
    nothing = {name: None}
    expected = [_number(part[name]) for part in one.values()]
    found = [_number(two.get(metric, nothing)[name]) for metric in one]
    return np.array(expected), np.array(found)


def _is_ordered(one: dict[str, Any], two: dict[str, Any]) -> bool:
    """Tell whether the order is the same, or another among equal shares only."""
    if list(one) == list(two):
        return True
    if set(one) != set(two):
        return False
    return _falls(one, two) and _falls(two, one)


def _falls(shares: dict[str, Any], order: dict[str, Any]) -> bool:
    """Tell whether the shares of one never rise in the order of the other."""
    share = np.array([shares[metric]["share"] for metric in order])
    return bool((np.diff(share) <= _allowed(share[:-1])).all())
