"""Every way to send observations: what a piece of a recording becomes, and where it goes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
import numpy as np
import pyarrow as pa
from websockets.asyncio.client import connect

from models.blocks import Float64

Verdicts = list[dict[str, Any]]
_MICROSECONDS: Final = 1_000_000
_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of one stream.

    Attributes:
        stream_id: The stream.
        times: Epoch seconds, `[N]`.
        values: Raw values, `[N, F]`.
        metrics: Names of the columns of `values`.
    """

    stream_id: str
    times: Float64
    values: Float64
    metrics: list[str]

    def cut(self, rows: int) -> Iterator["Piece"]:
        """Cut into pieces of so many rows, the last one perhaps shorter."""
        for first in range(0, len(self.times), rows):
            part = slice(first, first + rows)
            times, values = self.times[part], self.values[part]
            yield Piece(stream_id=self.stream_id, times=times, values=values, metrics=self.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A door and a format.

    Attributes:
        rows: Observations in a request or frame.
        encode: Makes it; text goes out as a text frame, bytes as a binary one.
        decode: Reads the answer.
        media_type: Of the request; None: over a WebSocket.
    """

    rows: int
    encode: Callable[[Piece], str | bytes]
    decode: Callable[[Any], Any]
    media_type: str | None = None

    async def send(self, url: str, piece: Piece) -> Verdicts:
        """Send a whole recording, each request after the answer to the one before.

        Args:
            url: Base of the service, `http://...`.
            piece: What to send.

        Raises:
            RuntimeError: If a row was refused, or its verdict is another stream's.
        """
        verdicts = await (self._post(url, piece) if self.media_type else self._frames(url, piece))
        for at, row in enumerate(verdicts):
            if row.get("error") or row.get("stream_id") != piece.stream_id:
                raise RuntimeError(f"row {at} of '{piece.stream_id}' came back as {row}")
        return verdicts

    async def _post(self, url: str, piece: Piece) -> Verdicts:
        verdicts: Verdicts = []
        headers = {"Content-Type": self.media_type or ""}
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=_TIMEOUT_S) as client:
            for part in piece.cut(self.rows):
                body = self.encode(part)
                answer = await client.post("/v1/observations", content=body, headers=headers)
                verdicts += self.decode(answer.raise_for_status().content)
        return verdicts

    async def _frames(self, url: str, piece: Piece) -> Verdicts:
        verdicts: Verdicts = []
        place = f"{url.replace('http', 'ws', 1)}/v1/ingest"
        async with connect(place, proxy=None, compression=None, max_size=None) as socket:
            for part in piece.cut(self.rows):
                await socket.send(self.encode(part))
                answer = self.decode(await socket.recv())
                verdicts += answer if isinstance(answer, list) else [answer]
        return verdicts


def _rows(piece: Piece) -> Verdicts:
    return [
        {"stream_id": piece.stream_id, "timestamp": at, "values": row}
        for at, row in zip(piece.times.tolist(), piece.values.tolist(), strict=True)
    ]


def _body(piece: Piece) -> str:
    return json.dumps({"observations": _rows(piece)})


def _one(piece: Piece) -> str:
    (row,) = _rows(piece)
    return json.dumps(row)


def _many(piece: Piece) -> str:
    return json.dumps(_rows(piece))


def _lines(piece: Piece) -> str:
    return "\n".join(json.dumps(row) for row in _rows(piece))


def _lists(piece: Piece, kind: Any = None) -> bytes:
    """Write values as lists of a fixed size, ids as a dictionary, times as a timestamp."""
    flat = pa.array(piece.values.ravel(), kind or pa.float64())
    micros = np.rint(piece.times * _MICROSECONDS).astype(np.int64)
    columns = {
        "stream_id": pa.array([piece.stream_id] * len(micros)).dictionary_encode(),
        "timestamp": pa.array(micros, pa.timestamp("us", "UTC")),
        "values": pa.FixedSizeListArray.from_arrays(flat, len(piece.metrics)),
    }
    return _written(pa.table(columns))


def _metrics(piece: Piece) -> bytes:
    """Write one column a metric, the last metric first, ids plain, times as seconds."""
    columns = {name: piece.values[:, at] for at, name in enumerate(piece.metrics)}
    keys = {"stream_id": [piece.stream_id] * len(piece.times), "timestamp": piece.times}
    return _written(pa.table(keys | dict(reversed(columns.items()))))


def _written(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _from_body(data: bytes) -> Any:
    return json.loads(data)["verdicts"]


def _from_lines(data: bytes) -> Verdicts:
    return [json.loads(line) for line in data.splitlines()]


def _from_arrow(data: bytes) -> Any:
    return pa.ipc.open_stream(data).read_all().to_pylist()


def ways(values: Float64) -> dict[str, Way]:
    """Name every way these values, `[N, F]`, can be sent without loss."""
    arrow = partial(Way, decode=_from_arrow, media_type="application/vnd.apache.arrow.stream")
    found = {
        "REST JSON, 100 rows": Way(
            rows=100, encode=_body, decode=_from_body, media_type="application/json"
        ),
        "NDJSON, 100 rows": Way(
            rows=100, encode=_lines, decode=_from_lines, media_type="application/x-ndjson"
        ),
        "Arrow, lists of float64, 500 rows": arrow(rows=500, encode=_lists),
        "Arrow, a column a metric, 64 rows": arrow(rows=64, encode=_metrics),
        "WebSocket JSON, single frames": Way(rows=1, encode=_one, decode=json.loads),
        "WebSocket JSON, arrays of 50": Way(rows=50, encode=_many, decode=json.loads),
        "WebSocket Arrow, 200 rows": Way(rows=200, encode=_metrics, decode=_from_arrow),
    }
    if np.array_equal(values.astype(np.float32).astype(np.float64), values, equal_nan=True):
        narrow = partial(_lists, kind=pa.float32())
        found["Arrow, lists of float32, 500 rows"] = arrow(rows=500, encode=narrow)
    return found
