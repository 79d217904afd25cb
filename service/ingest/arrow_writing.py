"""From verdicts to an Arrow IPC stream: built from the columns of the verdict blocks."""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.blocks import NO_SEQ, Anomaly, Bool, Refusal
from service.engine.columns import Answer, Judged, Request
from service.engine.errors import BANK_REFUSALS, RowError
from service.ingest.arrow_contributors import CONTRIBUTORS, contributor_column
from service.ingest.encode import PHASES, refused

_TEXT: Final = pa.string()
_NUMBER: Final = pa.float64()
SCHEMA: Final = pa.schema(
    {
        "stream_id": _TEXT,
        "timestamp": pa.timestamp("us", "UTC"),
        "seq": pa.int64(),
        "phase": pa.dictionary(pa.int8(), _TEXT),
        "score": _NUMBER,
        "smoothed_score": _NUMBER,
        "threshold": _NUMBER,
        "severity": _NUMBER,
        "is_anomaly": pa.bool_(),
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
    "threshold": np.float64,
    "severity": np.float64,
    "is_anomaly": np.int8,
    "done": np.int32,
    "of": np.int32,
}
_PHASE_NAMES: Final = [PHASES[phase] for phase in sorted(PHASES)]


def encode_stream(request: Request, answer: Answer) -> bytes:
    """Encode the answer to a request: the rows in the order sent, in one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(_batch(request, answer))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _batch(request: Request, answer: Answer) -> Any:
    joined: dict[str, Any] = {name: np.zeros(answer.size, kind) for name, kind in _NUMBERS.items()}
    taken: Bool = np.zeros(answer.size, np.bool_)
    errors = dict(answer.errors)
    for places, judged in answer.parts:
        for name, column in joined.items():
            column[places] = getattr(judged.scored.verdicts, name)[judged.start : judged.stop]
        is_taken = joined["refusal"][places] == Refusal.NONE
        taken[places] = is_taken
        for place in places[~is_taken].tolist():
            errors[place] = BANK_REFUSALS[Refusal(joined["refusal"][place])]
    if taken.sum() + len(errors) != answer.size:
        raise RuntimeError("this is a bug: a row got neither a verdict nor an error")
    told = _told(joined, taken)
    told["stream_id"] = pa.array(_ids(request), _TEXT)
    told["contributors"] = contributor_column(answer)
    told["alert"] = pa.array(_alerts(answer), SCHEMA.field("alert").type)
    told["error"] = pa.array(_errors(answer.size, errors), SCHEMA.field("error").type)
    return pa.record_batch([told[name] for name in SCHEMA.names], schema=SCHEMA)


def _told(joined: dict[str, Any], taken: Bool) -> dict[str, Any]:
    """Make the columns that are plain numbers; unknown is null."""
    phase = pa.array(joined["phase"], pa.int8(), mask=~taken)
    progress = pa.StructArray.from_arrays(
        [pa.array(joined["done"]), pa.array(joined["of"])],
        names=["done", "of"],
        mask=pa.array(~taken | (joined["of"] == 0)),
    )
    told = {
        "timestamp": pa.array(joined["times"], mask=~taken).cast(pa.timestamp("us", "UTC")),
        "seq": pa.array(joined["seqs"], mask=~taken | (joined["seqs"] == NO_SEQ)),
        "phase": pa.DictionaryArray.from_arrays(phase, pa.array(_PHASE_NAMES, _TEXT)),
        "smoothed_score": pa.nulls(len(taken), _NUMBER),
        "is_anomaly": pa.array(
            joined["is_anomaly"] == Anomaly.YES,
            mask=~taken | (joined["is_anomaly"] == Anomaly.UNKNOWN),
        ),
        "progress": progress,
    }
    for name in ("score", "threshold", "severity"):
        told[name] = pa.array(joined[name], mask=~taken | ~np.isfinite(joined[name]))
    return told


def _ids(request: Request) -> list[str | None]:
    """Name the streams, of refused rows too where they could be read."""
    ids: list[str | None] = [None] * request.size
    for columns in request.columns:
        for place, stream_id in zip(columns.rows.tolist(), columns.stream_ids, strict=True):
            ids[place] = stream_id
    return ids


def _alerts(answer: Answer) -> list[dict[str, str] | None]:
    found: list[dict[str, str] | None] = [None] * answer.size
    for places, judged in answer.parts:
        for row in _marked(judged):
            mark = judged.scored.marks[row]
            told = {"event_id": mark.event_id, "status": mark.status}
            found[int(places[row - judged.start])] = told
    return found


def _marked(judged: Judged) -> list[int]:
    return [row for row in judged.scored.marks if judged.start <= row < judged.stop]


def _errors(size: int, errors: dict[int, RowError]) -> list[dict[str, str] | None]:
    found: list[dict[str, str] | None] = [None] * size
    for place, error in errors.items():
        text = refused(place, error).error
        found[place] = {"type": text.type, "detail": text.detail}
    return found
