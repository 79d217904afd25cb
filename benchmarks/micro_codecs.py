"""Decoding and encoding, as multiples of one copy of the bytes."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle
from typing import Final

import numpy as np

from benchmarks.load_rows import IDS, STREAMS, VARIANTS, Format, bodies, template_of, values_of
from benchmarks.micro_figures import Figure
from benchmarks.micro_steps import block_of
from benchmarks.timing import in_turn_us
from models.bank import StreamBank
from models.blocks import VerdictBlock
from models.checkpoint import Checkpoint
from models.options import StreamOptions
from service.engine.columns import Answer, Judged, Request
from service.engine.ports import Scored
from service.ingest.arrow import ArrowDecoder
from service.ingest.arrow_writing import encode_stream
from service.ingest.decode import Decoder, JSONDecoder
from service.ingest.encode import answer_rows, encode, encode_many

SIZES: Final = (1, 100, 1000)
STEPS: Final = 4 * VARIANTS
"""Bodies that are decoded in turn."""


def codecs(model: Checkpoint) -> Iterator[Figure]:
    """Measure decoding and encoding for each format."""
    for name, rows, data, call in _coded(model):
        took, copy = in_turn_us([call, lambda data=data: bytearray(data)])  # type: ignore[misc]
        what = f"{name}, {len(data) / rows:,.0f} bytes a row"
        yield Figure.of(("Decode and encode, times one copy", what, rows), took, copy)


def _coded(model: Checkpoint) -> Iterator[tuple[str, int, bytes, Callable[[], object]]]:
    """Give each format's decoding and encoding, with the bytes that it reads or writes."""
    many: dict[Format, Decoder] = {
        "json": JSONDecoder(door="http-json", max_rows=STREAMS),
        "arrow": ArrowDecoder(door="http-arrow", max_rows=STREAMS, max_bytes=1 << 24),
    }
    for kind, decoder in many.items():
        for rows in SIZES:
            many_bodies = _bodies(rows, kind)
            data, turn = many_bodies[0], cycle(many_bodies)
            yield f"decode {kind}", rows, data, lambda d=decoder, turn=turn: d.body(next(turn))  # type: ignore[misc]
            scored = partial(scored_of, model, verdicts_of(model, rows))
            call = _encoding(kind, decoder.body(data).request, scored)
            yield f"encode {kind}", rows, call(), call


def _bodies(rows: int, kind: Format) -> list[bytes]:
    """Write what the same streams send one after another: never twice the same."""
    templates = [
        template_of(*next(bodies(values, rows, kind, is_plain=rows == 1))) for values in values_of()
    ]
    return [templates[step % VARIANTS].at(step).data for step in range(STEPS)]


def verdicts_of(model: Checkpoint, rows: int) -> VerdictBlock:
    """Score one observation of each of so many streams."""
    bank, slots = StreamBank(model), np.arange(rows)
    bank.start(slots, StreamOptions(start="reference"))
    return bank.advance(block_of(slots, values_of()[0, :rows], 0))


def scored_of(model: Checkpoint, verdicts: VerdictBlock) -> Scored:
    """Name the verdicts; a new one each time, as what is read of it once is kept in it."""
    return Scored("bench", model.spec.metrics, IDS[: len(verdicts)], verdicts)


def _encoding(kind: Format, request: Request, scored: Callable[[], Scored]) -> Callable[[], bytes]:
    places = np.arange(request.size)

    def answer() -> Answer:
        return Answer(request.size, [(places, Judged(scored(), 0, request.size))], {})

    if kind == "arrow":
        return lambda: encode_stream(request, answer())
    if request.size == 1:
        return lambda: encode(answer_rows(answer())[0])
    return lambda: encode_many(answer_rows(answer()))
