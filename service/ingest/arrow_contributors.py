"""Contributors as an Arrow column, built from arrays: a list of structs for each explained row."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from models.blocks import Float64, Int
from service.engine.columns import Answer, Judged
from service.ingest.arrow_framing import Body

_NUMBER: Final = pa.float64()
CONTRIBUTORS: Final = pa.list_(
    pa.struct({"metric": pa.string(), "actual": _NUMBER, "expected": _NUMBER, "share": _NUMBER})
)
_NUMBERS: Final = ("actual", "expected", "share")
_OFFSET_BYTES: Final = 4
_MODELS: Final = 64
"""Whose metrics are kept as an array of Arrow's."""


class _Explained(NamedTuple):
    """The rows of one part that are explained, and their metrics by share, one after another."""

    places: Int
    width: int
    names: tuple[str, ...]
    order: Int
    numbers: list[Float64]


def add_contributors(body: Body, answer: Answer) -> None:
    """Add the column, largest share first; null for rows that are not explained."""
    parts = [one for places, judged in answer.parts if (one := _explained(places, judged))]
    if not parts:
        body.add_nulls(answer.size, bytes(_OFFSET_BYTES * (answer.size + 1)))
        body.add(0, None)
        body.add(0, None, bytes(_OFFSET_BYTES), b"")
        for _ in _NUMBERS:
            body.add(0, None, b"")
        return
    sizes = np.zeros(answer.size + 1, np.int32)
    is_explained = np.zeros(answer.size, np.bool_)
    for one in parts:
        sizes[one.places + 1] = one.width
        is_explained[one.places] = True
    offsets = np.cumsum(sizes, dtype=np.int32)
    body.add(answer.size, is_explained, offsets)
    body.add(int(offsets[-1]), None)
    places = _joined([one.places for one in parts])
    _add_parts(body, parts, _in_order(places, sizes[places + 1]))


def _explained(places: Int, judged: Judged) -> _Explained | None:
    """Find what is explained of a part, its numbers in the order of the shares."""
    explanations = judged.scored.verdicts.explanations
    first, last = np.searchsorted(explanations.rows, (judged.start, judged.stop)).tolist()
    if first == last:
        return None
    share = explanations.share[first:last]
    rows, width = share.shape
    order = np.argsort(-share, axis=1, kind="stable")
    ordered = (order + width * np.arange(rows)[:, None]).ravel()
    numbers = (getattr(explanations, name)[first:last] for name in _NUMBERS)
    return _Explained(
        places[explanations.rows[first:last] - judged.start],
        width,
        tuple(judged.scored.metrics),
        order.ravel(),
        [column.ravel()[ordered].astype(np.float64, copy=False) for column in numbers],
    )


def _in_order(places: Int, sizes: Int) -> Int | None:
    """Tell how to bring the metrics of all parts into the order of the rows; None: they are."""
    order = np.argsort(places, kind="stable")
    if (order[1:] > order[:-1]).all():
        return None
    begins, wanted = np.cumsum(sizes) - sizes, sizes[order]
    shift = begins[order] - (np.cumsum(wanted) - wanted)
    moved: Int = np.repeat(shift, wanted) + np.arange(wanted.sum())
    return moved


def _add_parts(body: Body, parts: list[_Explained], moved: Int | None) -> None:
    """Add the four columns of the structs."""
    names: tuple[str, ...] = ()
    metric = []
    for one in parts:
        metric.append(one.order + len(names))
        names += one.names
    texts = _written(names).take(pa.array(_joined(metric, moved)))
    _, offsets, data = texts.buffers()
    body.add(len(texts), None, _bytes(offsets), _bytes(data))
    for at in range(len(_NUMBERS)):
        numbers = _joined([one.numbers[at] for one in parts], moved)
        body.add(len(numbers), ~np.isnan(numbers), numbers)


@lru_cache(_MODELS)
def _written(names: tuple[str, ...]) -> Any:
    return pa.array(names, pa.string())


def _joined(columns: list[Any], moved: Int | None = None) -> Any:
    joined = columns[0] if len(columns) == 1 else np.concatenate(columns)
    return joined if moved is None else joined[moved]


def _bytes(buffer: Any) -> memoryview:
    return memoryview(buffer) if buffer is not None else memoryview(b"")
