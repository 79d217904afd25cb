"""From verdicts to an Arrow IPC stream: written from the columns of the verdict blocks."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import NO_SEQ, NO_TIME, Anomaly, Bool, Refusal
from service.engine.columns import Answer, Judged, Request
from service.engine.errors import BANK_REFUSALS, RowError
from service.ingest.arrow_contributors import CONTRIBUTORS, add_contributors
from service.ingest.arrow_framing import Body, Framing, bits
from service.ingest.arrow_texts import add_ids, add_structs, is_all
from service.ingest.encode import PHASES, refused

_TEXT: Final = pa.string()
_TIME: Final = pa.timestamp("us", "UTC")
_NUMBER: Final = pa.float64()
SCHEMA: Final = pa.schema(
    {
        "stream_id": _TEXT,
        "timestamp": _TIME,
        "seq": pa.int64(),
        "phase": pa.dictionary(pa.int8(), _TEXT),
        "score": _NUMBER,
        "smoothed_score": _NUMBER,
        "threshold": _NUMBER,
        "severity": _NUMBER,
        "is_anomaly": pa.bool_(),
        "level_shift_since": _TIME,
        "contributors": CONTRIBUTORS,
        "alert": pa.struct({"event_id": _TEXT, "status": _TEXT}),
        "progress": pa.struct({"done": pa.int32(), "of": pa.int32()}),
        "error": pa.struct({"type": _TEXT, "detail": _TEXT}),
    }
)
_NUMBERS: Final = {
    "times": np.int64,
    "seqs": np.int64,
    "refusal": np.int8,
    "phase": np.int8,
    "score": np.float64,
    "smoothed": np.float64,
    "threshold": np.float64,
    "severity": np.float64,
    "is_anomaly": np.int8,
    "shifted_since": np.int64,
    "done": np.int32,
    "of": np.int32,
}
_NOT_JUDGED: Final = -1
"""Stands as the refusal of rows that reached no bank."""
_UNKNOWN, _YES, _FINE = int(Anomaly.UNKNOWN), int(Anomaly.YES), int(Refusal.NONE)
_TIME_BYTES: Final = 8


def _example() -> Any:
    """Make a batch of one row; the dictionary of its phases is that of all."""
    columns = {name: pa.nulls(1, SCHEMA.field(name).type) for name in SCHEMA.names}
    names = pa.array([PHASES[phase] for phase in sorted(PHASES)], _TEXT)
    columns["phase"] = pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), names)
    return pa.record_batch(list(columns.values()), schema=SCHEMA)


_FRAMING: Final = Framing(_example())


def encode_stream(request: Request, answer: Answer) -> bytes:
    """Encode the answer to a request: the rows in the order sent, in one batch."""
    columns = _columns(answer)
    taken, errors = _refusals(answer, columns["refusal"])
    body = Body()
    add_ids(body, request)
    _add_keys(body, columns, taken)
    _add_scores(body, columns, taken)
    add_contributors(body, answer)
    add_structs(body, answer.size, _alerts(answer))
    body.add(answer.size, _and(columns["of"] != 0, taken))
    body.add(answer.size, None, columns["done"])
    body.add(answer.size, None, columns["of"])
    add_structs(body, answer.size, _told(errors))
    return _FRAMING.written(answer.size, body)


def _columns(answer: Answer) -> dict[str, Any]:
    """Bring the columns of all parts into the order sent."""
    parts = answer.parts
    if len(parts) == 1 and is_all(parts[0][0], answer.size):
        # as nearly always: nothing is to be moved
        judged = parts[0][1]
        verdicts, part = judged.scored.verdicts, slice(judged.start, judged.stop)
        return {
            name: np.ascontiguousarray(getattr(verdicts, name)[part], kind)
            for name, kind in _NUMBERS.items()
        }
    joined: dict[str, Any] = {name: np.zeros(answer.size, kind) for name, kind in _NUMBERS.items()}
    joined["refusal"][:] = _NOT_JUDGED
    for places, judged in parts:
        for name, column in joined.items():
            column[places] = getattr(judged.scored.verdicts, name)[judged.start : judged.stop]
    return joined


def _refusals(answer: Answer, refusal: Any) -> tuple[Bool | None, dict[int, RowError]]:
    """Find the rows that were taken, None if all were, and the errors of the others."""
    if not answer.errors and not refusal.any():
        return None, {}
    taken: Bool = refusal == _FINE
    errors = dict(answer.errors)
    for place in np.flatnonzero(~taken).tolist():
        if refusal[place] != _NOT_JUDGED:
            errors[place] = BANK_REFUSALS[Refusal(refusal[place])]
    if np.count_nonzero(taken) + len(errors) != answer.size:
        raise RuntimeError("this is a bug: a row got neither a verdict nor an error")
    return taken, errors


def _and(known: Bool, taken: Bool | None) -> Bool:
    return known if taken is None else known & taken


def _add_keys(body: Body, columns: dict[str, Any], taken: Bool | None) -> None:
    size = len(columns["times"])
    body.add(size, taken, columns["times"])
    body.add(size, _and(columns["seqs"] != NO_SEQ, taken), columns["seqs"])
    body.add(size, taken, columns["phase"])


def _add_scores(body: Body, columns: dict[str, Any], taken: Bool | None) -> None:
    size = len(columns["score"])
    for name in ("score", "smoothed", "threshold", "severity"):
        body.add(size, _and(np.isfinite(columns[name]), taken), columns[name])
    anomaly = columns["is_anomaly"]
    body.add(size, _and(anomaly != _UNKNOWN, taken), bits(anomaly == _YES))
    is_shifted = _and(columns["shifted_since"] != NO_TIME, taken)
    if np.count_nonzero(is_shifted):
        body.add(size, is_shifted, columns["shifted_since"])
    else:
        body.add_nulls(size, bytes(_TIME_BYTES * size))


def _alerts(answer: Answer) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for places, judged in answer.parts:
        for row in _marked(judged):
            mark = judged.scored.marks[row]
            found[int(places[row - judged.start])] = (mark.event_id, mark.status)
    return found


def _marked(judged: Judged) -> list[int]:
    return [row for row in judged.scored.marks if judged.start <= row < judged.stop]


def _told(errors: dict[int, RowError]) -> dict[int, tuple[str, ...]]:
    texts = ((place, refused(place, error).error) for place, error in errors.items())
    return {place: (text.type, text.detail) for place, text in texts}
