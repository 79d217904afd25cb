"""Contributors as an Arrow column, built from arrays: a list of structs for each explained row."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import Float64, Int
from service.engine.columns import Answer, Judged

_NUMBER: Final = pa.float64()
CONTRIBUTORS: Final = pa.list_(
    pa.struct({"metric": pa.string(), "actual": _NUMBER, "expected": _NUMBER, "share": _NUMBER})
)
_NUMBERS: Final = ("actual", "expected", "share")


def contributor_column(answer: Answer) -> Any:
    """Make the column, largest share first; null for rows that are not explained."""
    places = [_explained_places(rows, judged) for rows, judged in answer.parts]
    tables = [_ordered(judged) for _, judged in answer.parts]
    names = [name for _, judged in answer.parts for name in judged.scored.metrics]
    first_names = np.cumsum([0, *(len(judged.scored.metrics) for _, judged in answer.parts)])
    metric = [order + first for (order, _), first in zip(tables, first_names, strict=False)]
    columns = [pa.array(names, pa.string()).take(pa.array(_flat(metric).astype(np.int64)))]
    for at in range(len(_NUMBERS)):
        column = _flat([numbers[at] for _, numbers in tables])
        columns.append(pa.array(column, _NUMBER, mask=np.isnan(column)))
    sizes = [np.full(len(order), order.shape[1]) for order, _ in tables]
    offsets = np.cumsum(np.concatenate([np.zeros(1), *sizes])).astype(np.int32)
    structs = pa.StructArray.from_arrays(columns, fields=list(CONTRIBUTORS.value_type))
    lists = pa.ListArray.from_arrays(pa.array(offsets), structs, type=CONTRIBUTORS)
    found = np.full(answer.size, -1)
    explained = np.concatenate([np.empty(0, np.int64), *places])
    found[explained] = np.arange(len(explained))
    return lists.take(pa.array(found, mask=found < 0))


def _explained_places(places: Int, judged: Judged) -> Int:
    """Find the places in the request of the rows that are explained."""
    rows = judged.scored.verdicts.explanations.rows
    inside = rows[(rows >= judged.start) & (rows < judged.stop)]
    explained: Int = places[inside - judged.start]
    return explained


def _ordered(judged: Judged) -> tuple[Int, list[Float64]]:
    """Give the order of the metrics by share, and the numbers in that order, `[E, F]` each."""
    explanations = judged.scored.verdicts.explanations
    part = slice(*np.searchsorted(explanations.rows, (judged.start, judged.stop)))
    order = np.argsort(-explanations.share[part], axis=1, kind="stable")
    numbers = (getattr(explanations, name)[part] for name in _NUMBERS)
    return order, [np.take_along_axis(column, order, 1) for column in numbers]


def _flat(parts: list[Any]) -> Any:
    return np.concatenate([np.empty(0), *(part.ravel() for part in parts)])
