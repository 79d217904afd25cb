"""Were the answers right? Verdicts counted, some looked at, their scores computed once more."""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks.load_rows import IDS, METRICS, VARIANTS, Format, Message, time_of, values_of
from models.bank import StreamBank
from models.blocks import NO_SEQ, Float64, ObservationBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions

WATCHED_EVERY: Final = 50
"""Of so many streams the scores of one are computed once more."""
KEPT_EVERY: Final = 7
RELATIVE: Final = 1e-3
_MICROSECONDS: Final = 1_000_000

Scores = dict[tuple[int, int], float]
"""By stream and step."""


class WrongAnswerError(Exception):
    """An answer that should not have been given."""


def is_kept(message: Message) -> bool:
    """Tell whether an answer to this is looked at."""
    if message.rows == 1:
        return message.first % WATCHED_EVERY == 0
    return (message.step + message.first // message.rows) % KEPT_EVERY == 0


def _count_json(body: bytes) -> int:
    return body.count(b'"score":') - body.count(b'"score":null')


def _count_arrow(body: bytes) -> int:
    try:
        table = pa.ipc.open_stream(body).read_all()
    except pa.ArrowInvalid:
        return 0
    return int(table.num_rows - table["score"].null_count)


COUNTS: Final[dict[Format, Callable[[bytes], int]]] = {"json": _count_json, "arrow": _count_arrow}


def watched_scores(kept: list[tuple[Message, bytes]], kind: Format) -> Scores:
    """Look at answers and give the scores of the watched streams.

    Raises:
        WrongAnswerError: If a row is another stream's or time's, or its score is no number.
    """
    found: Scores = {}
    for message, body in kept:
        rows = list(_rows(body, kind))
        if len(rows) != message.rows:
            raise WrongAnswerError(f"{len(rows)} verdicts, {message.rows} rows were sent")
        for stream, row in enumerate(rows, message.first):
            _check(row, stream, message.step)
            if stream % WATCHED_EVERY == 0:
                found[stream, message.step] = row["score"]
    return found


def _rows(body: bytes, kind: Format) -> Iterator[dict[str, Any]]:
    if kind == "arrow":
        for row in pa.ipc.open_stream(body).read_all().to_pylist():
            yield row | {"timestamp": row["timestamp"].timestamp()}
        return
    parsed = json.loads(body)
    yield from parsed.get("verdicts", [parsed]) if isinstance(parsed, dict) else parsed


def _check(row: dict[str, Any], stream: int, step: int) -> None:
    numbers = (row["score"], row["threshold"])
    is_right = row["stream_id"] == IDS[stream] and row["timestamp"] == time_of(step)
    if not is_right or not all(map(math.isfinite, numbers)):
        raise WrongAnswerError(f"row {step} of '{IDS[stream]}' was answered with {row}")


def worst_error(scores: Scores, model: Path) -> float:
    """Give the largest relative error of scores, a bank that is asked in process being right."""
    if not scores:
        return math.inf
    expected = _expected(model, 1 + max(step for _, step in scores))
    return max(
        abs(score / float(expected[step, stream // WATCHED_EVERY]) - 1)
        for (stream, step), score in scores.items()
    )


def _expected(model: Path, steps: int) -> Float64:
    """Score the watched streams, `[steps, W]`."""
    bank, values = StreamBank(Checkpoint.load(model)), values_of()[:, ::WATCHED_EVERY]
    slots = np.arange(values.shape[1])
    bank.start(slots, StreamOptions(start="reference"))
    scores = np.empty((steps, len(slots)))
    for step in range(steps):
        time = time_of(step) * _MICROSECONDS
        block = ObservationBlock(
            slots=slots,
            times=np.full(len(slots), time),
            seqs=np.full(len(slots), NO_SEQ),
            values=values[step % VARIANTS].reshape(-1, METRICS),
            explain=np.zeros(len(slots), np.bool_),
            arrival=time,
        )
        scores[step] = bank.advance(block).score
    return scores
