"""The load client reads what comes in pieces, and counts what did not come."""

import pytest

from benchmarks.load import Answers, Reader, read_frame, read_response
from benchmarks.load_rows import Message

RESPONSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"


def server_frame(payload: bytes, kind: int = 0x81) -> bytes:
    if len(payload) < 126:
        head = bytes([kind, len(payload)])
    elif len(payload) < 1 << 16:
        head = bytes([kind, 126]) + len(payload).to_bytes(2, "big")
    else:
        head = bytes([kind, 127]) + len(payload).to_bytes(8, "big")
    return head + payload


def pieces_read(data: bytes, cut: int, read: Reader) -> list[bytes]:
    """Read two answers that come in two pieces."""
    found, buffer = [], bytearray()
    for piece in (data[:cut], data[cut:]):
        buffer += piece
        while (answer := read(buffer)) is not None:
            assert answer.is_good
            found.append(answer.body)
            del buffer[: answer.size]
    assert not buffer
    return found


def test_responses_are_read_wherever_they_are_cut() -> None:
    """Two responses that come in two pieces are two answers, whatever the pieces."""
    data = RESPONSE + RESPONSE.replace(b"hello", b"again")

    for cut in range(len(data) + 1):
        assert pieces_read(data, cut, read_response) == [b"hello", b"again"]


@pytest.mark.parametrize("size", [0, 5, 125, 126, 300, 65_535, 65_536, 70_000])
def test_frames_are_read_wherever_they_are_cut(size: int) -> None:
    """The same for frames, whose length is written in one of three ways."""
    payload = bytes(at % 251 for at in range(size))
    data = server_frame(payload) + server_frame(b"next", kind=0x82)
    cuts = {0, 1, 2, 3, 4, 9, 10, 11, size // 2, size, size + 4, len(data) - 1, len(data)}

    for cut in cuts:
        assert pieces_read(data, cut, read_frame) == [payload, b"next"]


def test_a_refusal_is_no_good_answer() -> None:
    """Another status than 200, and a frame that closes, are not what is hoped for."""
    refused = read_response(bytearray(RESPONSE.replace(b"200 OK", b"503 No")))
    closed = read_frame(bytearray(server_frame(b"\x03\xe8", kind=0x88)))

    assert refused is not None
    assert not refused.is_good
    assert closed is not None
    assert not closed.is_good


def test_rows_without_a_verdict_are_counted() -> None:
    """What an answer lacks is an error, and the last answer ends the stretch."""
    answers = Answers(wanted=6, count=lambda body: body.count(b"v"), keep=lambda _: True)
    message = Message(b"", 0, 3, 0)

    for body in (b"vvv", b"v"):
        frame = read_frame(bytearray(server_frame(body)))
        assert frame is not None
        assert not answers.done.is_set()
        answers.take((message, 0.0), frame)

    assert (answers.rows, answers.errors) == (4, 2)
    assert answers.done.is_set()
    assert answers.trouble == "v"
    assert [body for _, body in answers.kept] == [b"vvv"]


def test_a_refused_request_counts_all_its_rows() -> None:
    """A body of a refusal that looks like verdicts is not counted."""
    answers = Answers(wanted=3, count=lambda body: body.count(b"v"), keep=lambda _: True)
    refused = read_frame(bytearray(server_frame(b"vvv", kind=0x88)))
    assert refused is not None

    answers.take((Message(b"", 0, 3, 0), 0.0), refused)

    assert (answers.rows, answers.errors) == (0, 3)
    assert answers.kept == []


def test_a_lost_connection_ends_the_stretch_with_errors() -> None:
    """What was not answered by then never is."""
    answers = Answers(wanted=5, count=len, keep=lambda _: False)

    answers.lost()
    answers.lost()

    assert answers.errors == 5
    assert answers.done.is_set()
