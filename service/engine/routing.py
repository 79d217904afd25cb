"""The way of each row to its bank: streams found or created, metrics brought into order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.blocks import Float64, Int, ObservationBlock, Refusal, VerdictBlock, unfit
from service.engine.columns import Columns, Request
from service.engine.directory import Directory
from service.engine.errors import BANK_REFUSALS, RowError
from service.engine.model import Model, Stream, slots_of

_NAMES_TOLD: Final = 10


@dataclass(frozen=True, slots=True)
class Routed:
    """Rows of one request for one bank.

    Attributes:
        model: Whose bank it is.
        rows: Places in the request, ascending.
        streams: One a row.
        stream_ids: Their ids.
        block: The rows.
        is_spread: Whether each is surely of another stream.
    """

    model: Model
    rows: Int
    streams: Sequence[Stream]
    stream_ids: tuple[str, ...]
    block: ObservationBlock
    is_spread: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of several requests for one model that were scored together.

    Attributes:
        streams: One a row.
        stream_ids: Their ids.
        received_at: Monotonic seconds and number of rows of each request.
    """

    model: Model
    streams: Sequence[Stream]
    stream_ids: tuple[str, ...]
    verdicts: VerdictBlock
    received_at: Sequence[tuple[float, int]]


class Routing:
    """Routes one request; afterwards its attributes say what came of it.

    Rows of one stream come out in the order sent, however their metrics were given, and a row
    that is refused creates no stream.

    Attributes:
        created: Streams that the banks still have to start.
        errors: Rows refused, by their place.
        routed: Blocks, one a model.
    """

    def __init__(self, directory: Directory, request: Request, arrival: int) -> None:
        self._directory = directory
        self._explain = request.explain
        self._arrival = arrival
        self.created: list[Stream] = []
        self.errors = dict(request.errors)
        pieces: dict[Model, list[Routed]] = {}
        for columns in request.columns:
            for piece in self._whole(columns) or self._pieces(columns, self._streams(columns)):
                pieces.setdefault(piece.model, []).append(piece)
        self.routed = [_in_order(parts) for parts in pieces.values()]

    def _whole(self, columns: Columns) -> list[Routed]:
        """Take all rows as they are, where their streams are there and of one model: as usual."""
        placed = self._directory.placed(columns.stream_ids)
        if placed is None or _misfit(columns, placed.streams[0].model):
            return []
        values = columns.values
        if columns.metrics is not None:
            values = values[:, placed.streams[0].model.order_of(columns.metrics)]
        block = self._block(placed.slots, columns.times, columns.seqs, values)
        streams, ids = placed.streams, columns.stream_ids
        model, spread = streams[0].model, placed.is_spread
        return [Routed(model, columns.rows, streams, ids, block, is_spread=spread)]

    def _block(self, slots: Int, times: Int, seqs: Int, values: Float64) -> ObservationBlock:
        return ObservationBlock(
            slots=slots,
            times=times,
            seqs=seqs,
            values=values,
            explain=np.full(len(slots), self._explain),
            arrival=self._arrival,
        )

    def _streams(self, columns: Columns) -> list[Stream | None]:
        """Find the stream of each row; None where the row is refused."""
        streams = [self._directory.get(stream_id) for stream_id in columns.stream_ids]
        if None not in streams:
            return streams
        refused = unfit(columns.values, columns.times)
        for at, stream_id in enumerate(columns.stream_ids):
            # looked up again: an earlier row of these may have created it
            stream = streams[at] or self._directory.get(stream_id)
            if stream is None:
                stream = self._create(columns, at, Refusal(refused[at]))
            streams[at] = stream
        return streams

    def _create(self, columns: Columns, at: int, refusal: Refusal) -> Stream | None:
        """Create a stream for a row, unless the row is bad."""
        stream_id = columns.stream_ids[at]
        chosen, options = self._directory.defaults_of(stream_id)
        model = self._directory.admit(stream_id, chosen)
        if isinstance(model, RowError):
            self.errors[int(columns.rows[at])] = model
            return None
        if error := _misfit(columns, model) or BANK_REFUSALS.get(refusal):
            self.errors[int(columns.rows[at])] = error
            return None
        self._directory.make_room()
        stream = self._directory.add(stream_id, model, options, self._arrival)
        self.created.append(stream)
        return stream

    def _pieces(self, columns: Columns, streams: list[Stream | None]) -> list[Routed]:
        """Split rows by model; rows whose metrics are not the model's are refused."""
        models = dict.fromkeys(stream.model for stream in streams if stream is not None)
        pieces = []
        for model in models:
            chosen = [at for at, stream in enumerate(streams) if stream and stream.model is model]
            if error := _misfit(columns, model):
                self.errors.update((int(columns.rows[at]), error) for at in chosen)
                continue
            found = [stream for at in chosen if (stream := streams[at]) is not None]
            pieces.append(self._piece(columns, chosen, found))
        return pieces

    def _piece(self, columns: Columns, chosen: list[int], streams: list[Stream]) -> Routed:
        model = streams[0].model
        values: Float64 = columns.values[chosen]
        if columns.metrics is not None:
            values = values[:, model.order_of(columns.metrics)]
        block = self._block(slots_of(streams), columns.times[chosen], columns.seqs[chosen], values)
        ids = tuple([columns.stream_ids[at] for at in chosen])
        return Routed(model, columns.rows[chosen], streams, ids, block)


def _misfit(columns: Columns, model: Model) -> RowError | None:
    """Say why the metrics of rows are not those of a model, or None."""
    if columns.metrics is not None:
        wrong = model.misnamed(columns.metrics)
        return RowError("metric-names", wrong) if wrong else None
    width = columns.values.shape[1]
    if width == model.bank.n_features:
        return None
    names = ", ".join(model.metrics[:_NAMES_TOLD])
    more = ", ..." if len(model.metrics) > _NAMES_TOLD else ""
    return RowError(
        "wrong-width",
        f"{width} values where model '{model.name}' takes {model.bank.n_features}: {names}{more}",
    )


def _in_order(parts: list[Routed]) -> Routed:
    """Join the pieces for one bank, rows in the order sent."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    streams = [stream for part in parts for stream in part.streams]
    ids = [stream_id for part in parts for stream_id in part.stream_ids]
    order = np.argsort(rows)
    return Routed(
        model=parts[0].model,
        rows=rows[order],
        streams=[streams[at] for at in order],
        stream_ids=tuple([ids[at] for at in order]),
        block=ObservationBlock.joined([part.block for part in parts]).taken(order),
    )
