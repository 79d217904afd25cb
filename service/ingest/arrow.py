"""From an Arrow IPC stream to columns: numpy from end to end, no Python per row but the ids."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import Float64, Int
from service.engine.columns import Columns
from service.engine.errors import RowError
from service.ingest.arrow_forms import read_known
from service.ingest.arrow_ids import LONGEST, same_ids
from service.ingest.arrow_keys import KEYS, Keys, nulls_of, numpy_of, wrong_type
from service.ingest.arrow_learning import VALUES, learn
from service.ingest.arrow_reading import is_list, read_table, refusing
from service.ingest.decode import Decoder, Found
from service.ingest.errors import MalformedArrow

_NULL_VALUES: Final = RowError("invalid-observation", "'values' is null")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowDecoder(Decoder):
    """A body or a frame is one complete Arrow IPC stream.

    Attributes:
        max_bytes: Bytes it may hold once it is no longer compressed.
    """

    max_bytes: int

    def _found(self, data: bytes, stream_id: str | None) -> Found:
        data = bytes(data)  # that of a frame may be a bytearray; bytes are not copied
        known = read_known(data, stream_id, max_rows=self.max_rows, max_bytes=self.max_bytes)
        if known is not None:
            return Found(len(known.rows), [known], {})
        return self._read(data, stream_id)

    def _read(self, data: bytes, stream_id: str | None) -> Found:
        """Read any frame: what is refused, and what is not of a form that is known."""
        table = read_table(data, max_rows=self.max_rows, max_bytes=self.max_bytes)
        # names and zones are no text until they are read, and the check leaves out both
        with refusing(UnicodeError, pa.ArrowException), np.errstate(invalid="ignore"):
            _check_names(table.column_names)
            keys = Keys.of(table, stream_id)
            is_lists = VALUES in table.column_names and is_list(table[VALUES].type)
            columns = _of_lists(keys, table) if is_lists else _of_metrics(keys, table)
        if not keys.errors and len(columns) == 1:
            learn(data, table.schema, stream_id, columns[0])
        return Found(table.num_rows, columns, keys.errors)


def _check_names(names: list[str]) -> None:
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if any(len(name) > LONGEST for name in names):
        raise MalformedArrow(f"the name of a column has more than {LONGEST} characters")
    if times > 1:
        raise MalformedArrow(f"column '{name}' stands there more than once")


def _is_float(kind: Any) -> bool:
    return bool(pa.types.is_float32(kind) or pa.types.is_float64(kind))


def _of_lists(keys: Keys, table: Any) -> list[Columns]:
    """Take a column of lists: one set of columns for each width."""
    beside = [name for name in table.column_names if name not in KEYS | {VALUES}]
    if beside:
        raise MalformedArrow(f"beside 'values' there is no column for a metric: '{beside[0]}'")
    column = table[VALUES].combine_chunks()
    if not _is_float(column.type.value_type):
        raise wrong_type(VALUES, column.type, "a list of float32 or float64")
    nulls = nulls_of(column)
    keys.refuse(nulls, _NULL_VALUES)
    widths: Int = numpy_of(column.value_lengths().fill_null(0)).astype(np.int64)
    widths[nulls] = 0
    flat: Float64 = numpy_of(column.flatten()).astype(np.float64)
    if not nulls.any() and (widths == widths[0]).all():  # as nearly always
        return _columns(keys, np.arange(len(widths)), flat.reshape(len(widths), -1), None)
    ends = np.cumsum(widths)
    found = []
    for width in np.unique(widths[~nulls]).tolist():
        chosen = np.flatnonzero((widths == width) & ~nulls)
        values = flat[(ends[chosen] - width)[:, None] + np.arange(width)]
        found += _columns(keys, chosen, values, None)
    return found


def _of_metrics(keys: Keys, table: Any) -> list[Columns]:
    """Take one column a metric."""
    names = [name for name in table.column_names if name not in KEYS]
    if not names:
        raise MalformedArrow("neither a column 'values' nor one column a metric is there")
    for name in names:
        if not _is_float(table[name].type):
            raise wrong_type(name, table[name].type, "float32 or float64")
    values = np.column_stack([numpy_of(table[name]).astype(np.float64) for name in names])
    return _columns(keys, np.arange(table.num_rows), values, tuple(names))


def _columns(
    keys: Keys, chosen: Int, values: Float64, metrics: tuple[str, ...] | None
) -> list[Columns]:
    """Leave out the rows that are refused already."""
    if keys.errors:
        fine = ~np.isin(chosen, np.fromiter(keys.errors, np.int64, len(keys.errors)))
        chosen, values = chosen[fine], values[fine]
    if not len(chosen):
        return []
    ids = keys.stream_ids
    if len(chosen) < len(ids):
        ids = [ids[place] for place in chosen.tolist()]
    return [
        Columns(
            rows=chosen,
            stream_ids=same_ids(tuple([one or "" for one in ids])),
            times=keys.times[chosen],
            seqs=keys.seqs[chosen],
            values=values,
            metrics=metrics,
        )
    ]
