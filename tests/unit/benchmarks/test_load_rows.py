"""What the load client sends: were it wrong, every figure would be, and nobody would see it."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.load_rows import (
    IDS,
    METRICS,
    STREAMS,
    VARIANTS,
    Feed,
    Format,
    Message,
    Template,
    frame_templates,
    http_templates,
    time_of,
    values_of,
)

CASES: list[tuple[Format, int]] = [
    ("json", 1),
    ("json", 100),
    ("arrow", 1),
    ("arrow", 100),
]


def body_of(request: bytes) -> bytes:
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
    assert int(length.split(b":")[1]) == len(body)
    return body


def payload_of(frame: bytes) -> bytes:
    """Read a client's frame as RFC 6455 says, apart from the code that wrote it."""
    assert frame[1] & 0x80, "a client has to mask"
    short, begin = frame[1] & 0x7F, 2
    if short == 126:
        short, begin = int.from_bytes(frame[2:4], "big"), 4
    elif short == 127:
        short, begin = int.from_bytes(frame[2:10], "big"), 10
    assert frame[begin : begin + 4] == bytes(4)
    payload = frame[begin + 4 :]
    assert len(payload) == short
    return payload


def rows_of(data: bytes, kind: Format) -> list[dict[str, Any]]:
    if kind == "arrow":
        rows: list[dict[str, Any]] = pa.ipc.open_stream(data).read_all().to_pylist()
        return [row | {"timestamp": row["timestamp"].timestamp()} for row in rows]
    told = json.loads(data)
    found: list[dict[str, Any]] = told.get("observations", [told])
    return found


def check(message: Message, data: bytes, kind: Format, variant: int) -> None:
    rows = rows_of(data, kind)
    part = slice(message.first, message.first + message.rows)
    assert [row["stream_id"] for row in rows] == IDS[part]
    assert {row["timestamp"] for row in rows} == {time_of(message.step)}
    values = np.array([row["values"] for row in rows])
    assert values.shape == (message.rows, METRICS)
    assert np.abs(values - values_of()[variant, part]).max() < (1e-6 if kind == "arrow" else 1e-12)


@pytest.mark.parametrize(("kind", "rows"), CASES)
def test_requests_hold_their_rows_at_the_time_of_the_step(kind: Format, rows: int) -> None:
    """Streams, values and times are those of the place and the step."""
    templates = http_templates("/here", rows, kind, is_plain=rows == 1)

    for variant, step in ((0, 0), (3, 1_234_567)):
        message = templates[variant][2 if rows < STREAMS else 0].at(step)
        assert message.data.startswith(b"POST /here HTTP/1.1\r\n")
        check(message, body_of(message.data), kind, variant)


@pytest.mark.parametrize(("kind", "rows"), [*CASES, ("arrow", 1000)])
def test_frames_hold_their_rows_at_the_time_of_the_step(kind: Format, rows: int) -> None:
    """The same for frames, whose length is written in one of three ways."""
    templates = frame_templates(rows, kind)

    message = templates[1][-1].at(77)

    assert message.data[0] == (0x81 if kind == "json" else 0x82)
    check(message, payload_of(message.data), kind, 1)


def test_a_feed_sends_each_stream_at_each_step_once() -> None:
    """Steps go on where the last stretch ended, and the variants take turns."""
    templates = [
        [Template([b"%d:" % variant, b""], is_binary=False, first=0, rows=STREAMS)]
        for variant in range(VARIANTS)
    ]
    feed = Feed()

    sent = [*feed.messages(templates, 3), *feed.messages(templates, VARIANTS)]

    steps = list(range(3 + VARIANTS))
    assert [one.step for one in sent] == steps
    assert [one.data for one in sent] == [b"%d:%d" % (at % VARIANTS, time_of(at)) for at in steps]
    assert feed.step == len(steps)
